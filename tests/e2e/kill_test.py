"""kill -9 at random moments, then the same command again: nobody missing, few twice, the identity true."""

import collections
import contextlib
import random
import unittest

from harness import *

CONNECTIONS, DEPTH = 20, 8  # of messages on a connection that streams: BDAT, once the sink has proven itself
KILLS = 60 if LONG else 20


class Kill(unittest.TestCase):
    def run_with_kills(self, where, sink, recipients, moments, *extra):
        """Kills once per moment (seconds after start), then lets it finish. Returns summary and duplicates."""
        campaign = write_campaign(where, recipients, 40)
        arguments = ["send", str(campaign), "--data", str(where / "data"), "--route", f"*={sink.address}", "--connections",
                     str(CONNECTIONS), "--json", *extra]
        for i, moment in enumerate(moments):
            with Process([VOLLEY, *arguments], where / f"send{i}.log") as send:
                try:
                    send.child.wait(moment)
                except subprocess.TimeoutExpired:
                    send.child.kill()
                    send.child.wait()
        result = volley(*arguments, check=0)
        s = summary(result)
        check_identity(s)
        self.assertEqual((s["state"], s["accepted"], s["delivered"]), ("finished", recipients, recipients))
        counts = collections.Counter(sink.recipients())
        self.assertEqual(len(counts), recipients, "somebody is missing")
        return sum(n - 1 for n in counts.values())

    def test_while_sending(self):
        # A slow sink, so that the kills land while mail is on the wire.
        seed = random.randrange(1 << 30)
        rng = random.Random(seed)
        with workdir() as where, Sink(where, "--delay", "4") as sink:
            moments = [rng.uniform(0.2, 1.2) for _ in range(KILLS)]
            recipients = 40000
            duplicates = self.run_with_kills(where, sink, recipients, moments)
            bound = len(moments) * CONNECTIONS * DEPTH
            print(f"sending: seed {seed}, {len(moments)} kills, {recipients} recipients, 0 missing, {duplicates} twice (bound {bound})")
            self.assertLessEqual(duplicates, bound)

    def test_while_importing(self):
        seed = random.randrange(1 << 30)
        rng = random.Random(seed)
        with workdir() as where, Sink(where) as sink:
            moments = [rng.uniform(0.02, 0.9) for _ in range(KILLS)]
            recipients = 150000
            duplicates = self.run_with_kills(where, sink, recipients, moments, "--stream")
            bound = len(moments) * CONNECTIONS * DEPTH
            print(f"importing: seed {seed}, {len(moments)} kills, {recipients} recipients, 0 missing, {duplicates} twice (bound {bound})")
            self.assertLessEqual(duplicates, bound)

    def test_while_importing_many_small_domains(self):
        """Rows that wait in a temporary file, and are written in slices of several calls."""
        seed = random.randrange(1 << 30)
        rng = random.Random(seed)
        recipients = 400000
        with workdir() as where:
            campaign = write_campaign(where, recipients, 150000, extra="sign = false\n")
            arguments = ["send", str(campaign), "--hold", "--json", "--data"]

            def size(data):
                total = 0
                for file in (where / data).rglob("appendonlydir/*"):
                    with contextlib.suppress(FileNotFoundError):  # it is replaced just now
                        total += file.stat().st_size
                return total
            start = time.monotonic()
            s = summary(volley(*arguments, where / "other", check=75))
            whole, written = time.monotonic() - start, size("other")
            self.assertEqual(s["queued"], recipients)
            # The first kill falls anywhere before; the others when the queue has grown by so much, which only slices make it.
            grown, killed = [], True
            while killed:
                before, more = size("data"), written * rng.uniform(0.1, 0.35)
                with Process([VOLLEY, *map(str, arguments), str(where / "data")], where / f"send{len(grown)}.log") as send:
                    if not grown:
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            send.child.wait(whole * rng.uniform(0.1, 0.3))
                    else:
                        wait_until(lambda: send.child.poll() is not None or size("data") > before + more, "slices to be written", 300)
                    killed = send.child.poll() is None
                    send.child.kill()
                    send.child.wait()
                grown.append(size("data") - before)
            # While it wrote: it had begun to, and a later run had slices left to write.
            writing = sum(grown[i] > written / 20 and max(grown[i + 1:]) > written / 20 for i in range(len(grown) - 1))
            self.assertGreater(writing, 0, grown)
            s = summary(volley(*arguments, where / "data", check=75))
            check_identity(s)
            self.assertEqual((s["read"], s["accepted"], s["queued"]), (recipients, recipients, recipients))
            exported = volley("campaign", "export", "test", "--data", where / "data", check=0).stdout.splitlines()
            addresses = {line.split(",", 1)[0] for line in exported[1:]}
            self.assertEqual((len(exported) - 1, len(addresses)), (recipients, recipients))
            self.assertFalse([f for f in os.listdir(where / "data") if f.startswith("import")])
            print(f"small domains: seed {seed}, {len(grown) - 1} kills, {writing} while it wrote, {recipients} recipients, each once")


if __name__ == "__main__":
    unittest.main(verbosity=2)
