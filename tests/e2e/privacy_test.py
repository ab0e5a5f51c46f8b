"""Personal data: a person is forgotten, a campaign is purged, what is too old is dropped; nobody else is touched."""

import collections
import unittest
import urllib.request

import redis
import zstandard

from harness import *

PERSON = "Marigold.Person@d1.example.net"
NEEDLE = b"marigold"
MAGIC = b"\x28\xb5\x2f\xfd"
TOKEN = "correct-horse-battery-staple"


def unpacked(data):
    """The bytes, and what every zstd frame in them says."""
    yield data
    at = data.find(MAGIC)
    while at >= 0:
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        except zstandard.ZstdError:
            pass
        at = data.find(MAGIC, at + 1)


def has(data, needle=NEEDLE):
    return any(needle in text.lower() for text in unpacked(data))


def values(client, key):
    kind = client.type(key)
    if kind == b"string":
        return [client.get(key)]
    if kind == b"list":
        return client.lrange(key, 0, -1)
    if kind == b"hash":
        return [part for pair in client.hgetall(key).items() for part in pair]
    if kind == b"stream":
        return [repr(client.xrange(key)).encode(), client.dump(key)]
    return []


def where_it_is(client, *directories, needle=NEEDLE):
    """Keys and files that have it."""
    found = {key.decode() for key in client.scan_iter(count=1000) if needle in key.lower() or
             any(has(value, needle) for value in values(client, key))}
    for directory in directories:
        for file in pathlib.Path(directory).rglob("*"):
            if file.is_file() and has(file.read_bytes(), needle):
                found.add(file.name)
    return found


def rows(*arguments):
    return [json.loads(line) for line in volley(*arguments, check=0).stdout.splitlines()]


def write_list(where, campaign, *, id, extra_rows=(), people=60):
    """A campaign whose list has the person in its middle."""
    lines = ["email,first_name,city"]
    lines += [f"user{i}@d{i % 5}.example.net,Name{i},City{i}" for i in range(people)]
    lines.insert(30, f"{PERSON},Marigold,Marigoldtown")
    lines += extra_rows
    (where / "list.csv").write_text("\n".join(lines) + "\n")
    text = campaign.read_text()
    campaign.write_text(f'id = "{id}"\n' + text[text.index("name ="):])


