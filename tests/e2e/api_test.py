"""volley serve: the HTTP API for notification services, over a real queue, to a real receiver."""

import json
import unittest
import urllib.error
import urllib.request

from harness import *

TOKEN = "correct-horse-battery-staple"


class Service(Process):
    def __init__(self, where, sink, *arguments, config=""):
        token = where / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        (where / "volley.toml").write_text('hostname = "mail.example.com"\nsenders = ["example.com"]\n'
                                           '[http]\nlisten = "127.0.0.1:0"\ntoken_file = "token"\n' + config)
        super().__init__([VOLLEY, "serve", "-c", str(where / "volley.toml"), "--data", str(where / "data"), "--route",
                          f"*={sink.address}", *arguments], where / "serve.log")
        line = wait_until(lambda: next((l for l in self.text().splitlines() if l.startswith("listening ")), None), "serve")
        self.base = line.split()[1]

    def request(self, method, path, body=None, token=TOKEN, headers=()):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        request.add_header("Content-Type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"{}"), response.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}"), error.headers


def message(**changes):
    return {"from": "App <app@example.com>", "to": "Ada <ada@d1.example.net>", "subject": "Your code: 4711", "text": "4711",
            "html": "<b>4711</b>", **changes}


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.where = cls.stack.enter_context(workdir())
        cls.sink = cls.stack.enter_context(Sink(cls.where))
        cls.service = cls.stack.enter_context(Service(cls.where, cls.sink))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def post(self, body, **kwargs):
        return self.service.request("POST", "/v1/messages", body, **kwargs)

    def test_metrics(self):
        status, answer, _ = self.post(message())
        self.assertEqual(status, 202)
        wait_until(lambda: self.service.request("GET", "/v1/messages/" + answer["id"])[1]["state"] == "delivered", "its delivery")
        wait_until(lambda: not self.idle(), "work to be counted")

    def idle(self):
        """Names of what this service has surely done and not counted."""
        with urllib.request.urlopen(self.service.base + "/metrics", timeout=30) as response:
            counts = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines())
        return [name for name in ("messages_accepted_total", 'delivered_total{lane="transactional"}', "events_written_total",
                                  "queue_calls_total", "queue_call_seconds_count", "http_requests_total")
                if counts["volley_" + name] == "0"]

    def test_accepted_delivered_and_told(self):
        status, answer, _ = self.post(message(to="told@d1.example.net"))
        self.assertEqual(status, 202)
        def state():
            code, document, _ = self.service.request("GET", "/v1/messages/" + answer["id"])
            self.assertEqual(code, 200)
            return document["state"] == "delivered" and document
        document = wait_until(state, "delivery")
        self.assertEqual(document["code"], 250)
        self.assertEqual(self.sink.recipients().count("told@d1.example.net"), 1)

    def test_idempotency(self):
        key = [("Idempotency-Key", "order-1")]
        first = self.post(message(to="once@d1.example.net"), headers=key)
        second = self.post(message(to="once@d1.example.net"), headers=key)
        self.assertEqual((first[0], second[0]), (202, 202))
        self.assertEqual(first[1]["id"], second[1]["id"])
        other = self.post(message(to="twice@d2.example.net"), headers=key)
        self.assertEqual(other[0], 409)
        wait_until(lambda: "once@d1.example.net" in self.sink.recipients(), "delivery")
        self.assertEqual(self.sink.recipients().count("once@d1.example.net"), 1)

    def test_refused(self):
        for body, code in ((b"{", 400), (b"[1]", 400), (b'{"from": "\xff"}', 400),
                           (message(**{"from": "a@example.org"}), 403),
                           (message(to="nobody"), 422), (message(subject="a\r\nBcc: x@example.net"), 422),
                           (message(headers={"Bcc": "x@example.net"}), 422),
                           ({"from": "app@example.com", "to": "a@example.net", "subject": "x"}, 422),
                           (message(colour="red"), 422)):
            status, answer, _ = self.post(body)
            self.assertEqual(status, code, (body, answer))
            self.assertTrue(answer["error"])
        self.assertEqual(self.post(message(text="x" * (11 * 1024 * 1024)))[0], 413)
        self.assertEqual(self.post(message(), token="wrong")[0], 401)
        self.assertEqual(self.post(message(), token=None)[0], 401)
        self.assertEqual(self.service.request("GET", "/v1/messages/unknown")[0], 404)
        self.assertEqual(self.service.request("GET", "/v1/messages")[0], 405)

    def test_large_message(self):
        self.assertEqual(self.post(message(to="large@d3.example.net", text="line of text\n" * 200000))[0], 202)
        wait_until(lambda: "large@d3.example.net" in self.sink.recipients(), "delivery")

    def test_what_stays_deferred_expires(self):
        """The receiver never accepts it: the message expires when its age is reached, and the API and the event log say so."""
        with workdir() as where, Sink(where, "--rule", "rcpt:1:450 4.2.0 mailbox busy") as sink:
            with Service(where, sink, config='[transactional]\ngive_up_after = "2s"\n') as service:
                status, answer, _ = service.request("POST", "/v1/messages", message(to="late@d1.example.net"))
                self.assertEqual(status, 202)
                def expired():
                    document = service.request("GET", "/v1/messages/" + answer["id"])[1]
                    self.assertIn(document["state"], ("queued", "deferred", "expired"))
                    return document["state"] == "expired" and document
                document = wait_until(expired, "the message to expire")
                self.assertEqual(document["code"], 450)
                log = where / "data/events.jsonl"
                kinds = lambda: [json.loads(line)["event"] for line in log.read_text().splitlines()]
                wait_until(lambda: kinds()[-1:] == ["expired"], "the event")
                self.assertEqual(kinds()[0], "deferred")
            self.assertEqual(sink.messages(), [])

    def test_durable_before_the_answer(self):
        """kill -9 right after the 202: the message is there after a restart."""
        with workdir() as where, Sink(where, "--delay", "300") as sink:
            with Service(where, sink) as service:
                self.assertEqual(service.request("POST", "/v1/messages", message(to="kept@d1.example.net"))[0], 202)
                service.stop(signal.SIGKILL)
            with Service(where, sink):
                wait_until(lambda: "kept@d1.example.net" in sink.recipients(), "delivery after the restart")

    def test_full_queue_says_when_to_come_back(self):
        with workdir() as where, Sink(where) as sink, Redis(where, "--maxmemory-policy", "noeviction") as redis:
            with Service(where, sink, "--queue", redis.url) as service:
                subprocess.run(["redis-cli", "-p", str(redis.port), "config", "set", "maxmemory", "1mb"], check=True,
                               stdout=subprocess.DEVNULL)
                status, answer, headers = service.request("POST", "/v1/messages", message())
                self.assertEqual(status, 503, answer)
                self.assertGreater(int(headers["Retry-After"]), 0)
                subprocess.run(["redis-cli", "-p", str(redis.port), "config", "set", "maxmemory", "1gb"], check=True,
                               stdout=subprocess.DEVNULL)
                self.assertEqual(service.request("POST", "/v1/messages", message())[0], 202)

    def test_status_command(self):
        shown = wait_until(lambda: json.loads(volley("status", "--data", self.where / "data", "--json", check=0).stdout)["engines"],
                           "the engine's status")
        self.assertTrue(shown[0]["sites"] is not None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
