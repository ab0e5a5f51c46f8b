"""Looking into the queue and changing it: held, waiting, while an engine sends, and after a cancel."""

import collections
import csv
import io
import unittest

from harness import *


def rows(*arguments):
    return [json.loads(line) for line in volley(*arguments, check=0).stdout.splitlines()]


def change(command, *arguments):
    return summary(volley("queue", command, *arguments, "--json", check=0))


class Held(unittest.TestCase):
    """A campaign that was imported and not sent."""

    def setUp(self):
        where = self.enterContext(workdir())
        self.where, self.place = where, ["--data", where / "data"]
        self.sink = self.enterContext(Sink(where))
        self.campaign = write_campaign(where, 400, 10)
        self.route = ["--route", f"*={self.sink.address}"]
        volley("send", self.campaign, *self.place, *self.route, "--hold", check=75)

    def show(self):
        s = summary(volley("campaign", "show", "test", *self.place, "--json", check=0))
        check_identity(s)
        return s

    def finish(self):
        s = summary(volley("send", self.campaign, *self.place, *self.route, "--json", check=0))
        check_identity(s)
        return s

    def test_looking(self):
        exported = rows("queue", "export", *self.place)
        self.assertEqual(len({row["recipient"] for row in exported}), 400)
        self.assertEqual(len(exported), 400)
        self.assertEqual(list(exported[0]), ["id", "campaign", "lane", "domain", "recipient", "number", "attempts", "enqueued",
                                             "first_attempt", "not_before", "last_code", "where"])
        one = rows("queue", "list", "--address", "USER17@D7.example.net", *self.place, "--json")
        self.assertEqual([(r["recipient"], r["where"], r["attempts"], r["last_code"]) for r in one],
                         [("user17@d7.example.net", "ready", 0, None)])
        table = volley("queue", "list", *self.place, check=0).stdout.splitlines()
        self.assertEqual(len(table), 52)
        self.assertEqual(table[-1], "and 350 more: --limit, or `volley queue export`")
        self.assertEqual(len(rows("queue", "list", "--limit", 3, "--json", *self.place)), 3)
        counts = summary(volley("queue", "count", "--by", "domain", "--json", *self.place, check=0))
        self.assertEqual((counts["total"], counts["counts"]["d3.example.net"]), (400, 40))
        for filters, n in ((["--domain", "D3.example.net"], 40), (["--older-than", "1d"], 0), (["--younger-than", "1d"], 400),
                           (["--code", "4*"], 0), (["--lane", "transactional"], 0), (["--campaign", "test"], 400)):
            self.assertEqual(summary(volley("queue", "count", *filters, "--json", *self.place, check=0))["total"], n, filters)
        file = self.where / "rows.jsonl"
        volley("queue", "export", "--output", file, *self.place, check=0)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(len(file.read_text().splitlines()), 400)

    def test_usage(self):
        for command in ("hold", "release", "delete", "retry"):
            self.assertIn("--all", volley("queue", command, *self.place, check=64).stderr)
        volley("queue", "list", "--older-than", "soon", *self.place, check=64)
        volley("queue", "list", "--address", "nobody", *self.place, check=64)
        volley("queue", "list", "--campaign", "other", *self.place, check=65)
        self.assertIn("--domain", volley("queue", "list", "--site", "google", *self.place, check=65).stderr)
        volley("queue", "list", "--data", self.where / "none", check=66)

    def test_hold_release_delete(self):
        self.assertEqual(change("hold", "--domain", "d3.example.net", "--dry-run", *self.place)["changed"], 40)
        self.assertEqual(change("hold", "--domain", "d3.example.net", *self.place)["changed"], 40)
        self.assertEqual(change("hold", "--domain", "d3.example.net", *self.place)["changed"], 0)
        self.assertEqual(change("delete", "--address", "user4@d4.example.net", *self.place)["changed"], 1)
        s = self.show()
        self.assertEqual((s["cancelled"], s["queued"]), (1, 399))
        with Process([VOLLEY, "send", str(self.campaign), *map(str, self.place + self.route)], self.where / "send.log") as send:
            wait_until(lambda: "left 40" in send.text(), "all but those held")
            wait_until(lambda: "40 held: `volley queue release`" in send.text(), "what it waits for")
            self.assertEqual(self.show()["queued"], 40)
            self.assertEqual(change("delete", "--address", "user3@d3.example.net", *self.place)["changed"], 1)
            self.assertEqual(change("release", "--all", *self.place)["changed"], 39)
            self.assertEqual(send.child.wait(60), 0)
        s = self.show()
        self.assertEqual((s["state"], s["delivered"], s["cancelled"]), ("finished", 398, 2))
        got = self.sink.recipients()
        self.assertEqual(len(got), len(set(got)))
        self.assertEqual(len(got), 398)
        self.assertFalse({"user3@d3.example.net", "user4@d4.example.net"} & set(got))

    def test_a_campaign_that_is_emptied_is_finished(self):
        volley("campaign", "resume", "test", *self.place, check=0)
        self.assertIn("deleted: 400 recipients", volley("queue", "delete", "--campaign", "test", *self.place, check=0).stdout)
        s = self.show()
        self.assertEqual((s["state"], s["cancelled"], s["queued"]), ("finished", 400, 0))
        self.assertEqual(volley("queue", "list", *self.place, check=0).stdout, "nothing in the queue matches\n")

    def test_export_of_a_campaign(self):
        change("hold", "--domain", "d3.example.net", *self.place)
        change("delete", "--domain", "d4.example.net", *self.place)
        file = self.where / "rows.csv"
        volley("campaign", "export", "test", "--output", file, *self.place, check=0)
        table = list(csv.DictReader(io.StringIO(file.read_text())))
        self.assertEqual(len({row["recipient"] for row in table}), 400)
        self.assertEqual(collections.Counter(row["state"] for row in table), {"ready": 320, "held": 40, "cancelled": 40})
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        change("release", "--all", *self.place)
        self.finish()
        lines = rows("campaign", "export", "test", "--json", *self.place)
        self.assertEqual(collections.Counter(line["state"] for line in lines), {"delivered": 360, "cancelled": 40})
        self.assertEqual(len(lines), 400)
        volley("campaign", "export", "other", *self.place, check=65)
        volley("campaign", "export", "test", "--output", "/dev/full", *self.place, check=74)

    def test_after_a_cancel(self):
        change("hold", "--domain", "d3.example.net", *self.place)
        change("delete", "--domain", "d4.example.net", *self.place)
        volley("campaign", "cancel", "test", *self.place, check=0)
        s = self.show()
        self.assertEqual((s["state"], s["cancelled"], s["queued"]), ("cancelled", 400, 0))
        self.assertEqual(rows("queue", "export", *self.place), [])
        self.assertEqual(change("release", "--all", *self.place)["changed"], 0)
        result = volley("campaign", "export", "test", "--json", *self.place, check=0)
        states = collections.Counter(json.loads(line)["state"] for line in result.stdout.splitlines())
        self.assertEqual(states, {"cancelled": 400})
        self.finish()
        self.assertEqual(self.sink.messages(), [])


