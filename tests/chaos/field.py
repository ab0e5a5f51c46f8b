"""One run in the field: a sink that refuses a tenth of the recipients for now, a queue, an engine that is started again as a supervisor
would, and the count at the end. The sink's log is written before its 250, so it is what a receiver could swear to."""

import collections
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import VOLLEY, Process, Redis, Sink, check_identity, port_open, summary, volley, wait_until, write_campaign  # noqa: E402
from power import Disk  # noqa: E402

CONNECTIONS, DEPTH = 20, 8  # messages on the wire of a connection, at most
DOMAINS = 40
PATIENCE = 240  # seconds for a run, whatever happens in it
RESTARTS = 50


class EmbeddedQueue:
    """appendfsync always, a child of the engine, which looks after it."""

    def __init__(self, disk, environment):
        self.data = disk / "data"
        self.arguments = []

    def socket(self):
        return (self.data / "redis.sock-path").read_text().split()[0]  # a second line names the engine

    def client(self, *command):
        return subprocess.run(["redis-cli", "-s", self.socket(), *command], capture_output=True, text=True, timeout=10).stdout

    def pid(self):
        def ask():
            try:
                lines = self.client("INFO", "server").splitlines()
            except (FileNotFoundError, IndexError, subprocess.TimeoutExpired):
                return None
            return next((int(line.split(":")[1]) for line in lines if line.startswith("process_id:")), None)
        return wait_until(ask, "the embedded Redis", 30)

    def revive(self):
        pass

    def whole(self):
        pass

    def stop(self):
        pass


class ExternalQueue:
    """Somebody else's, who starts it again at once. It keeps no snapshots and appends to its file all the time."""

    appendfsync = "everysec"

    def __init__(self, disk, environment):
        self.environment = environment
        self.redis = Redis(disk, "--appendfsync", self.appendfsync, env=environment)
        self.arguments = ["--queue", self.redis.url]

    def client(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.redis.port), *command], capture_output=True, text=True, timeout=10).stdout

    def pid(self):
        return self.redis.child.pid

    def revive(self):
        argv = self.redis.child.args
        self.redis.child.wait()
        self.redis.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.redis._out, stderr=self.redis._out,
                                            env=self.environment)
        wait_until(lambda: port_open(self.redis.port), "redis to listen again")

    def sync(self):
        """All that it has is on disk."""
        for command in (("CONFIG", "SET", "appendfsync", "always"), ("SET", "synced", "1"), ("DEL", "synced"),
                        ("CONFIG", "SET", "appendfsync", self.appendfsync)):
            self.client(*command)

    def whole(self):
        """Power may go again once Redis has rewritten its file, for which engines ask it (docs/reliability.md, not promised)."""
        def rewritten():
            info = self.client("INFO", "persistence")
            return "aof_rewrite_in_progress:0" in info and "aof_last_rewrite_time_sec:-1" not in info
        wait_until(rewritten, "Redis to have rewritten its file", 60)

    def stop(self):
        self.redis.stop()


class ExternalAlways(ExternalQueue):
    appendfsync = "always"


class Arrivals:
    """Messages in the sink's log, and when they came, to a twentieth of a second."""

    def __init__(self, path):
        self.path = path
        self._read = self._count = 0
        self._seen = collections.deque(maxlen=400)
        self._lock = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def count(self):
        with self._lock:
            if self.path.exists():
                with open(self.path, "rb") as log:
                    log.seek(self._read)
                    new = log.read()
                self._read += len(new)
                self._count += new.count(b"\n")
            return self._count

    def lately(self, seconds):
        """Of the last seconds."""
        now, since = self.count(), time.monotonic() - seconds
        return now - max((count for at, count in list(self._seen) if at <= since), default=0)

    def _watch(self):
        while not self._over.wait(0.05):
            self._seen.append((time.monotonic(), self.count()))

    def stop(self):
        self._over.set()


class Field:
    queues = {"always": EmbeddedQueue, "everysec": ExternalQueue}

    def __init__(self, where, durability, recipients, rng, powered=False):
        self.where, self.durability, self.recipients, self.rng = where, durability, recipients, rng
        (where / "machine").mkdir()
        self.disk = Disk(where / "machine", where / "notes") if powered else None
        self.environment = self.disk.environment() if powered else None
        self.home, self.engine_environment = where / "machine", self.environment
        # Slow enough that the moments fall while mail is on the wire.
        self.sink = Sink(where, "--delay", "3", "--rule", "rcpt:0.1:=1:451 4.3.0 come back")
        self.arrivals = Arrivals(self.sink.messages_path)
        self.queue = self.queues[durability](where / "machine", self.environment)
        self.campaign = write_campaign(where, recipients, DOMAINS)
        self.starts = 0
        self.allowed = 0  # copies
        self.engine = None

    def start(self):
        self.start_engine()

    def start_engine(self):
        self.starts += 1
        self.engine = Process([VOLLEY, *self.command(), "--json"], self.where / f"send{self.starts}.log", env=self.engine_environment)

    def supervise(self):
        """An engine that gave up is started again."""
        if self.engine.child.poll() not in (None, 0):
            self.start_engine()

    def command(self):
        return ["send", str(self.campaign), *self.place(), *self.routes()]

    def place(self, data="data"):
        return ["--data", str(self.home / data), *self.queue.arguments]

    def routes(self):
        return ["--route", f"*={self.sink.address}", "--connections", str(CONNECTIONS)]

    def over(self):
        return self.engine.child.poll() is not None

    def received(self):
        return self.arrivals.count()

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
        return self.judge(summary(volley(*self.command(), "--json", check=0)))

    def judge(self, s):
        check_identity(s)
        assert s["state"] == "finished" and s["accepted"] == self.recipients, s
        return s

    def count(self, s):
        """(lost, twice): of those said to be delivered who never arrived, and copies beyond the first. Volley's own judge has to
        agree, which compares one by one."""
        arrived = collections.Counter(self.sink.recipients())
        lost, twice = s["delivered"] - len(arrived), sum(n - 1 for n in arrived.values())
        verdict = json.loads(volley("campaign", "show", "test", *self.place(), "--verify", self.sink.messages_path, "--json").stdout)
        assert verdict["identity"], verdict
        assert (verdict["lost"], verdict["copies"], verdict["wrong"], verdict["others"]) == (lost, twice, 0, 0), (lost, twice, verdict)
        return lost, twice

    def in_doubt(self):
        return sum(b'"in_doubt"' in line for log in self.home.glob("*/events.jsonl") for line in open(log, "rb"))

    def stop(self):
        self.arrivals.stop()
        if self.engine:
            self.engine.stop()
        self.queue.stop()
        self.sink.stop()
