"""The layer that loses power: what was synced is there afterwards, and what was not may not be. If this fails, "power loss" of
tests/chaos/run proves nothing."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import Process, Redis, port_open, wait_until, workdir  # noqa: E402
from power import Disk  # noqa: E402


class Worst:
    """Nothing that was not synced is there any more."""

    def random(self):
        return 0.0


class Kind:
    """Everything is."""

    def random(self):
        return 1.0

    def choice(self, options):
        return options[1]

    def randint(self, low, high):
        return high


class WorstNames(Kind):
    """All content, but old names."""

    def __init__(self):
        self.asked = 0

    def random(self):
        self.asked += 1
        return 1.0 if self.asked == 1 else 0.0


SYNCED = '''
import os, sys
os.chdir(sys.argv[1])
def put(name, text, sync=True, how="ab", directory=False):
    with open(name, how) as f:
        f.write(text)
        f.flush()
        if sync:
            os.fsync(f.fileno())
    if directory:
        sync_directory()
def sync_directory():
    fd = os.open(".", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
'''


class Power(unittest.TestCase):
    def after(self, script, rng):
        """{name: content} after a process ran the script, and the power was lost."""
        with workdir() as where:
            (where / "root").mkdir()
            disk = Disk(where / "root", where / "notes")
            subprocess.run([sys.executable, "-c", SYNCED + script, str(where / "root")], env=disk.environment(), check=True)
            disk.lose_power(rng)
            return {str(path.relative_to(where / "root")): path.read_bytes() for path in (where / "root").rglob("*") if path.is_file()}

    def test_what_was_synced_is_there(self):
        script = 'put("a", b"one"); put("a", b"two", sync=False); put("b", b"never", sync=False)'
        self.assertEqual(self.after(script, Worst()), {"a": b"one"})
        self.assertEqual(self.after(script, Kind()), {"a": b"onetwo", "b": b"never"})

    def test_a_synced_directory_keeps_names_not_content(self):
        self.assertEqual(self.after('put("a", b"one", sync=False, directory=True)', Worst()), {"a": b""})

    def test_a_rename_needs_its_directory(self):
        script = 'put("a", b"old", directory=True); put("t", b"new"); os.rename("t", "a")'
        self.assertEqual(self.after(script, Worst()), {"a": b"old", "t": b"new"})
        self.assertEqual(self.after(script, WorstNames()), {"a": b"old", "t": b"new"})
        self.assertEqual(self.after(script + "; sync_directory()", Worst()), {"a": b"new"})

    def test_an_unlink_needs_its_directory(self):
        script = 'put("a", b"old"); put("a", b"more", sync=False); os.unlink("a")'
        self.assertEqual(self.after(script, Worst()), {"a": b"old"})
        self.assertEqual(self.after(script, WorstNames()), {"a": b"oldmore"})
        self.assertEqual(self.after(script + "; sync_directory()", Worst()), {})

    def test_a_cut_file_has_no_more_than_that(self):
        self.assertEqual(self.after('put("a", b"12345"); os.truncate("a", 2); put("a", b"345", sync=False)', Worst()), {"a": b"12"})
        self.assertEqual(self.after('put("a", b"12345"); put("a", b"6", sync=False, how="wb")', Worst()), {"a": b""})

    def test_what_is_not_modelled_is_stopped(self):
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            self.after('put("a", b"12345"); put("a", b"6", how="r+b")\nwith open("a", "r+b") as f:\n  f.write(b"7")', Worst())
        self.assertEqual(caught.exception.returncode, -signal.SIGABRT)

    def test_twice(self):
        with workdir() as where:
            (where / "root").mkdir()
            disk = Disk(where / "root", where / "notes")
            for sync in (True, False, False):
                script = f'put("a", b"x", sync={sync}); put("a", b"y", sync=False)'
                subprocess.run([sys.executable, "-c", SYNCED + script, str(where / "root")], env=disk.environment(), check=True)
                disk.lose_power(Worst())
            self.assertEqual((where / "root/a").read_bytes(), b"x")

    def redis_after(self, policy):
        with workdir() as where:
            (where / "root").mkdir()
            disk = Disk(where / "root", where / "notes")
            values = []
            for _ in range(2):
                with Redis(where / "root", "--appendfsync", policy, env=disk.environment()) as redis:
                    ask = lambda *command: subprocess.run(["redis-cli", "-p", str(redis.port), *command], capture_output=True, text=True,
                                                          check=True).stdout.strip()
                    values.append(ask("GET", "k"))
                    ask("SET", "k", "v")
                    redis.child.kill()
                    redis.child.wait()
                disk.lose_power(Worst())
            return values[1]

    def test_redis(self):
        self.assertEqual(self.redis_after("always"), "v")
        self.assertEqual(self.redis_after("no"), "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
