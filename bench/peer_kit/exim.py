"""Exim: unpacked, with a private configuration."""

import shutil

import exim as receiving  # tests/e2e: where it is

from . import unpacked
from .peer import HOST, Server, first_line, unprivileged

CONFIG = """\
exim_path = {binary}
primary_hostname = {host}
spool_directory = {base}/spool
log_file_path = {base}/%slog
pid_file_path = {base}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
disable_ipv6
tls_advertise_hosts =
exim_user = {user}
exim_group = {group}
never_users =
keep_environment =
deliver_drop_privilege
{settings}
acl_smtp_rcpt = accept
begin routers
out:
  driver = manualroute
  route_list = * {sink_host} byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = {sink_port}
  allow_localhost
{transport}
begin retry
* * F,1d,1s
"""

TUNED = """\
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
split_spool_directory
message_logs = false
log_selector = -all
rfc1413_query_timeout = 0s
queue_run_max = 20
"""


class Exim(Server):
    name = "exim"
    what = "as packaged: a process and a connection per message"
    unfair = "its number of connections cannot be capped; takes each message by SMTP; runs without its set-uid step, which costs more"
    share = 1 / 100
    shares = {"W3": 1 / 20, "W8": 1 / 20}  # where replies are late, nearly all of them are processes at once
    per_connection = 10  # of more it only queues the rest
    sessions = 10        # of 20 it refuses some: those before are not quite gone
    skips = {"W6": "makes a connection per message, many at a time"}
    settings = ""

    def install(self):
        unpacked.require(receiving.BINARY)

    def version(self, bench):
        return first_line(receiving.BINARY, "-C", "/dev/null", "-bV", having="Exim version").split(" #")[0]

    def serve(self, job, port):
        base, load = job.where / "exim", job.workload
        (base / "spool").mkdir(parents=True)
        user, group = unprivileged(base, base / "spool")
        transport = "" if load.tls else "  hosts_avoid_tls = *\n"
        if load.sign:
            shutil.copy(job.mail.key, base / "key.pem")
            unprivileged(base / "key.pem")
            transport += f"  dkim_domain = example.com\n  dkim_selector = volley\n  dkim_private_key = {base}/key.pem\n"
        config = base / "exim.conf"
        config.write_text(CONFIG.format(binary=receiving.BINARY, host=HOST, base=base, port=port, user=user, group=group,
                                        settings=self.settings, sink_host=job.sink.host, sink_port=job.sink.port,
                                        transport=transport))
        runner = ["-q1s"] if load.refused else []
        return job.start(["setpriv", "--reuid", user, "--regid", group, "--clear-groups", receiving.BINARY, "-C", config, "-bdf", *runner])


class Tuned(Exim):
    name = "exim-tuned"
    what = "spool split, no message logs, no limits"
    settings = TUNED
    per_connection = 500
    sessions = 20
