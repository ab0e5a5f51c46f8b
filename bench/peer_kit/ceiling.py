"""bench/ceiling: what the machine allows to who keeps one message in flight a connection, and to who keeps eight."""

from .peer import Client


class Ceiling(Client):
    name = "ceiling"
    what = "prebuilt bytes, DATA, pipelined within the message; one message in flight a connection"
    unfair = "no queue, no rendering, no records: nothing can be as cheap; its message is the same for all recipients"
    skips = {"W4": "speaks no TLS", "W5": "signs nothing: W1", "W8": "speaks no TLS"}
    options = ()

    def version(self, bench):
        return "this build's"

    def argv(self, job):
        return [job.ceiling, "--to", job.sink.address, "--message", job.mail.message, "--recipients", job.mail.recipients,
                "--messages", job.messages, "--connections", job.workload.connections, *self.options]


class Bdat(Ceiling):
    name = "ceiling-bdat"
    what = "prebuilt bytes, MAIL, RCPT and BDAT in one write, up to eight messages in flight a connection"
    options = ("--bdat", "--in-flight", "8")
