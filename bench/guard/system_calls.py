"""System calls of the engine per message under W1: one destination, 20 connections, 4 KiB messages in the clear.

The engine runs on one loop with a Redis of its own beside it, under strace, which counts nobody but the engine. Strace, other load and
the scheduler change when things happen, and with that how much is done at once. So what is checked is what they cannot change by much:
  - messages that stream on a connection share writes to it and reads from it: 0.18 to 0.24 of each per message seen, handshakes and talk
    with Redis included; one round trip for each message would be 1;
  - a loop's turn is one epoll_wait and one write to the journal, and serves all connections that have an answer: 1/20 of a message at
    best, half as much again seen where others keep the receiver from its core;
  - event log: its thread gathers lines for some milliseconds, so that its writes follow how long the run takes: 0.002 per message seen, and
    0.05 are allowed, ten seconds; a thread that writes whatever it finds makes 0.3 and more.
Noise mostly adds to these, so the best of a few runs counts, and the first run within all limits ends the test. Futex calls depend on
who waits for whom alone (0.3 to 3.7 per message seen): they are shown, not checked. A kind of which nothing is seen any more is a
failure: the work is done by calls that are not counted here.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/e2e"))

MESSAGES = 20_000
CONNECTIONS = 20
READS = ("read", "readv", "pread64", "preadv", "preadv2", "recvfrom", "recvmsg", "recvmmsg")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile")
HELD = 75  # exit of `send --hold`
# What is checked, and how much more than recorded it may be: see above.
TOLERANCE = {"socket reads": 0.5, "socket writes": 0.5, "event log writes": 2.0, "journal writes": 1.0, "epoll waits": 1.0,
             "syncs": 2.0}
# No limit is below these: what the scheduler decides.
AT_LEAST = {"event log writes": 0.05, "syncs": 0.01}
MAY_BE_NONE = {"syncs"}
LINE = re.compile(r"(?:\d+ +)?(\w+)\((?:\d+<([^>]*)>)?")


def kind_of(call, opened):
    """What a call counts as; `opened` is what strace -y says of its descriptor."""
    if call in READS + WRITES:
        way = "reads" if call in READS else "writes"
        if opened.startswith(("socket:", "TCP", "UNIX")):
            return f"socket {way}"
        if "events.jsonl" in opened:
            return f"event log {way}"
        if "/journal" in opened:
            return f"journal {way}"
        return f"other {way}"
    return {"epoll_wait": "epoll waits", "epoll_pwait": "epoll waits", "fsync": "syncs", "fdatasync": "syncs"}.get(call, call)


def tally(lines):
    """Calls by kind. A call that another thread interrupts is two lines, of which the first counts."""
    counts = collections.Counter()
    for line in lines:
        match = LINE.match(line)
        if match:
            counts[kind_of(match.group(1), match.group(2) or "")] += 1
    return counts


def hold(send, address):
    """The list is in the queue before calls are counted."""
    run = subprocess.run([*send, "--route", f"*={address}", "--hold"], capture_output=True, text=True, timeout=120)
    if run.returncode != HELD:
        raise RuntimeError(f"volley send --hold: exit {run.returncode}, not {HELD}\n{run.stderr[-1000:]}")


def may_trace():
    """A container may forbid it."""
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def run_once(where, send, address):
    trace = where / "trace"
    run = subprocess.run(["strace", "-f", "-y", "-o", str(trace), *send, "--route", f"*={address}",
                          "--connections", str(CONNECTIONS), "--json"],
                         capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        raise RuntimeError(f"strace of volley send: exit {run.returncode}\n{run.stderr[-1000:]}")
    summary = json.loads(run.stdout.strip().splitlines()[-1])
    if summary["delivered"] != MESSAGES:
        raise RuntimeError(f"not all were delivered: {summary}")
    with open(trace, errors="replace") as lines:
        return {kind: n / MESSAGES for kind, n in tally(lines).items()}


def measure(volley, enough, most_runs=3):
    """The least of each kind per message, over runs until enough(least) or there were so many."""
    os.environ["VOLLEY"] = str(volley)
    import harness
    least = {}
    text = "Hello {{first_name}} of {{city}},\n" + ("the river path has lights now, and the library opens on Sundays.\n" * 62)
    for _ in range(most_runs):
        with harness.workdir() as where, harness.Redis(where, "--maxmemory-policy", "noeviction") as redis, \
                harness.Sink(where, "--threads", "1", "--no-starttls") as sink:
            campaign = harness.write_campaign(where, MESSAGES, ["example.net"], text=text)
            (where / "volley.toml").write_text("loops = 1\n")
            send = [str(volley), "send", str(campaign), "-c", str(where / "volley.toml"), "--data", str(where / "data"),
                    "--queue", redis.url]
            hold(send, sink.address)
            counts = run_once(where, send, sink.address)
        for kind in {*least, *counts}:
            least[kind] = min(least.get(kind, counts.get(kind, 0)), counts.get(kind, 0))
        if enough(least):
            break
    return least