class Forget(unittest.TestCase):
    def setUp(self):
        self.where = where = self.enterContext(workdir())
        self.server = self.enterContext(Redis(where))
        self.client = redis.Redis(port=self.server.port)
        self.data = where / "data"
        self.place = ["--data", self.data, "--queue", self.server.url]

    def send(self, sink, id, *arguments, check=0, **kwargs):
        campaign = write_campaign(self.where, 1, name=id, retry="1h")
        campaign.write_text(campaign.read_text().replace('max_delay = "10s"', 'max_delay = "2h"').replace('"10m"', '"1d"'))
        write_list(self.where, campaign, id=id, **kwargs)
        return volley("send", campaign, *self.place, "--route", f"*={sink.address}", *arguments, check=check)

    def numbers(self, id):
        s = summary(volley("campaign", "show", id, *self.place, "--json", check=0))
        check_identity(s)
        return s

    def fill(self):
        """The person, wherever one can be."""
        with Sink(self.where, name="good") as sink:
            self.send(sink, "done", extra_rows=[f"not an address {PERSON},x,y"])
            self.send(sink, "held", "--hold", check=75)
            volley("queue", "hold", "--address", PERSON, *self.place, check=0)
            self.send(sink, "ready", "--hold", check=75)
            self.send(sink, "cancelled", "--hold", check=75)
            volley("campaign", "cancel", "cancelled", *self.place, check=0)
        with Sink(self.where, "--rule", f"rcpt:1:Marigold:550 5.1.1 <{PERSON}> no such user", name="bad") as sink:
            self.send(sink, "failed")
        with Sink(self.where, "--rule", f"rcpt:1:Marigold:451 4.2.0 <{PERSON}> mailbox busy", name="busy") as sink:
            campaign = write_campaign(self.where, 1, name="waits", retry="1h")
            campaign.write_text(campaign.read_text().replace('max_delay = "10s"', 'max_delay = "2h"').replace('"10m"', '"1d"'))
            write_list(self.where, campaign, id="waits")
            arguments = [VOLLEY, "send", str(campaign), "--route", f"*={sink.address}", *map(str, self.place)]
            with Process(arguments, self.where / "waits.log") as send:
                wait_until(lambda: "all 1 left wait for a retry" in send.text(), "the person to wait")
                send.stop()

    def serve(self, sink):
        token = self.where / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        config = self.where / "serve.toml"
        config.write_text('hostname = "mail.example.com"\nsenders = ["example.com"]\n[intake]\nstream = true\n'
                          '[http]\nlisten = "127.0.0.1:0"\ntoken_file = "token"\n')
        log = self.where / "serve.log"
        log.write_text("")
        engine = self.enterContext(Process([VOLLEY, "serve", "-c", str(config), *map(str, self.place), "--route", f"*={sink.address}"], log))
        line = wait_until(lambda: next((l for l in engine.text().splitlines() if l.startswith("listening ")), None), "serve")
        self.base = line.split()[1]
        return engine

    def post(self, to):
        body = {"from": "App <app@example.com>", "to": to, "subject": "Code", "text": "4711 " * 20000}
        request = urllib.request.Request(self.base + "/v1/messages", data=json.dumps(body).encode(), method="POST")
        request.add_header("Authorization", "Bearer " + TOKEN)
        request.add_header("Content-Type", "application/json")
        return json.loads(urllib.request.urlopen(request, timeout=30).read())["id"]

    def single(self, id):
        return next(row for row in rows("trace", id, *self.place, "--json") if row["found"] == "status")["state"]

    def test_a_person_is_forgotten(self):
        self.fill()
        rule = ["--rule", f"rcpt:1:Marigold=1:550 5.1.1 <{PERSON}> no such user",
                "--rule", f"rcpt:1:Marigold:451 4.2.0 <{PERSON}> mailbox busy"]
        sink = self.enterContext(Sink(self.where, *rule, name="singles"))
        self.serve(sink)
        failed = self.post(PERSON)
        wait_until(lambda: self.single(failed) == "bounced", "the single message to bounce")
        waits = self.post(f"Marigold <{PERSON}>")
        other = self.post("other@d1.example.net")
        wait_until(lambda: self.single(waits) == "deferred", "the single message to wait")
        for to in (PERSON, "other@d1.example.net"):
            self.client.xadd("volley:intake", {"message": json.dumps({"from": "x@example.org", "to": to, "subject": "s", "text": "t"})})
        wait_until(lambda: self.client.xlen("volley:intake:parked") == 2, "both to be parked")

        campaigns = ["done", "held", "ready", "cancelled", "failed", "waits"]
        before = {id: self.numbers(id) for id in campaigns}
        exported = {id: rows("campaign", "export", id, "--json", *self.place) for id in campaigns}
        kept = [row for row in rows("queue", "export", *self.place) if row["recipient"] != PERSON]
        events = [json.loads(line) for line in (self.data / "events.jsonl").read_text().splitlines()]
        found = where_it_is(self.client, self.data, self.where / "redis")
        self.assertLessEqual({"events.jsonl", "rejects-done.csv", "volley:intake:parked"}, found)
        for kind in (":q:", ":r:", ":h:", ":b:", ":o:", ":m:"):
            self.assertTrue([name for name in found if kind in name], (kind, found))

        result = summary(volley("forget", PERSON.upper(), *self.place, "--json", "--yes", check=0))
        self.assertEqual((result["failed"], result["rejects"], result["intake"], result["append_only_file"]), (1, 1, 1, "rewritten"))
        self.assertEqual((result["queued"], result["left"]), (4, []))  # held, ready, waits, a single message
        wait_until(lambda: not where_it_is(self.client, self.data, self.where / "redis"), "all of it to be gone")
        self.assertIn("not queued", volley("trace", PERSON, *self.place, check=65).stderr)
        again = summary(volley("forget", PERSON, *self.place, "--json", check=0))
        self.assertEqual({again[key] for key in ("queued", "failed", "outcomes", "replies", "intake", "events", "rejects")}, {0})

        # Everyone else is where they were, and the counts add up.
        self.assertEqual([row for row in rows("queue", "export", *self.place)], kept)
        for id in campaigns:
            now = self.numbers(id)
            gone = 1 if id in ("held", "ready", "waits") else 0
            self.assertEqual(now["cancelled"], before[id]["cancelled"] + gone, id)
            self.assertEqual({key: now[key] for key in ("accepted", "delivered", "bounced", "invalid")},
                             {key: before[id][key] for key in ("accepted", "delivered", "bounced", "invalid")}, id)
            old = {row["number"]: row for row in exported[id]}
            new = {row["number"]: row for row in rows("campaign", "export", id, "--json", *self.place)}
            mine = {number for number, row in old.items() if row["recipient"] == PERSON}
            self.assertEqual(len(mine), 0 if id == "cancelled" else 1, id)  # its rest is dropped, and not kept one by one
            self.assertEqual({n: row for n, row in new.items() if n not in mine}, {n: row for n, row in old.items() if n not in mine}, id)
            for number in mine & new.keys():
                self.assertEqual(new[number]["recipient"], "", id)
        lines = [json.loads(line) for line in (self.data / "events.jsonl").read_text().splitlines()]
        self.assertEqual([line["id"] for line in lines], [event["id"] for event in events])
        self.assertEqual([line for line in lines if line["recipient"]], [event for event in events if event["recipient"] != PERSON])
        self.assertEqual(self.single(waits), "cancelled")
        self.assertEqual(self.single(failed), "bounced")
        self.assertEqual(self.single(other), "delivered")
        self.assertEqual(self.client.xlen("volley:intake:parked"), 1)

        # The engine goes on, in the files that took the place of the old ones.
        last = self.post("late@d2.example.net")
        wait_until(lambda: self.single(last) == "delivered", "another message")
        wait_until(lambda: "late@d2.example.net" in (self.data / "events.jsonl").read_text(), "its line in the event log")

    def test_who_is_on_the_wire_is_waited_for(self):
        with Sink(self.where, "--rule", "rcpt:1:Marigold:stall") as sink:
            campaign = write_campaign(self.where, 1, name="slow")
            write_list(self.where, campaign, id="slow")
            arguments = [VOLLEY, "send", str(campaign), "--route", f"*={sink.address}", *map(str, self.place)]
            with Process(arguments, self.where / "slow.log") as send:
                wait_until(lambda: [row["where"] for row in rows("queue", "list", "--address", PERSON, *self.place, "--json")] == ["in_flight"],
                           "the person to be on the wire")
                self.assertIn("in flight", volley("forget", PERSON, *self.place, check=75).stderr)
                send.stop(signal.SIGKILL)
        self.assertIn("in flight", volley("forget", PERSON, *self.place, check=75).stderr)
        with Sink(self.where, name="good") as sink:
            volley("send", campaign, *self.place, "--route", f"*={sink.address}", check=0)
        volley("forget", PERSON, *self.place, check=0)
        wait_until(lambda: not where_it_is(self.client, self.data, self.where / "redis"), "all of it to be gone")

    def test_usage(self):
        volley("forget", "nobody", *self.place, check=64)
        volley("forget", PERSON, "--data", self.where / "none", check=66)


