"""volley serve and the intake stream: programs in any language add, every message arrives once, what cannot be sent is parked."""

import contextlib
import json
import unittest
import urllib.request

import redis

from harness import *

STREAM, PARKED, RESULTS = "volley:intake", "volley:intake:parked", "volley:intake:results"
EXAMPLES = SOURCE / "deploy/examples"


class Engine(Process):
    """volley serve that reads the stream. Without `queue` the queue is its own."""

    def __init__(self, where, port, queue=None, *, senders='["example.com"]', name="engine"):
        self.config = where / f"{name}.toml"
        self.config.write_text(f'hostname = "mail.example.com"\nsenders = {senders}\n[intake]\nstream = true\n'
                               '[http]\nlisten = "127.0.0.1:0"\n'
                               '[transactional]\nfirst_delay = "1s"\nmax_delay = "1s"\n')
        self.data = where / name
        self.arguments = ["--data", str(self.data), *(["--queue", queue.url] if queue else [])]
        log = where / f"{name}.log"
        log.write_text("")
        super().__init__([VOLLEY, "serve", "-c", str(self.config), *self.arguments, "--route", f"*=127.0.0.1:{port}"], log)
        line = wait_until(lambda: next((l for l in self.text().splitlines() if l.startswith("listening ")), None), "serve")
        self.base = line.split()[1]

    def metric(self, name):
        with urllib.request.urlopen(self.base + "/metrics", timeout=30) as response:
            counts = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines())
        return int(float(counts["volley_" + name]))

    def instance(self):
        return (self.data / "instance").read_text()


def message(to, **changes):
    return {"from": "Shop <shop@example.com>", "to": to, "subject": "Your order", "text": "On its way.\n", **changes}


def client(server):
    return redis.Redis(port=server.port, decode_responses=True)


def add(queue, body, **fields):
    return queue.xadd(STREAM, {"message": body if isinstance(body, str) else json.dumps(body), **fields})


