"""OpenSMTPD: unpacked, in a mount namespace of its own, because its spool has a fixed place."""

import opensmtpd as receiving  # tests/e2e: where it is
from receiver import no_resolver, with_mounts

from . import unpacked
from .peer import HOST, Server, first_line

CONFIG = """\
{settings}
listen on 127.0.0.1 port {port} hostname "{host}"
action "out" relay host "{scheme}://{sink_host}:{sink_port}"{verify}
match from any for any action "out"
"""

TUNED = """\
smtp limit max-mails 100000
mta limit max-conn-per-host {connections} max-conn-per-route {connections} max-conn-per-source {connections} \\
  max-conn-per-connector {connections} max-conn-per-relay {connections} max-conn-per-domain {connections} conn-delay-host 0 \\
  conn-delay-source 0 conn-delay-connector 0 conn-delay-relay 0 conn-delay-domain 0 session-mail-max 10000 session-transaction-delay 0
scheduler limit max-inflight 100000 max-schedule 1000 max-evp-batch-size 1000 max-msg-batch-size 1000
"""


class OpenSmtpd(Server):
    name = "opensmtpd"
    what = "as packaged: waits between messages"
    unfair = ("takes each message by SMTP; syncs nothing to disk, so its queue does not survive a power cut; writes the last dot by "
              "itself, with Nagle's algorithm on: 40 ms a message at every receiver that delays its ACKs, as Linux does")
    share = 1 / 400
    shares = {}  # it takes long enough
    durable = False
    per_connection = 50
    skips = {name: "hopeless: W1 says enough" for name in ("W2", "W2b", "W3", "W4", "W6")} | {
        "W5": "signs nothing by itself", "W7": "its retry schedule is fixed", "W8": "its retry schedule is fixed"}
    settings = ""

    def install(self):
        unpacked.require(receiving.BINARY)

    def version(self, bench):
        return first_line(receiving.BINARY, "-h").removeprefix("version: ")

    def serve(self, job, port):
        base, load = job.where / "opensmtpd", job.workload
        for folder in ("run", "spool/smtpd", "lib/opensmtpd/empty"):
            (base / folder).mkdir(parents=True)
        (base / "spool/smtpd").chmod(0o711)
        config = base / "smtpd.conf"
        config.write_text(CONFIG.format(
            settings=self.settings.format(connections=load.connections), port=port, host=HOST, sink_host=job.sink.host,
            sink_port=job.sink.port, scheme="smtp+tls" if load.tls else "smtp+notls", verify=" tls no-verify" if load.tls else ""))
        mounts = {"/var/spool": base / "spool", "/run": base / "run", "/var/lib": base / "lib",
                  "/usr/libexec": receiving.ROOT / "usr/libexec", **no_resolver(base)}
        return job.start(with_mounts([receiving.BINARY, "-d", "-f", config], mounts))


class Tuned(OpenSmtpd):
    name = "opensmtpd-tuned"
    what = "no delays between messages or connections, limits raised; still opens one connection every 5 s"
    settings = TUNED
    share = 1 / 100
    per_connection = 1000
    skips = {"W5": "signs nothing by itself", "W7": "its retry schedule is fixed", "W8": "its retry schedule is fixed"}