class Campaigns(unittest.TestCase):
    def setUp(self):
        self.where = self.enterContext(workdir())
        self.data = self.where / "data"
        self.place = ["--data", self.data]
        self.sink = self.enterContext(Sink(self.where))

    def send(self, id, *arguments, check=0):
        campaign = write_campaign(self.where, 1, name=id)
        write_list(self.where, campaign, id=id, extra_rows=[f"no address of {id},x,y"])
        return volley("send", campaign, *self.place, "--route", f"*={self.sink.address}", "--json", *arguments, check=check)

    def files(self, needle):
        return {file.name for file in self.data.rglob("*") if file.is_file() and has(file.read_bytes(), needle)}

    def test_a_campaign_is_purged(self):
        self.send("november")
        self.send("december")
        self.send("january", "--hold", check=75)
        self.assertIn("cancel", volley("campaign", "purge", "january", *self.place, check=65).stderr)
        volley("campaign", "purge", "never", *self.place, check=65)
        self.assertTrue(self.files(b"november"))
        result = summary(volley("campaign", "purge", "november", *self.place, "--json", "--yes", check=0))
        self.assertEqual((result["events"], result["rejects"], result["append_only_file"]), (61, True, "rewritten"))
        self.assertEqual(self.files(b"november"), set())
        volley("campaign", "show", "november", *self.place, check=65)
        self.assertEqual([json.loads(line)["id"] for line in volley("campaign", "list", *self.place, "--json").stdout.splitlines()],
                         ["december", "january"])
        s = summary(volley("campaign", "show", "december", *self.place, "--json", check=0))
        check_identity(s)
        self.assertEqual((s["delivered"], len(rows("campaign", "export", "december", *self.place, "--json"))), (61, 61))
        self.assertTrue((self.data / "rejects-december.csv").exists())
        volley("campaign", "cancel", "january", *self.place, check=0)
        volley("campaign", "purge", "january", *self.place, check=0)
        self.assertEqual(self.files(b"january"), set())

    def test_what_is_too_old_is_dropped(self):
        self.send("november")
        events = self.data / "events.jsonl"
        lines = events.read_text().splitlines(keepends=True)
        events.write_text("".join(line.replace('"time":"2', '"time":"1') for line in lines[:40]) + "".join(lines[40:]))
        config = self.where / "volley.toml"
        config.write_text('[privacy]\nretain = "1h"\n')
        self.assertIn("ok", volley("check", "-c", config, check=0).stdout)
        self.send("december", "-c", config)
        wait_until(lambda: len(events.read_text().splitlines()) == 21 + 61, "old lines to go")
        self.assertEqual(summary(volley("campaign", "show", "november", *self.place, "--json", check=0))["delivered"], 61)
        self.assertEqual(len(rows("campaign", "export", "november", *self.place, "--json")), 61)
        (self.where / "wrong.toml").write_text('[privacy]\nretain = "1m"\n')
        self.assertIn("retain", volley("check", "-c", self.where / "wrong.toml", check=78).stderr)

    def test_campaigns_that_ended_long_ago_keep_their_counts(self):
        self.send("november")
        with Process([VOLLEY, "serve", *map(str, self.place), "--route", f"*={self.sink.address}"], self.where / "serve.log"):
            def queue():
                named = self.data / "redis.sock-path"
                path = named.read_text().split("\n")[0] if named.exists() else ""
                return path and pathlib.Path(path).exists() and path

            client = self.enterContext(contextlib.closing(redis.Redis(unix_socket_path=wait_until(queue, "the queue"))))
            wait_until(lambda: client.exists("volley:{c:november}:rec"), "its record")
            record = json.loads(client.hget("volley:{c:november}:rec", "json"))
            record["finished_ms"] -= 2 * 3600 * 1000
            client.hset("volley:{c:november}:rec", "json", json.dumps(record))
        config = self.where / "volley.toml"
        config.write_text('[privacy]\nretain = "1h"\n')
        arguments = [VOLLEY, "serve", "-c", str(config), *map(str, self.place), "--route", f"*={self.sink.address}"]
        with Process(arguments, self.where / "serve2.log"):
            wait_until(lambda: not (self.data / "rejects-november.csv").exists(), "its rejects file to go")
            s = summary(volley("campaign", "show", "november", *self.place, "--json", check=0))
            check_identity(s)
            self.assertEqual((s["delivered"], s["accepted"]), (61, 61))
            result = volley("campaign", "export", "november", *self.place, "--json", check=0)
            self.assertEqual(result.stdout, "")
            self.assertIn("retain", result.stderr)
        # Sending it again sends nothing.
        self.send("november")
        self.assertEqual(len(self.sink.recipients()), 61)


