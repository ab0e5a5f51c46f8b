"""Second thoughts about a campaign: those that failed are tried again, the rest gets other content."""

import unittest

from harness import *


class Again(unittest.TestCase):
    def place(self, where, sink):
        self.where = where
        self.data = ["--data", str(where / "data")]
        return [*self.data, "--route", f"*={sink.address}"]

    def command(self, *arguments, check=0):
        return volley("campaign", *arguments, *self.data, "--json", check=check)

    def export(self):
        lines = self.command("export", "test").stdout.splitlines()
        return {row["recipient"]: row["state"] for row in map(json.loads, lines)}

    def events(self):
        return [json.loads(line) for line in (self.where / "data" / "events.jsonl").read_text().splitlines()]

    def test_those_that_bounced(self):
        with workdir() as where:
            campaign = write_campaign(where, 300)
            with Sink(where, "--rule", "rcpt:0.2::550 5.1.1 no such user", name="first") as sink:
                s = summary(volley("send", campaign, *self.place(where, sink), "--json", check=0))
                bounced = s["bounced"]
                self.assertGreater(bounced, 10)
            failed = {address for address, state in self.export().items() if state == "bounced"}
            dry = json.loads(self.command("retry", "test", "--outcome", "bounced", "--dry-run").stdout)
            self.assertEqual((dry["matching"], dry["queued"]), (bounced, 0))
            self.assertEqual(summary(self.command("show", "test"))["state"], "finished")
            self.assertEqual(json.loads(self.command("retry", "test", "--outcome", "bounced", "--code", "4*").stdout)["queued"], 0)
            self.assertEqual(json.loads(self.command("retry", "test", "--outcome", "expired").stdout)["queued"], 0)
            self.assertIn("`volley queue retry`", volley("campaign", "retry", "--help", check=0).stdout)
            self.assertIn("`volley campaign retry`", volley("queue", "retry", "--help", check=0).stdout)
            self.assertEqual(summary(self.command("show", "test"))["state"], "finished")
            # One of them has opted out since.
            unwilling = sorted(failed)[0]
            (where / "optouts.txt").write_text(unwilling + "\n")
            done = json.loads(self.command("retry", "test", "--outcome", "bounced", "--code", "5*", "--suppress",
                                           where / "optouts.txt").stdout)
            self.assertEqual((done["queued"], done["generation"]), (bounced, 2))
            s = summary(self.command("show", "test"))
            check_identity(s)
            self.assertEqual((s["state"], s["queued"], s["bounced"]), ("running", bounced, 0))
            with Sink(where, name="second") as sink:
                s = summary(volley("send", campaign, *self.place(where, sink), "--json", check=0))
                check_identity(s)
                self.assertEqual((s["state"], s["delivered"], s["suppressed"]), ("finished", 299, 1))
                self.assertEqual(set(sink.recipients()), failed - {unwilling})
                self.assertEqual(len(sink.recipients()), bounced - 1)
            states = self.export()
            self.assertEqual(len(states), 300)
            self.assertEqual(states[unwilling], "suppressed")
            keys = [(e["id"], e["generation"], e["attempt"], e["event"]) for e in self.events()]
            self.assertEqual(len(keys), len(set(keys)))
            self.assertEqual({e["generation"] for e in self.events()}, {1, 2})

    def test_those_that_still_wait_are_another_commands(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1::451 4.2.0 later") as sink:
            campaign = write_campaign(where, 5, retry="1h")
            campaign.write_text(campaign.read_text().replace('max_delay = "10s"', 'max_delay = "2h"').replace('"10m"', '"1d"'))
            route = self.place(where, sink)
            with Process([VOLLEY, "send", str(campaign), *route], where / "send.log") as send:
                wait_until(lambda: "wait for a retry" in send.text(), "all to wait")
                send.stop()
            result = self.command("retry", "test", "--outcome", "expired")
            self.assertEqual(json.loads(result.stdout)["matching"], 0)
            self.assertIn("5 wait for their next try by themselves: `volley queue retry --campaign test`", result.stderr)

    def test_other_content_for_the_rest(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 60, extra='rate = "20/s"')
            route = self.place(where, sink)
            with Process([VOLLEY, "send", str(campaign), *route], where / "send.log") as send:
                wait_until(lambda: sink.messages(), "the first message")
                write_campaign(where, 60, text="Mended for {{first_name}}\n")
                refused = volley("campaign", "update", "test", campaign, *self.data, check=65).stderr
                self.assertIn("`volley campaign pause test` first", refused)
                self.command("pause", "test")
                self.assertEqual(send.child.wait(30), 75)
            before = summary(self.command("show", "test"))["delivered"]
            self.assertLess(before, 60)
            write_campaign(where, 60, text="Mended for {{nickname}}\n")
            self.assertIn("nickname", volley("campaign", "update", "test", campaign, *self.data, check=65).stderr)
            write_campaign(where, 60, name="other")
            self.assertIn("other", volley("campaign", "update", "test", campaign, *self.data, check=65).stderr)
            write_campaign(where, 60, text="Mended for {{first_name}}\n", extra='rate = "20/s"')
            self.assertEqual(json.loads(self.command("update", "test", campaign).stdout)["content_revision"], 2)
            volley("campaign", "set", "test", "--rate", "none", *self.data, check=0)
            s = summary(volley("send", campaign, *route, "--json", check=0))
            self.assertEqual((s["state"], s["delivered"]), ("finished", 60))
            by_revision = {1: 0, 2: 0}
            for event in self.events():
                by_revision[event["revision"]] += event["event"] == "delivered"
            self.assertEqual(by_revision, {1: before, 2: 60 - before})
            self.assertEqual(len(set(sink.recipients())), 60)
            sizes = [message["bytes"] for message in sink.messages()]
            self.assertLess(max(sizes[before:]), min(sizes[:before]))  # the new text is shorter


if __name__ == "__main__":
    unittest.main(verbosity=2)
