"""What every peer is: a name, what it cannot do, how it is installed, and how it sends a job."""

import dataclasses
import os
import pathlib
import subprocess
import time

from harness import SOURCE, free_port, port_open  # tests/e2e

INSTALLED = SOURCE / "build/peers"
HOST = "mail.example.com"


class Unavailable(Exception):
    """Cannot run here; says why."""


class TimedOut(Exception):
    pass


def wait_until(condition, what, seconds):
    """Looks more often than the tests' does: it ends what is measured."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimedOut(f"no end in {seconds:.0f} s of waiting for {what}")
        time.sleep(0.01)
    return value


@dataclasses.dataclass
class Job:
    """One run of one peer."""
    where: pathlib.Path   # its own directory
    workload: object
    mail: object
    messages: int
    sink: object
    group: object         # the peer's processes
    injector: object      # the group of who fills its queue
    volley: pathlib.Path
    ceiling: pathlib.Path
    timeout: float
    trace: tuple = ()     # words before the peer's command

    def start(self, argv):
        return self.group.start([*self.trace, *argv], self.where / "peer.log")

    def wait(self, condition, what):
        try:
            wait_until(condition, what, self.timeout)
        except TimedOut as error:
            raise TimedOut(f"{error}: {self.sink.messages():,} of {self.messages:,}") from None

    def finish(self, child, what):
        """Waits for a child that ends by itself, and well."""
        self.wait(lambda: child.poll() is not None, what)
        if child.returncode != 0:
            raise RuntimeError(f"{what}: exit {child.returncode}: {tail(self.where)}")


def tail(where):
    """The last words of all logs."""
    return " | ".join(" ".join(log.read_text(errors="replace").split())[-300:] for log in sorted(where.glob("*.log")))


def first_line(*command, having=""):
    """What a program prints about itself."""
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return next((line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip() and having in line), "")


class Peer:
    name = ""
    what = ""           # one line
    unfair = ""         # what to know when it is held against Volley
    share = 1.0         # of a workload's messages: slow ones get fewer
    shares = {}         # workload: another share
    durable = False     # what it took survives a power cut
    skips = {}          # workload: why not

    def install(self):
        """Raises Unavailable."""

    def version(self, bench):
        """Of what is installed."""
        raise NotImplementedError

    def prepare(self, job):
        """Before the clock runs."""

    def send(self, job):
        """Returns when all of it is sent."""
        raise NotImplementedError


# Where replies are late, all wait for the same, and a peer's share of W1 would be a second of start-up.
WHERE_WAITING_COUNTS = {"W3": 1 / 8, "W8": 1 / 8}


class Client(Peer):
    """A command that sends everything and ends."""

    def argv(self, job):
        raise NotImplementedError

    def send(self, job):
        job.finish(job.start(self.argv(job)), self.name)


class Server(Peer):
    """Takes mail by SMTP into a queue, delivers it by SMTP. Its queue is filled by bench/ceiling; the clock runs from the first
    connection of that until the sink has the last message."""

    durable = True
    shares = WHERE_WAITING_COUNTS
    per_connection = 0  # messages; 0: any number
    sessions = 20       # that fill its queue

    def serve(self, job, port):
        """Starts it."""
        raise NotImplementedError

    def prepare(self, job):
        job.where.chmod(0o755)
        self.port = free_port()
        child = self.serve(job, self.port)

        def up():
            if child.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {tail(job.where)}")
            return port_open(self.port)
        wait_until(up, f"{self.name} to listen", 60)

    def send(self, job):
        injection = job.injector.start(
            [job.ceiling, "--to", f"127.0.0.1:{self.port}", "--message", job.mail.message, "--recipients", job.mail.recipients,
             "--messages", job.messages, "--connections", self.sessions, "--per-connection", self.per_connection],
            job.where / "injector.log")

        def arrived():
            if injection.poll() not in (None, 0):
                raise RuntimeError(f"{self.name} did not take the mail: {tail(job.where)}")
            return job.sink.messages() >= job.messages
        job.wait(arrived, self.name)


def unprivileged(*paths):
    """Gives them to nobody; (user, group)."""
    for path in paths:
        os.chown(path, 65534, 65534)
    return 65534, 65534
