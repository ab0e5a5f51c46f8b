"""smtp-source: Postfix's load generator."""

import os

from .peer import Client, Unavailable, first_line

PROGRAM = "/usr/sbin/smtp-source"


class SmtpSource(Client):
    name = "smtp-source"
    what = "Postfix's load generator, in lock-step, connections kept"
    unfair = "no queue, no personalisation, one recipient for all"
    share = 0.5
    skips = {"W2": "one recipient", "W2b": "one recipient", "W4": "speaks no TLS", "W5": "signs nothing: W1",
             "W7": "does not try again", "W8": "speaks no TLS"}

    def install(self):
        if not os.path.exists(PROGRAM):
            raise Unavailable(f"no {PROGRAM}: deploy/install-packages test")

    def version(self, bench):
        return "Postfix " + first_line("/usr/sbin/postconf", "-d", "-h", "mail_version")

    def argv(self, job):
        return [PROGRAM, "-d", "-s", job.workload.connections, "-m", job.messages, "-F", job.mail.message, "-f", "news@example.com",
                "-t", "subscriber@domain00000.example.net", job.sink.address]
