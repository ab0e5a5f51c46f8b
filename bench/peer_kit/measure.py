"""One run: a sink, a peer, and what both took."""

import dataclasses
import os
import re
import shutil
import threading
import time

from .group import Group
from .peer import Job, wait_until
from .sink import Sink

SAMPLED = 0.25   # seconds between looks at memory
SATURATED = 0.9  # of one core, the sink's loop

MEMORY = ("tmpfs", "ramfs")  # file systems where a sync costs nothing

TRACE = ("strace", "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o")


@dataclasses.dataclass
class Result:
    peer: str
    workload: str
    messages: int
    seconds: float
    cpu: float            # seconds, of the peer with all it started
    sink_cpu: float
    injector_cpu: float
    anonymous: int        # bytes, peak of the sum over processes
    resident: int
    processes: dict       # name: peak of resident bytes
    extra: int            # messages the sink got beyond those it had to

    @property
    def rate(self):
        return self.messages / self.seconds

    @property
    def cpu_per_1000(self):
        return self.cpu / self.messages * 1000

    @property
    def sink_busy(self):
        return self.sink_cpu / self.seconds


def file_system(directory):
    """Its type, by the device of the directory."""
    device = os.stat(directory).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in open("/proc/self/mountinfo"):
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == wanted:
            return kind.split()[0]
    return "an unknown file system"


def calls(table):
    """All that strace counted; of no calls it writes no table."""
    total = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$", table, re.M)
    if total is None and table.strip():
        raise RuntimeError(f"strace says {' '.join(table.split())[-200:]}")
    return int(total.group(1)) if total else 0


class MemoryWatch(threading.Thread):
    """Peaks of a group's memory, until it is stopped."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.over = group, threading.Event()
        self.anonymous = self.resident = 0
        self.processes = {}
        self.start()

    def run(self):
        while True:
            names, anonymous, resident = self.group.memory()
            self.anonymous, self.resident = max(self.anonymous, anonymous), max(self.resident, resident)
            for name, size in names.items():
                self.processes[name] = max(self.processes.get(name, 0), size)
            if self.over.wait(SAMPLED):
                return

    def stop(self):
        self.over.set()
        self.join()


class Bench:
    """What all runs share: programs, the sink's host, the longest a run may take."""

    def __init__(self, volley, ceiling, host, timeout):
        self.volley, self.ceiling, self.host, self.timeout = volley, ceiling, host, timeout

    def run(self, peer, workload, mail, messages, where, trace=()):
        """Raises TimedOut, RuntimeError and OSError; whatever happens, nothing of it runs or is on the disk afterwards."""
        where.mkdir()
        try:
            return self._run(peer, workload, mail, messages, where, trace)
        finally:
            shutil.rmtree(where, ignore_errors=True)

    def _run(self, peer, workload, mail, messages, where, trace):
        with Group("sink") as sinks, Group("injector") as injectors, Group("peer") as peers:
            sink = Sink(sinks, where, self.volley, self.host, workload)
            job = Job(where, workload, mail, messages, sink, peers, injectors, self.volley, self.ceiling, self.timeout, trace)
            peer.prepare(job)
            os.sync()  # what others left to be written is not this one's burden
            watch = MemoryWatch(peers)
            before = [group.cpu() for group in (peers, sinks, injectors)]
            start = time.monotonic()
            try:
                peer.send(job)
            finally:
                seconds = time.monotonic() - start
                watch.stop()
            after = [group.cpu() for group in (peers, sinks, injectors)]
            cpu, sink_cpu, injector_cpu = (late - early for early, late in zip(before, after))
            if trace:
                self._end_trace(peers)
            taken = sink.stop()
            if taken < messages:
                raise RuntimeError(f"{peer.name}: says it sent {messages:,}, the sink has {taken:,}")
            return Result(peer.name, workload.name, messages, seconds, cpu, sink_cpu, injector_cpu, watch.anonymous,
                          watch.resident, watch.processes, taken - messages)

    def fsyncs(self, peer, workload, mail, messages, where):
        """Calls that wait for the disk, per message: a run of its own under strace, because that slows everything down."""
        counts = where.with_suffix(".strace")
        self.run(peer, workload, mail, messages, where, trace=(*TRACE, counts))
        return calls(counts.read_text()) / messages

    @staticmethod
    def _end_trace(peers):
        """strace writes its table when all that it traces is gone."""
        def gone():
            peers.kill_all_but("strace")
            return all(child.poll() is not None for child in peers.children)
        wait_until(gone, "strace to end", 30)
