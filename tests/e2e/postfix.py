"""A private Postfix that accepts mail for every domain into one Maildir. Needs root: its daemons change user."""

import contextlib
import os
import pwd
import signal
import subprocess

from harness import free_port, port_open, wait_until
from receiver import HOST, Receiver, certificate

MASTER = """\
127.0.0.1:{port} inet n - n - {limit} smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {where}/queue
data_directory = {where}/data
maillog_file = {where}/mail.log
maillog_file_prefixes = {where}
myhostname = {host}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_timeout = 60
in_flow_delay = 0
alias_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {where}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_destination_concurrency_limit = 40
smtpd_recipient_restrictions = permit_mynetworks, reject
{extra}
"""

TLS = """\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {cert}
smtpd_tls_received_header = yes
"""


def usable():
    return os.geteuid() == 0 and os.path.exists("/usr/sbin/postfix")


class Postfix(Receiver):
    def __init__(self, where, extra="", limit=50, tls=False):
        where.chmod(0o755)
        base = where / "postfix"
        for folder in ("etc", "queue", "data", "mail/all"):
            (base / folder).mkdir(parents=True)
        user = pwd.getpwnam("postfix")
        os.chown(base / "data", user.pw_uid, user.pw_gid)
        nobody = pwd.getpwnam("nobody")
        for folder in ("mail", "mail/all"):
            os.chown(base / folder, nobody.pw_uid, nobody.pw_gid)
        self.port = free_port()
        self.maildir = base / "mail/all/new"
        self.spool = tuple(base / "queue" / name for name in ("incoming", "active", "deferred"))
        self.mail_log = base / "mail.log"
        self.pid_file = base / "queue/pid/master.pid"
        if tls:
            cert, key = certificate(base / "etc")
            extra += TLS.format(cert=cert, key=key)
        (base / "etc/master.cf").write_text(MASTER.format(port=self.port, limit=limit))
        (base / "etc/main.cf").write_text(MAIN.format(host=HOST, where=base, uid=nobody.pw_uid, gid=nobody.pw_gid, extra=extra))
        super().__init__(["/usr/sbin/postfix", "-c", str(base / "etc"), "start-fg"], where / "postfix.log", start_new_session=True)
        wait_until(lambda: port_open(self.port), "Postfix to listen")

    def stop(self, sig=signal.SIGTERM, seconds=20):
        """The daemon first: the shell that started it ends with it, but would leave it behind. Then what it has just started."""
        groups = {self.child.pid}  # a session of its own
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            master = int(self.pid_file.read_text())
            groups.add(os.getpgid(master))
            os.kill(master, sig)
            self.child.wait(seconds)
        super().stop(sig, seconds)
        for group in groups - {os.getpgrp()}:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