def settled(queue):
    """Nothing waits and nothing is pending; the group has to be there."""
    return queue.xlen(STREAM) == 0 and queue.xpending(STREAM, "volley")["pending"] == 0


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.where = cls.stack.enter_context(workdir())
        cls.sink = cls.stack.enter_context(Sink(cls.where))
        cls.server = cls.stack.enter_context(Redis(cls.where, "--maxmemory-policy", "noeviction"))
        cls.engine = cls.stack.enter_context(Engine(cls.where, cls.sink.port, cls.server))
        cls.queue = client(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.queue.close()
        cls.stack.close()

    def setUp(self):
        wait_until(lambda: self.queue.exists(STREAM), "the group")

    def arrived(self, *recipients):
        """Each of them once; said when all are there and nothing waits."""
        wait_until(lambda: settled(self.queue), "the stream to be empty")
        wait_until(lambda: set(recipients) <= set(self.sink.recipients()), f"{recipients} at the sink")
        for recipient in recipients:
            self.assertEqual(self.sink.recipients().count(recipient), 1, recipient)

    def parked(self, entry):
        wait_until(lambda: settled(self.queue), "the stream to be empty")
        return [fields for _, fields in self.queue.xrange(PARKED) if fields["id"] == entry]

    def result(self, entry):
        wait_until(lambda: settled(self.queue), "the stream to be empty")
        return [fields for _, fields in self.queue.xrange(RESULTS) if fields["entry"] == entry]

    def test_message_arrives_and_its_id_is_told(self):
        entry = add(self.queue, message("valid@d1.example.net", headers={"X-Order": "4711"}), key="order-valid")
        self.arrived("valid@d1.example.net")
        [result] = self.result(entry)
        self.assertEqual(result["key"], "order-valid")
        self.assertRegex(result["id"], "^[0-9a-f]{19}$")
        events = self.engine.data / "events.jsonl"
        wait_until(lambda: result["id"] in events.read_text(), "the event that has this id")
        self.assertEqual(self.parked(entry), [])

    def test_examples_in_every_language(self):
        for command in ("/usr/bin/python3 add_message.py", "php add_message.php", "node add_message.js"):
            with self.subTest(command):
                to = command.split(".")[-1] + "-language@d2.example.net"
                environment = {**os.environ, "REDIS_URL": self.server.url, "NODE_PATH": "/usr/share/nodejs"}
                for _ in range(2):  # a producer that repeats itself sends once
                    ran = subprocess.run([*command.split(), to, f"order-{to}"], cwd=EXAMPLES, env=environment, text=True,
                                         capture_output=True, timeout=60)
                    self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran)
                    self.assertRegex(ran.stdout, r"^\d+-\d+\n$")
                self.arrived(to)

    def test_examples_on_the_socket_of_an_embedded_queue(self):
        with workdir() as where, Sink(where) as sink, Engine(where, sink.port) as engine:
            socket_path = (engine.data / "redis.sock-path").read_text().splitlines()[0]
            environment = {**os.environ, "REDIS_URL": "unix://" + socket_path, "NODE_PATH": "/usr/share/nodejs"}
            commands = ("/usr/bin/python3 add_message.py", "php add_message.php", "node add_message.js")
            for i, command in enumerate(commands):
                subprocess.run([*command.split(), f"u{i}@d1.example.net", f"k{i}"], cwd=EXAMPLES, env=environment, check=True,
                               stdout=subprocess.DEVNULL, timeout=60)
            wait_until(lambda: len(sink.recipients()) >= 3, "delivery")
            self.assertEqual(sorted(sink.recipients()), [f"u{i}@d1.example.net" for i in range(3)])

    def test_batch_with_one_bad(self):
        good = [message(f"batch{i}@d{i}.example.net") for i in range(3)]
        batch = [good[0], {**message("not an address"), "key": "order-bad"}, {**good[1], "key": "order-b1"}, good[2]]
        before = self.engine.metric("intake_accepted_total")
        entry = self.queue.xadd(STREAM, {"batch": json.dumps(batch)})
        self.arrived(*(m["to"] for m in good))
        [bad] = self.parked(entry)
        self.assertEqual((bad["index"], bad["key"]), ("1", "order-bad"))
        self.assertTrue(bad["reason"].startswith("to: "), bad)
        self.assertEqual(json.loads(bad["message"])["to"], "not an address")
        self.assertEqual([r.get("index") for r in self.result(entry)], ["0", "1", "2", "3"])
        self.assertEqual(self.engine.metric("intake_accepted_total"), before + 3)

    def test_what_cannot_be_sent_is_parked_with_the_reason(self):
        before = self.engine.metric("intake_parked_total")
        cases = [('{"from": ', "no JSON"), (message("x@d1.example.net", **{"from": "eve@example.org"}), "configured senders"),
                 (message("x@d1.example.net", subject="a\r\nBcc: y@example.net"), "subject"),
                 (message(["x@d1.example.net", "y@d1.example.net"]), "one recipient"),
                 (message("x@d1.example.net", text="x" * (11 << 20)), "larger than")]
        for body, reason in cases:
            entry = add(self.queue, body)
            [parked] = self.parked(entry)
            self.assertIn(reason, parked["reason"])
            self.assertEqual(parked["message"], body if isinstance(body, str) else json.dumps(body))
        self.assertEqual(self.engine.metric("intake_parked_total"), before + len(cases))
        wait_until(lambda: self.engine.metric("intake_parked_entries") == self.queue.xlen(PARKED), "the gauge")
        told = volley("status", "-c", self.engine.config, *self.engine.arguments, check=0).stdout
        self.assertIn(f"intake stream: {self.queue.xlen(PARKED)} parked in volley:intake:parked", told)
        told = summary(volley("status", "-c", self.engine.config, *self.engine.arguments, "--json", check=0))
        self.assertEqual(told["intake"], {"waiting": 0, "parked": self.queue.xlen(PARKED)})

    def test_keys(self):
        first = add(self.queue, message("once@d1.example.net"), key="order-once")
        second = add(self.queue, message("once@d1.example.net"), key="order-once")
        other = add(self.queue, message("other@d1.example.net"), key="order-once")
        self.arrived("once@d1.example.net")
        self.assertEqual(self.result(first)[0]["id"], self.result(second)[0]["id"])
        self.assertEqual(self.parked(other)[0]["reason"], "key: used before with another body")
        self.assertNotIn("other@d1.example.net", self.sink.recipients())


