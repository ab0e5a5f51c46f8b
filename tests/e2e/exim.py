"""A private Exim from a package that is unpacked, not installed: it conflicts with Postfix."""

import os
import pwd

from harness import Process, SOURCE, free_port, port_open, wait_until

BINARY = SOURCE / "build/exim/usr/sbin/exim4"

CONFIG = """\
primary_hostname = mx.example.org
spool_directory = {where}/spool
pid_file_path = {where}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
exim_user = {user}
exim_group = {group}
never_users =
acl_smtp_connect = check_connect
acl_smtp_rcpt = check_rcpt
begin acl
check_connect:
  accept
check_rcpt:
  deny message = 5.7.1 Service refused: your IP address is on our block list
begin routers
begin transports
begin retry
"""


class Exim(Process):
    def __init__(self, where):
        base = where / "exim"
        (base / "spool").mkdir(parents=True)
        where.chmod(0o755)
        user = pwd.getpwnam("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        os.chown(base, user.pw_uid, user.pw_gid)
        os.chown(base / "spool", user.pw_uid, user.pw_gid)
        self.port = free_port()
        config = base / "exim.conf"
        config.write_text(CONFIG.format(where=base, port=self.port, user=user.pw_uid, group=user.pw_gid))
        super().__init__([str(BINARY), "-C", str(config), "-bdf"], where / "exim.log", user=user.pw_uid, group=user.pw_gid,
                         extra_groups=[])
        wait_until(lambda: port_open(self.port), "Exim to listen")
