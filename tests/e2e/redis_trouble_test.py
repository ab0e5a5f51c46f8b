"""Redis in trouble, on real parts: what was accepted is delivered, what cannot be accepted is refused so that it may be tried again,
and everything goes on by itself."""

import collections
import struct
import unittest

from api_test import TOKEN, Service, message
from harness import *

RECIPIENTS = 3000

slow = unittest.skipUnless(LONG, "half a minute each: tests/run --long")


class Server:
    """A redis-server on one port and one directory, through stops and starts."""

    def __init__(self, where, *arguments, env=None):
        self.where, self.arguments, self.env = where, arguments, env
        self.port = free_port()
        self.directory = where / "redis"
        self.directory.mkdir()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self, *arguments):
        self.process = Process(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "",
                                "--appendonly", "yes", "--appendfsync", "always", *self.arguments, *arguments],
                               self.where / "redis.log", env=self.env)
        wait_until(lambda: port_open(self.port), "redis to listen")

    def cli(self, *arguments):
        return subprocess.run(["redis-cli", "-p", str(self.port), *map(str, arguments)], capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def info(self, name):
        return next((l.split(":", 1)[1] for l in self.cli("INFO").splitlines() if l.startswith(name + ":")), "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop(signal.SIGKILL)


class Troubles(unittest.TestCase):
    """A service that sends a campaign and takes single messages, while `trouble` befalls its Redis."""

    def under(self, trouble, *, arguments=(), intake_refused=True, twice=0):
        with workdir() as where, Sink(where, "--delay", "15") as sink, Server(where, *arguments) as redis:
            queue = ["--data", where / "data", "--queue", redis.url]
            campaign = write_campaign(where, RECIPIENTS, 30, extra="sign = false\n")
            volley("send", campaign, *queue, "--hold", check=75)
            with Service(where, sink, "--queue", redis.url, "--connections", "2") as service:
                self.service, self.redis, self.sink, self.accepted, self.refused = service, redis, sink, [], 0
                volley("campaign", "resume", "test", *queue, check=0)
                self.post()
                wait_until(lambda: len(sink.messages()) > 100, "some mail")
                trouble()
                self.resumed()
                wait_until(lambda: self.show(queue)["state"] == "finished", "the campaign's end", 240)
                for id in self.accepted:
                    wait_until(lambda: service.request("GET", f"/v1/messages/{id}")[1].get("state") == "delivered", id)
                s = self.show(queue)
                check_identity(s)
                self.assertEqual((s["delivered"], s["queued"]), (RECIPIENTS, 0))
                if intake_refused:
                    self.assertGreater(self.refused, 0)
            counts = collections.Counter(r for r in sink.recipients() if r.startswith("user"))
            self.assertEqual(len(counts), RECIPIENTS)
            self.assertLessEqual(sum(n - 1 for n in counts.values()), twice)
            singles = [r for r in sink.recipients() if not r.startswith("user")]
            self.assertGreaterEqual(len(singles), len(self.accepted))
            self.assertLessEqual(len(singles), len(self.accepted) + self.refused + twice)

    def show(self, queue):
        return summary(volley("campaign", "show", "test", *queue, "--json", check=0))

    def post(self):
        """True: accepted. Anything else but a refusal that says "again" is a failure."""
        status, answer, headers = self.service.request("POST", "/v1/messages", message())
        if status == 202:
            self.accepted.append(answer["id"])
            return True
        self.assertEqual(status, 503, answer)
        self.assertIn("Retry-After", headers)
        self.refused += 1
        return False

    def resumed(self):
        wait_until(self.post, "intake to be open again")

    def works(self):
        """All of it: what is accepted now is delivered."""
        self.resumed()
        wait_until(lambda: self.service.request("GET", f"/v1/messages/{self.accepted[-1]}")[1].get("state") == "delivered", "its delivery")

    @slow
    def test_restart(self):
        def trouble():
            self.redis.process.stop()
            self.assertFalse(self.post())
            self.redis.start()
        self.under(trouble)

    def test_killed(self):
        def trouble():
            for _ in range(3):
                self.redis.process.stop(signal.SIGKILL)
                self.redis.start()
                self.works()
        self.under(trouble, intake_refused=False)

    @slow
    def test_loading(self):
        def trouble():
            self.redis.cli("BGREWRITEAOF")
            wait_until(lambda: self.redis.info("aof_rewrite_in_progress") == "0" and self.redis.info("aof_rewrite_scheduled") == "0", "the rewrite")
            self.redis.process.stop()
            # 3 ms for each key: some seconds.
            self.redis.start("--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024")
            wait_until(lambda: self.redis.info("loading") == "1", "it to load")
            result = volley("status", "--queue", self.redis.url, "--data", self.service.log.parent / "other")
            self.assertIn(result.returncode, (0, 69), result.stderr)
            wait_until(lambda: self.redis.info("loading") == "0", "it to have loaded")
        self.under(trouble, intake_refused=False)

    def test_full(self):
        def trouble():
            self.redis.cli("CONFIG", "SET", "maxmemory", "1mb")
            self.assertFalse(self.post())
            seen = len(self.sink.messages())
            wait_until(lambda: len(self.sink.messages()) > seen + 200, "a full queue to drain")
            self.assertFalse(self.post())
            self.redis.cli("CONFIG", "SET", "maxmemory", "0")
        self.under(trouble)

    def test_misconf(self):
        def trouble():
            (self.redis.directory / "dump.rdb").mkdir()
            self.redis.cli("CONFIG", "SET", "save", "3600 1000000")
            self.redis.cli("BGSAVE")
            wait_until(lambda: self.redis.info("rdb_last_bgsave_status") == "err", "a save that fails")
            self.assertFalse(self.post())
            self.redis.cli("CONFIG", "SET", "save", "")
            (self.redis.directory / "dump.rdb").rmdir()
        self.under(trouble)

    @slow
    def test_read_only_replica(self):
        def trouble():
            self.redis.cli("REPLICAOF", "127.0.0.1", "1")
            self.assertFalse(self.post())
            self.redis.cli("REPLICAOF", "NO", "ONE")
        self.under(trouble)

    @slow
    def test_busy(self):
        def trouble():
            script = Process(["redis-cli", "-p", str(self.redis.port), "EVAL", "while true do end", "0"], self.service.log.parent / "script.log")
            wait_until(lambda: "BUSY" in self.redis.cli("GET", "x"), "it to be busy")
            self.redis.cli("SCRIPT", "KILL")
            script.stop()
        self.under(trouble, arguments=("--busy-reply-threshold", "100"), intake_refused=False)

    @slow
    def test_functions_are_gone(self):
        def trouble():
            for _ in range(5):
                self.redis.cli("FUNCTION", "FLUSH")
                self.assertTrue(self.post())
                self.works()
        self.under(trouble, intake_refused=False)

    def test_silent_for_longer_than_a_lease(self):
        def trouble():
            self.redis.process.child.send_signal(signal.SIGSTOP)
            wait_until(lambda: "could not be renewed" in self.service.text(), "leases to be given up")
            self.redis.process.child.send_signal(signal.SIGCONT)
        self.under(trouble, intake_refused=False, twice=2 * 8)


class Clock(unittest.TestCase):
    def test_a_day_ahead_and_a_day_behind(self):
        """Nothing is dropped, nobody's lease is lost, nothing scheduled happens without a word."""
        with workdir() as where:
            shim, offset = where / "clock.so", where / "offset"
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, SOURCE / "tests/e2e/clock.c", "-ldl"], check=True)
            offset.write_bytes(struct.pack("q", 0))

            def set_clock(seconds):
                with open(offset, "r+b") as f:
                    f.write(struct.pack("q", seconds))

            env = {**os.environ, "LD_PRELOAD": str(shim), "CLOCK_OFFSET": str(offset)}
            with Sink(where, "--delay", "15", "--rule", "rcpt:0.1:=1:451 4.3.0 try again later") as sink, Server(where, env=env) as redis:
                queue = ["--data", where / "data", "--queue", redis.url]
                campaign = write_campaign(where, RECIPIENTS, 30, extra="sign = false\n")
                volley("send", campaign, *queue, "--hold", check=75)
                start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 12 * 3600))
                later = write_campaign(where, 10, name="later", extra=f'sign = false\nstart = "{start}"\n')
                volley("send", later, *queue, "--hold", check=75)
                volley("campaign", "resume", "later", *queue, check=0)
                argv = [VOLLEY, "serve", *map(str, queue), "--route", f"*={sink.address}", "--connections", "2"]

                def only_retries_are_left():
                    counts = summary(volley("queue", "count", "--campaign", "test", "--by", "where", "--json", *queue, check=0))["counts"]
                    return set(counts) <= {"waiting"}

                with Process(argv, where / "serve.log") as serve:
                    volley("campaign", "resume", "test", *queue, check=0)
                    for seconds in (86400, -86400, 0):
                        wait_until(lambda: len(sink.messages()) > 50, "some mail")
                        seen = len(sink.messages())
                        lines = len(serve.text().splitlines())
                        set_clock(seconds)
                        wait_until(lambda: "the clock of the queue's host" in "\n".join(serve.text().splitlines()[lines:]), "a word about it")
                        wait_until(lambda: len(sink.messages()) > seen or only_retries_are_left(), "mail to go on")
                        self.assertEqual(summary(volley("campaign", "show", "later", *queue, "--json", check=0))["state"], "scheduled")
                    wait_until(lambda: volley("queue", "flush", *queue) and
                               summary(volley("campaign", "show", "test", *queue, "--json", check=0))["state"] == "finished", "the end", 240)
                    self.assertNotIn("lost", serve.text())
                s = summary(volley("campaign", "show", "test", *queue, "--json", check=0))
                check_identity(s)
                self.assertEqual((s["delivered"], s["expired"]), (RECIPIENTS, 0))
                counts = collections.Counter(sink.recipients())
                self.assertEqual((len(counts), set(counts.values())), (RECIPIENTS, {1}))