class Trouble(unittest.TestCase):
    def test_killed_between_reading_and_settling(self):
        """The engine is killed at any moment while it takes entries; nothing is on the wire yet, so everything arrives once."""
        with workdir() as where, Redis(where) as server, client(server) as queue:
            port, added = free_port(), []
            for turn in range(5):
                with Engine(where, port, server) as engine:
                    wait_until(lambda: queue.exists(STREAM), "the group")
                    with queue.pipeline(transaction=False) as pipeline:
                        for i in range(200):
                            added.append(f"u{turn}-{i}@d{i % 7}.example.net")
                            add(pipeline, message(added[-1]))
                        pipeline.execute()
                    goal = queue.xlen(STREAM) * (4 - turn) // 5
                    wait_until(lambda: queue.xlen(STREAM) <= goal, "some of them to be settled")
                    engine.stop(signal.SIGKILL)
            # What it has read and died over: its own, and another's that never comes back.
            for i, consumer in enumerate((engine.instance(), "dead")):
                added.append(f"read{i}@d1.example.net")
                add(queue, message(added[-1]))
                wait_until(lambda: queue.xreadgroup("volley", consumer, {STREAM: ">"}, count=100), "the entry")
            for entry in queue.xpending_range(STREAM, "volley", "-", "+", 100, consumername="dead"):
                queue.xclaim(STREAM, "volley", "dead", 0, [entry["message_id"]], idle=3600_000, justid=True)
            with Sink(where, listen=f"127.0.0.1:{port}") as sink, Engine(where, port, server) as engine:
                wait_until(lambda: settled(queue), "the stream to be empty")
                wait_until(lambda: len(sink.recipients()) >= len(added), "delivery", 120)
                self.assertEqual(sorted(sink.recipients()), sorted(added))
                self.assertEqual(queue.xlen(PARKED), 0)
                wait_until(lambda: engine.metric("queued_recipients") + engine.metric("waiting_retry_recipients") == 0, "no more")

    def test_full_queue_loses_nothing(self):
        with workdir() as where, Redis(where, "--maxmemory-policy", "noeviction") as server, client(server) as queue, \
                Sink(where) as sink:
            with Engine(where, sink.port, server):
                wait_until(lambda: queue.exists(STREAM), "the group")
            added = [f"u{i}@d{i % 7}.example.net" for i in range(100)]
            for to in added:
                add(queue, message(to))
            bad = add(queue, "{")
            queue.config_set("maxmemory", "1mb")
            with Engine(where, sink.port, server) as engine:
                wait_until(lambda: "entries wait: the queue is full" in engine.text(), "the refusal")
                self.assertEqual((queue.xlen(STREAM), queue.xlen(PARKED), sink.messages()), (101, 0, []))
                wait_until(lambda: engine.metric("intake_waiting_entries") == 101, "the gauge")
                self.assertIn("intake stream: 101 entries wait",
                              volley("status", "-c", engine.config, *engine.arguments, check=0).stdout)
                queue.config_set("maxmemory", "0")
                wait_until(lambda: settled(queue), "the stream to be empty")
                wait_until(lambda: len(sink.recipients()) >= 100, "delivery")
                self.assertEqual(sorted(sink.recipients()), sorted(added))
                self.assertEqual([fields["id"] for _, fields in queue.xrange(PARKED)], [bad])
                self.assertEqual([fields["entry"] for _, fields in queue.xrange(RESULTS)][-1], bad)

    def test_stops_at_once_and_leaves_what_waits(self):
        with workdir() as where, Redis(where) as server, client(server) as queue, Sink(where) as sink:
            with Engine(where, sink.port, server) as engine:
                wait_until(lambda: queue.exists(STREAM), "the group")
                engine.stop()
                self.assertEqual(engine.child.returncode, 0)
            add(queue, message("later@d1.example.net"))
            with Engine(where, sink.port, server):
                wait_until(lambda: sink.recipients(), "delivery")
            self.assertEqual(sink.recipients(), ["later@d1.example.net"])

    def test_is_off_unless_asked_for(self):
        """Without [intake] nobody reads; with it, somebody must be allowed to send."""
        with workdir() as where:
            config = where / "volley.toml"
            config.write_text("[intake]\nstream = true\n")
            for command in ("check", "serve"):
                refused = volley(command, "-c", config, "--data", where / "data", check=78)
                self.assertIn("volley.toml:2:1: stream: nobody may send", refused.stderr)
            config.write_text('senders = ["example.com"]\n[intake]\nstream = true\n')
            volley("check", "-c", config, check=0)


if __name__ == "__main__":
    unittest.main()
