"""One run in the field: a sink that refuses a tenth of the recipients for now, a queue, an engine that is started again as a supervisor
would, and the count at the end. The sink's log is written before its 250, so it is what a receiver could swear to."""

import collections
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import VOLLEY, Process, Redis, Sink, check_identity, port_open, summary, volley, wait_until, write_campaign  # noqa: E402

CONNECTIONS, DEPTH = 20, 8  # messages on the wire of a connection, at most
DOMAINS = 40
PATIENCE = 240  # seconds for a run, whatever happens in it
RESTARTS = 50


class EmbeddedQueue:
    """appendfsync always, a child of the engine, which looks after it."""

    def __init__(self, where):
        self.data = where / "data"
        self.arguments = []

    def client(self, *command):
        socket = (self.data / "redis.sock-path").read_text().split()[0]  # a second line names the engine
        return subprocess.run(["redis-cli", "-s", socket, *command], capture_output=True, text=True, timeout=10).stdout

    def pid(self):
        def ask():
            try:
                lines = self.client("INFO", "server").splitlines()
            except (FileNotFoundError, subprocess.TimeoutExpired):
                return None
            return next((int(line.split(":")[1]) for line in lines if line.startswith("process_id:")), None)
        return wait_until(ask, "the embedded Redis", 30)

    def revive(self):
        pass

    def stop(self):
        pass


class ExternalQueue:
    """appendfsync everysec, somebody else's, who starts it again at once."""

    def __init__(self, where):
        self.where = where
        self.redis = Redis(where, "--appendfsync", "everysec")
        self.arguments = ["--queue", self.redis.url]

    def client(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.redis.port), *command], capture_output=True, text=True, timeout=10).stdout

    def pid(self):
        return self.redis.child.pid

    def revive(self):
        argv = self.redis.child.args
        self.redis.child.wait()
        self.redis.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.redis._out, stderr=self.redis._out)
        wait_until(lambda: port_open(self.redis.port), "redis to listen again")

    def stop(self):
        self.redis.stop()


QUEUES = {"always": EmbeddedQueue, "everysec": ExternalQueue}


class Field:
    def __init__(self, where, durability, recipients):
        self.where = where
        self.recipients = recipients
        # Slow enough that the moments fall while mail is on the wire.
        self.sink = Sink(where, "--delay", "3", "--rule", "rcpt:0.1:=1:451 4.3.0 come back")
        self.queue = QUEUES[durability](where)
        self.campaign = write_campaign(where, recipients, DOMAINS)
        self.starts = 0
        self._read = self._received = 0
        self.engine = None

    def start_engine(self):
        self.starts += 1
        self.engine = Process([VOLLEY, *self.command(), "--json"], self.where / f"send{self.starts}.log")

    def command(self):
        return ["send", str(self.campaign), "--data", str(self.where / "data"), "--route", f"*={self.sink.address}",
                "--connections", str(CONNECTIONS), *self.queue.arguments]

    def received(self):
        """Messages in the sink's log so far."""
        if not self.sink.messages_path.exists():
            return 0
        with open(self.sink.messages_path, "rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        self._received += new.count(b"\n")
        return self._received

    def finish(self):
        """Until the campaign is over: its summary. An engine that gave up is started again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                code = self.engine.child.wait(max(1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"not finished after {PATIENCE} s:\n{self.engine.text()[-2000:]}") from None
            if code == 0:
                break
            if self.starts > RESTARTS or time.monotonic() > deadline:
                raise AssertionError(f"exit {code} again and again:\n{self.engine.text()[-2000:]}")
            time.sleep(0.2)
            self.start_engine()
        s = summary(volley(*self.command(), "--json", check=0))
        check_identity(s)
        assert s["state"] == "finished" and s["accepted"] == self.recipients, s
        return s

    def count(self, s):
        """(lost, twice): of those said to be delivered who never arrived, and copies beyond the first."""
        arrived = collections.Counter(self.sink.recipients())
        return s["delivered"] - len(arrived), sum(n - 1 for n in arrived.values())

    def in_doubt(self):
        with open(self.where / "data" / "events.jsonl", "rb") as events:
            return sum(b'"in_doubt"' in line for line in events)

    def stop(self):
        if self.engine:
            self.engine.stop()
        self.queue.stop()
        self.sink.stop()
