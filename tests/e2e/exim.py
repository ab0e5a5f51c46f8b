"""A private Exim from a package that is unpacked, not installed: it conflicts with Postfix."""

import os
import pwd

from harness import free_port, port_open, wait_until
from receiver import HOST, Receiver, UNPACKED, certificate

BINARY = UNPACKED / "exim4-daemon-light/usr/sbin/exim4"

CONFIG = """\
exim_path = {binary}
primary_hostname = {host}
spool_directory = {where}/spool
log_file_path = {where}/%slog
pid_file_path = {where}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = {cert}
tls_privatekey = {key}
exim_user = {user}
exim_group = {group}
never_users =
keep_environment =
deliver_drop_privilege
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
acl_smtp_connect = check_connect
acl_smtp_rcpt = check_rcpt
begin acl
check_connect:
  accept
check_rcpt:
  {rcpt}
begin routers
keep:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {where}/mail
  maildir_format
  envelope_to_add
begin retry
"""

REFUSAL = "deny message = 5.7.1 Service refused: your IP address is on our block list"


def usable():
    return BINARY.exists()


class Exim(Receiver):
    """`rcpt` is its rule for RCPT."""

    def __init__(self, where, rcpt="accept"):
        base = where / "exim"
        (base / "spool").mkdir(parents=True)
        where.chmod(0o755)
        self.port = free_port()
        self.maildir = base / "mail/new"
        self.spool = (base / "spool/input",)
        self.mail_log = base / "mainlog"
        cert, key = certificate(base)
        user = pwd.getpwnam("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        for path in (base, base / "spool", key):
            os.chown(path, user.pw_uid, user.pw_gid)
        config = base / "exim.conf"
        config.write_text(CONFIG.format(binary=BINARY, host=HOST, where=base, port=self.port, cert=cert, key=key, rcpt=rcpt,
                                        user=user.pw_uid, group=user.pw_gid))
        super().__init__([str(BINARY), "-C", str(config), "-bdf"], where / "exim.log", user=user.pw_uid, group=user.pw_gid,
                         extra_groups=[])
        wait_until(lambda: port_open(self.port), "Exim to listen")
