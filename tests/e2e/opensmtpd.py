"""A private OpenSMTPD from a package that is unpacked, not installed: it conflicts with Postfix. Needs root.

Its spool and run-time paths are fixed: it gets private ones in a mount namespace.
"""

import os
import pwd

from harness import free_port, port_open, wait_until
from receiver import HOST, Receiver, UNPACKED, certificate, with_mounts

ROOT = UNPACKED / "opensmtpd"
BINARY = ROOT / "usr/sbin/smtpd"
REPAIR = ROOT / "openssl3.so"

CONFIG = """\
pki "{host}" cert "{cert}"
pki "{host}" key "{key}"
listen on 127.0.0.1 port {port} tls pki "{host}" hostname "{host}"
action "keep" maildir "{mail}" virtual {{ "@" = nobody }}
match from any for any action "keep"
"""


def usable():
    return os.geteuid() == 0 and BINARY.exists() and REPAIR.exists()


class OpenSmtpd(Receiver):
    """Without `repaired` it is as Debian ships it: offers STARTTLS and fails every handshake."""

    def __init__(self, where, repaired=True):
        where.chmod(0o755)
        base = where / "opensmtpd"
        for folder in ("mail", "run", "spool/smtpd", "lib/opensmtpd/empty"):
            (base / folder).mkdir(parents=True)
        (base / "spool/smtpd").chmod(0o711)
        nobody = pwd.getpwnam("nobody")
        os.chown(base / "mail", nobody.pw_uid, nobody.pw_gid)
        self.port = free_port()
        self.maildir = base / "mail/new"
        self.spool = (base / "spool/smtpd/incoming", base / "spool/smtpd/queue")
        cert, key = certificate(base)
        config = base / "smtpd.conf"
        config.write_text(CONFIG.format(host=HOST, cert=cert, key=key, port=self.port, mail=base / "mail"))
        preload = ["env", f"LD_PRELOAD={REPAIR}"] if repaired else []
        mounts = {"/var/spool": base / "spool", "/run": base / "run", "/var/lib": base / "lib",
                  "/usr/libexec": ROOT / "usr/libexec"}
        super().__init__(with_mounts([*preload, BINARY, "-d", "-f", config], mounts), where / "opensmtpd.log")
        wait_until(lambda: port_open(self.port), "OpenSMTPD to listen")