class Purging(unittest.TestCase):
    def test_what_a_dead_purge_has_begun_is_ended_by_another(self):
        where = self.enterContext(workdir())
        server = self.enterContext(Redis(where))
        client = self.enterContext(contextlib.closing(redis.Redis(port=server.port)))
        sink = self.enterContext(Sink(where, "--rule", "rcpt:0.3::550 5.1.1 no such user"))
        place = ["--queue", server.url, "--data", where / "data"]
        route = ["--route", f"*={sink.address}"]
        campaign = write_campaign(where, 60, name="november")
        self.assertGreater(summary(volley("send", campaign, *place, *route, "--json", check=0))["bounced"], 0)
        # A purge that died after its mark.
        record = json.loads(client.hget("volley:{c:november}:rec", "json"))
        record["purging"] = True
        client.hset("volley:{c:november}:rec", "json", json.dumps(record))
        for command in (["campaign", "retry", "november", "--outcome", "bounced"], ["campaign", "resume", "november"],
                        ["campaign", "set", "november", "--rate", "5/s"], ["campaign", "export", "november"],
                        ["send", campaign, *route]):
            with self.subTest(command):
                refused = volley(*command, *place, check=65)
                self.assertIn("is being purged: `volley campaign purge november` ends that", refused.stderr)
                self.assertEqual(refused.stdout, "")
        volley("campaign", "purge", "november", *place, check=0)
        self.assertEqual([key for key in client.scan_iter(count=1000) if b"november" in key], [])
        volley("campaign", "show", "november", *place, check=65)
        self.assertEqual(summary(volley("send", campaign, *place, *route, "--json", check=0))["accepted"], 60)

    def test_an_export_that_a_purge_meets_is_no_success(self):
        where = self.enterContext(workdir())
        server = self.enterContext(Redis(where))
        client = self.enterContext(contextlib.closing(redis.Redis(port=server.port)))
        place = ["--queue", server.url, "--data", str(where / "data")]
        volley("send", write_campaign(where, 20000), *place, "--route", "*=127.0.0.1:9", "--hold", check=75)
        key = "volley:{c:test}:rec"
        before = client.hget(key, "json")
        for purge, said in ((lambda: client.hset(key, "json", json.dumps({**json.loads(before), "purging": True})), "is being purged"),
                            (lambda: client.delete(key), "was purged meanwhile")):
            with subprocess.Popen([VOLLEY, "campaign", "export", "test", *place], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as export:
                export.stdout.readline()  # it has begun, and cannot end: a pipe has no room for all of it
                purge()
                export.stdout.read()
                self.assertIn(said, export.stderr.read())
            self.assertEqual(export.returncode, 65)
            client.hset(key, "json", before)

    def test_one_whose_import_died_at_once_is_begun_anew_with_other_content(self):
        where = self.enterContext(workdir())
        server = self.enterContext(Redis(where))
        client = self.enterContext(contextlib.closing(redis.Redis(port=server.port)))
        sink = self.enterContext(Sink(where))
        place = ["--queue", server.url, "--data", where / "data", "--route", f"*={sink.address}"]
        volley("send", write_campaign(where, 20), *place, "--hold", check=75)
        record = json.loads(client.hget("volley:{c:test}:rec", "json"))
        record.update(state="importing", import_closed=False)
        client.hset("volley:{c:test}:rec", "json", json.dumps(record))
        client.delete(*client.scan_iter(match="volley:{p*", count=1000))  # nothing of the list was accepted
        campaign = write_campaign(where, 20, text="Other words for {{first_name}}\n")
        self.assertEqual(summary(volley("send", campaign, *place, "--json", check=0))["delivered"], 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
