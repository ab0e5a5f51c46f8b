"""A control group around every process of a part: its CPU time, its memory, and the certainty that nothing outlives it.

CPU time of a process tree is more than that of the processes one can see: some are gone by then, and not all of them are waited for
by a parent. A group counts them all, and kills them all.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time


class NoGroups(Exception):
    pass


def root():
    """Where groups can be made: beside this process, in the unified hierarchy."""
    mounts = [line.split() for line in open("/proc/mounts")]
    there = next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)
    own = next((line.strip()[3:] for line in open("/proc/self/cgroup") if line.startswith("0::")), None)
    if there is None or own is None or not os.access(there + own, os.W_OK):
        raise NoGroups("needs root and a cgroup2 file system: they count CPU time and stop what was started")
    return pathlib.Path(there + own)


def statuses(pids):
    """(name, anonymous bytes, resident bytes) of those that still run."""
    for pid in pids:
        try:
            fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
            yield (fields["Name"].strip(), int(fields["RssAnon"].split()[0]) * 1024, int(fields["VmRSS"].split()[0]) * 1024)
        except (OSError, KeyError, ValueError):  # gone, or a zombie
            continue


class Group:
    """All processes that are started in it, and their descendants. Leaving the `with` block kills what is left."""

    made = 0

    def __init__(self, name):
        Group.made += 1
        self.path = root() / f"volley-peers-{os.getpid()}-{Group.made}-{name}"
        self.children = []

    def __enter__(self):
        self.path.mkdir()
        return self

    def __exit__(self, *_):
        (self.path / "cgroup.kill").write_text("1")
        for child in self.children:
            child.wait()
        while "populated 1" in (self.path / "cgroup.events").read_text():
            time.sleep(0.01)
        self.path.rmdir()

    def start(self, argv, log):
        """A child with its output in the file `log`, NAME.log, and its complaints in NAME.err.log. A shell enters the group and
        becomes the child: this process has threads, and may run no Python between fork and exec."""
        with open(log, "ab") as out, open(log.with_suffix(".err.log"), "ab") as errors:
            child = subprocess.Popen(["/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"', self.path / "cgroup.procs", *map(str, argv)],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        self.children.append(child)
        return child

    def pids(self):
        return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]

    def kill_all_but(self, name):
        for pid in self.pids():
            with contextlib.suppress(OSError):  # gone
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != name:
                    os.kill(pid, signal.SIGKILL)

    def cpu(self):
        """Seconds, of everything that ever ran here."""
        return int((self.path / "cpu.stat").read_text().split()[1]) / 1e6

    def memory(self):
        """({name: resident bytes}, anonymous bytes, resident bytes): sums over processes; shared pages count in each."""
        names, anonymous, resident = {}, 0, 0
        for name, anon, rss in statuses(self.pids()):
            names[name] = names.get(name, 0) + rss
            anonymous += anon
            resident += rss
        return names, anonymous, resident
