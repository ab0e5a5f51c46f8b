"""What can happen to an engine and its queue. strike() returns once it is over, and what has to be started again is."""

import os
import signal
import time

LEASE = 15  # seconds a partition is an engine's without renewal


class KilledEngine:
    name = "kill -9 engine"
    by_engine = True  # what was on the wire may go out twice

    def strike(self, field):
        field.engine.child.kill()
        field.engine.child.wait()
        field.start_engine()


class KilledRedis:
    name = "kill -9 Redis"
    by_engine = False

    def strike(self, field):
        os.kill(field.queue.pid(), signal.SIGKILL)
        field.queue.revive()


class KilledBoth:
    name = "kill -9 both"
    by_engine = True

    def strike(self, field):
        redis = field.queue.pid()
        field.engine.child.kill()
        os.kill(redis, signal.SIGKILL)
        field.engine.child.wait()
        field.queue.revive()
        field.start_engine()


class FrozenEngine:
    name = "SIGSTOP engine past its lease"
    by_engine = True

    def strike(self, field):
        field.engine.child.send_signal(signal.SIGSTOP)
        time.sleep(LEASE + 2)
        field.engine.child.send_signal(signal.SIGCONT)


class CutConnection:
    name = "cut the connection to Redis"
    by_engine = False

    def strike(self, field):
        field.queue.client("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


FAULTS = [KilledEngine, KilledRedis, KilledBoth, FrozenEngine, CutConnection]
