"""Postfix: a private instance, as packaged and tuned."""

import os
import pwd

import postfix as receiving  # tests/e2e: its master.cf

from .peer import HOST, Server, Unavailable, first_line

MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
myhostname = {host}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
relayhost = [{sink_host}]:{sink_port}
smtp_tls_security_level = {tls}
smtp_destination_concurrency_limit = {connections}
"""

AGAIN = """\
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""

TUNED = """\
default_process_limit = 200
in_flow_delay = 0
max_use = 20000
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
initial_destination_concurrency = {connections}
smtp_connection_cache_destinations = static:all
smtp_connection_reuse_count_limit = 0
smtp_tls_connection_reuse = yes
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
"""


class Postfix(Server):
    name = "postfix"
    what = "as packaged; SMTP in, SMTP out"
    unfair = "takes each message by SMTP; expands no templates"
    share = 1 / 40
    skips = {"W5": "signs nothing by itself"}
    more = ""

    def install(self):
        if not receiving.usable():
            raise Unavailable("not installed (deploy/install-packages test), or this is not root")

    def version(self, bench):
        return "Postfix " + first_line("/usr/sbin/postconf", "-d", "-h", "mail_version")

    def serve(self, job, port):
        base = job.where / "postfix"
        for folder in ("etc", "queue", "data"):
            (base / folder).mkdir(parents=True)
        os.chown(base / "data", pwd.getpwnam("postfix").pw_uid, -1)
        load = job.workload
        settings = MAIN + self.more + (AGAIN if load.refused else "")
        (base / "etc/main.cf").write_text(settings.format(
            base=base, host=HOST, sink_host=job.sink.host, sink_port=job.sink.port, tls="may" if load.tls else "none",
            connections=load.connections))
        (base / "etc/master.cf").write_text(receiving.MASTER.format(port=port, limit="-") + "tlsproxy unix - - n - 0 tlsproxy\n")
        return job.start(["/usr/sbin/postfix", "-c", base / "etc", "start-fg"])


class Tuned(Postfix):
    name = "postfix-tuned"
    what = "200 processes, connections cached, no look-ups, no flow delay"
    more = TUNED
