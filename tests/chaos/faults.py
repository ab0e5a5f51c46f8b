"""What can happen to an engine and its queue. strike() returns once it is over, and what has to be started again is; or the seconds it
took to get over it, where somebody else did. It adds to field.allowed the copies that it may cost."""

import os
import pathlib
import shutil
import signal
import time

from apart import Apart
from field import CONNECTIONS, DEPTH, Field
from harness import wait_until
from pair import Pair

LEASE = 15  # seconds a partition is an engine's without renewal
WIRE = CONNECTIONS * DEPTH
# What was delivered goes to the queue within a second (the journal has it at once), plus its way there on a busy machine.
PROGRESS = 2.0
EVERYSEC = 2.0  # what Redis may not have synced


class Fault:
    field = Field
    phases = ("importing", "sending")
    powered = False


class KilledEngine(Fault):
    name = "kill -9 engine"

    def strike(self, field):
        field.allowed += WIRE
        field.engine.child.kill()
        field.engine.child.wait()
        field.start_engine()


class KilledRedis(Fault):
    name = "kill -9 Redis"

    def strike(self, field):
        os.kill(field.queue.pid(), signal.SIGKILL)
        field.queue.revive()


class KilledBoth(Fault):
    name = "kill -9 both"

    def strike(self, field):
        field.allowed += WIRE
        redis = field.queue.pid()
        field.engine.child.kill()
        os.kill(redis, signal.SIGKILL)
        field.engine.child.wait()
        field.queue.revive()
        field.start_engine()


class FrozenEngine(Fault):
    name = "SIGSTOP engine past its lease"

    def strike(self, field):
        field.allowed += WIRE
        field.engine.child.send_signal(signal.SIGSTOP)
        time.sleep(LEASE + 2)
        field.engine.child.send_signal(signal.SIGCONT)


class CutConnection(Fault):
    name = "cut the connection to Redis"

    def strike(self, field):
        field.supervise()
        field.queue.pid()  # there is one by now
        field.queue.client("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def state_of(pid):
    """(state, parent) by the kernel; of one that is gone: X, 0."""
    try:
        state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        return state, int(parent)
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0


def children(pid):
    return [int(each) for each in os.listdir("/proc") if each.isdigit() and state_of(each)[1] == pid]


class PowerLoss(Fault):
    """Of the machine that both are on. The journal is never synced, so it may be gone."""

    name = "power loss"
    powered = True

    def strike(self, field):
        engine, external = field.engine.child, getattr(field.queue, "redis", None)
        engine.send_signal(signal.SIGSTOP)
        pids = [engine.pid, *children(engine.pid), *([external.child.pid] if external else [])]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, sig)
        engine.wait()
        if external:
            external.child.wait()
        wait_until(lambda: all(state_of(pid)[0] in "ZX" for pid in pids), "the end of all")
        field.allowed += WIRE + field.arrivals.lately(PROGRESS + (EVERYSEC if field.durability == "everysec" else 0))
        if not external:
            self.clear_socket(field.queue)
        field.disk.lose_power(field.rng)
        field.queue.revive()
        field.start_engine()
        field.queue.whole()

    def clear_socket(self, queue):
        """It is in a directory that does not outlive the machine's power."""
        try:
            shutil.rmtree(pathlib.Path(queue.socket()).parent, ignore_errors=True)
        except (FileNotFoundError, IndexError):
            pass


class LostRedisMachine(Fault):
    """The engine lives on, with chunks and outcomes in hand of which a queue that is two seconds younger knows nothing."""

    name = "power loss of Redis alone"
    field = Apart
    phases = ("sending",)
    powered = True

    def strike(self, field):
        redis = field.queue.redis.child
        redis.kill()
        redis.wait()
        if field.durability == "everysec":
            field.allowed += WIRE + field.arrivals.lately(PROGRESS + EVERYSEC)
        field.disk.lose_power(field.rng)
        field.queue.revive()
        field.supervise()
        field.queue.whole()


class KilledOneOfTwo(Fault):
    """The other one has no journal of it: what it knows is in the queue."""

    name = "kill -9 one of two engines"
    field = Pair
    phases = ("sending",)

    def strike(self, field):
        victim = field.busier()
        field.engines[victim].stop(signal.SIGKILL)
        killed = time.monotonic()
        field.allowed += WIRE + field.arrivals.lately(PROGRESS)
        wait_until(lambda: field.owned()[victim] == 0, "the other engine to take over")
        took = time.monotonic() - killed
        field.start_engine(victim)
        return took


FAULTS = [KilledEngine, KilledRedis, KilledBoth, FrozenEngine, CutConnection, PowerLoss, LostRedisMachine, KilledOneOfTwo]