class FullDisk(unittest.TestCase):
    def test_the_embedded_queues_disk_is_full(self):
        """The server dies for it, and comes back by itself when there is room."""
        with workdir() as where, Sink(where, "--delay", "10") as sink:
            small = where / "data/redis"
            small.mkdir(parents=True)
            if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small]).returncode != 0:
                self.skipTest("cannot mount a small file system here")
            try:
                campaign = write_campaign(where, RECIPIENTS, 30, extra="sign = false\n")
                place = ["--data", where / "data"]
                volley("send", campaign, *place, "--hold", check=75)
                with Service(where, sink, "--connections", "2") as service:
                    volley("campaign", "resume", "test", *place, check=0)
                    wait_until(lambda: len(sink.messages()) > 100, "some mail")
                    ballast = small / "ballast"
                    with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
                        while f.write(b"\0" * 4096):
                            pass
                    wait_until(lambda: "restarting" in service.text(), "the server to die of it")
                    status, _, headers = service.request("POST", "/v1/messages", message())
                    self.assertEqual(status, 503)
                    ballast.unlink()
                    wait_until(lambda: service.request("POST", "/v1/messages", message())[0] == 202, "intake to be open again")
                    wait_until(lambda: len(set(sink.recipients())) == RECIPIENTS + 1, "everybody's mail", 240)
                s = summary(volley("send", campaign, *place, "--route", f"*={sink.address}", "--json", check=0))
                check_identity(s)
                self.assertEqual((s["state"], s["delivered"]), ("finished", RECIPIENTS))
                counts = collections.Counter(r for r in sink.recipients() if r.startswith("user"))
                self.assertEqual((len(counts), set(counts.values())), (RECIPIENTS, {1}))
            finally:
                subprocess.run(["umount", small])