class Waiting(unittest.TestCase):
    def test_retry_and_trace(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:d1.example.net=1:451 4.3.0 try again later") as sink:
            place = ["--data", where / "data"]
            campaign = write_campaign(where, 100, 10, retry="1h")
            campaign.write_text(campaign.read_text().replace('max_delay = "10s"', 'max_delay = "2h"')
                                .replace('give_up_after = "10m"', 'give_up_after = "1d"'))
            arguments = [VOLLEY, "send", str(campaign), "--route", f"*={sink.address}", *map(str, place)]
            with Process(arguments, where / "send.log") as send:
                wait_until(lambda: "all 10 left wait for a retry" in send.text(), "the rest to wait")
                self.assertEqual(summary(volley("queue", "count", "--by", "code", "--json", *place, check=0))["counts"], {"451": 10})
                line = rows("trace", "user11@d1.example.net", *place, "--json")
                self.assertEqual([(l["found"], l.get("where"), l.get("event")) for l in line],
                                 [("queued", "waiting", None), ("event", None, "deferred")])
                self.assertIsNotNone(line[0]["not_before"])
                self.assertEqual(summary(volley("queue", "count", "--site", sink.address, "--json", *place, check=0))["total"], 10)
                self.assertEqual(change("retry", "--code", "550", *place)["changed"], 0)
                self.assertEqual(change("retry", "--code", "4*", "--dry-run", *place)["changed"], 10)
                self.assertEqual(change("retry", "--address", "user11@d1.example.net", *place)["changed"], 1)
                wait_until(lambda: "user11@d1.example.net" in sink.recipients(), "the one that is due")
                self.assertEqual(change("flush", *place)["changed"], 9)
                self.assertEqual(send.child.wait(60), 0)
            self.assertEqual(sorted(collections.Counter(sink.recipients()).values()), [1] * 100)
            events = rows("trace", "test.12", *place, "--json")
            address = rows("trace", "user11@d1.example.net", *place, "--json")
            self.assertEqual([l.get("state") or l["event"] for l in address], ["delivered", "deferred", "delivered"])
            self.assertEqual([l["id"] for l in address], [events[0]["id"]] * 3)
            rendered = volley("render", campaign, "--row", 12, *place, check=0).stdout
            message_id = next(line.split()[1] for line in rendered.splitlines() if line.startswith("Message-ID:"))
            self.assertEqual(rows("trace", message_id, *place, "--json"), events)
            self.assertIn("delivered", volley("trace", "test.1", *place, check=0).stdout)
            self.assertIn("not queued", volley("trace", "nobody@example.net", *place, check=65).stderr)
            volley("trace", "nonsense", *place, check=64)
            volley("trace", "user1@d1.example.net", "--campaign", "other", *place, check=65)


class WhileSending(unittest.TestCase):
    def test_nobody_is_lost(self):
        """Everything at once, again and again, while an engine sends: each accepted recipient is sent once or cancelled."""
        with workdir() as where, Sink(where, "--rule", "rcpt:0.1:=1:450 4.2.0 mailbox busy") as sink:
            place = ["--data", where / "data"]
            campaign = write_campaign(where, 4000, 40, extra='rate = "300/s"')
            arguments = [VOLLEY, "send", str(campaign), "--route", f"*={sink.address}", *map(str, place)]
            # Some are out of the engine's reach, however fast it is.
            volley(*arguments[1:], "--hold", check=75)
            for i in range(3):
                self.assertEqual(change("hold", "--domain", f"d{10 + i}.example.net", *place)["changed"], 100)
            with Process(arguments, where / "send.log") as send:
                wait_until(lambda: len(sink.messages()) > 200, "some mail")
                deleted = 0
                for i in range(6):
                    change("hold", "--domain", f"d{i}.example.net", *place)
                    deleted += change("delete", "--domain", f"d{10 + i}.example.net", *place)["changed"]
                    change("retry", "--code", "4*", *place)
                    check_identity(summary(volley("campaign", "show", "test", *place, "--json", check=0)))
                    rows("queue", "export", *place)
                change("release", "--all", *place)
                self.assertEqual(send.child.wait(120), 0)
            s = summary(volley("campaign", "show", "test", *place, "--json", check=0))
            check_identity(s)
            self.assertEqual((s["state"], s["queued"], s["cancelled"], s["delivered"]), ("finished", 0, deleted, 4000 - deleted))
            self.assertGreaterEqual(deleted, 300)
            exported = rows("campaign", "export", "test", "--json", *place)
            by = collections.defaultdict(set)
            for row in exported:
                by[row["state"]].add(row["recipient"])
            self.assertEqual(len(exported), 4000)
            self.assertEqual(by["delivered"], set(sink.recipients()))
            self.assertEqual(len(sink.recipients()), 4000 - deleted)
            self.assertEqual(len(by["delivered"] | by["cancelled"]), 4000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