class Damage(unittest.TestCase):
    def test_a_corrupt_chunk_is_parked_and_named(self):
        with workdir() as where, Sink(where) as sink, Server(where) as redis:
            queue = ["--data", where / "data", "--queue", redis.url]
            campaign = write_campaign(where, 300, 10)
            volley("send", campaign, *queue, "--hold", check=75)
            key = redis.cli("--scan", "--pattern", "volley:{p*:q:test:d3.example.net")
            chunk = subprocess.run(["redis-cli", "-p", str(redis.port), "--raw", "LINDEX", key, "0"], capture_output=True).stdout[:-1]
            broken = chunk[:20] + bytes([chunk[20] ^ 255]) + chunk[21:]
            subprocess.run(["redis-cli", "-p", str(redis.port), "-x", "LSET", key, "0"], input=broken, capture_output=True, check=True)
            argv = [VOLLEY, "send", str(campaign), *map(str, queue), "--route", f"*={sink.address}"]
            with Process(argv, where / "send.log") as send:
                wait_until(lambda: "volley queue damaged" in send.text(), "a word about it")
                wait_until(lambda: len(sink.messages()) == 270, "the others")
                self.assertEqual(send.text().count("cannot be read"), 1)
                send.child.terminate()
                send.child.wait(60)
            s = summary(volley("campaign", "show", "test", *queue, "--json", check=0))
            check_identity(s)
            self.assertEqual((s["delivered"], s["queued"]), (270, 30))
            listed = summary(volley("queue", "damaged", *queue, "--json", check=0))
            self.assertEqual((listed["campaign"], listed["domain"], listed["recipients"]), ("test", "d3.example.net", 30))
            self.assertIn("30 recipients are cancelled", volley("queue", "damaged", "--drop", *queue, check=0).stdout)
            volley(*argv[1:], check=0)
            s = summary(volley("campaign", "show", "test", *queue, "--json", check=0))
            check_identity(s)
            self.assertEqual((s["state"], s["cancelled"], s["queued"]), ("finished", 30, 0))
            self.assertIn("no chunk", volley("queue", "damaged", *queue, check=0).stdout)

    def test_broken_indexes_are_mended_by_the_owner(self):
        with workdir() as where, Sink(where) as sink, Server(where) as redis:
            queue = ["--data", where / "data", "--queue", redis.url]
            campaign = write_campaign(where, 300, 10)
            volley("send", campaign, *queue, "--hold", check=75)
            volley("campaign", "resume", "test", *queue, check=0)
            for key in redis.cli("--scan", "--pattern", "volley:{p*}:pk:test").split():
                redis.cli("DEL", key)
            looked = summary(volley("queue", "repair", "--dry-run", "--json", *queue, check=0))
            self.assertEqual(looked["mended"], 10)
            s = summary(volley("send", campaign, *queue, "--route", f"*={sink.address}", "--json", check=0))
            check_identity(s)
            self.assertEqual((s["state"], s["delivered"]), ("finished", 300))
            self.assertEqual(summary(volley("queue", "repair", "--json", *queue, check=0))["mended"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
