"""A campaign from list to summary: everybody once, and a second run sends nothing."""

import collections
import json
import unittest

from harness import *


class Campaign(unittest.TestCase):
    def test_everybody_gets_it_once(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 5000, 50)
            result = volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0)
            s = summary(result)
            self.assertEqual((s["state"], s["read"], s["accepted"], s["delivered"]), ("finished", 5000, 5000, 5000))
            check_identity(s)
            counts = collections.Counter(sink.recipients())
            self.assertEqual(len(counts), 5000)
            self.assertEqual(max(counts.values()), 1)

            again = volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0)
            self.assertEqual(summary(again)["delivered"], 5000)
            self.assertEqual(len(sink.recipients()), 5000)

    def test_changed_campaign_is_refused(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20)
            route = f"*={sink.address}"
            volley("send", campaign, "--data", where / "data", "--route", route, check=0)
            (where / "body.txt").write_text("Other text for {{first_name}}\n")
            result = volley("send", campaign, "--data", where / "data", "--route", route, check=65)
            self.assertIn("new `id`", result.stderr)
            with open(where / "list.csv", "a") as f:
                f.write("late@example.net,Late,Paris\n")
            (where / "body.txt").write_text("Hello {{first_name}} of {{city}},\n\n.a line with a dot\nbye\n")
            volley("send", campaign, "--data", where / "data", "--route", route, check=65)
            self.assertEqual(len(sink.recipients()), 20)

    def test_retries_and_bounces(self):
        with workdir() as where:
            with Sink(where, "--rule", "rcpt:1:user7@:550 5.1.1 no such user",
                      "--rule", "rcpt:1:d1.example.net=1:451 4.3.0 try again later") as sink:
                campaign = write_campaign(where, 500, 10)
                s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0))
                check_identity(s)
                self.assertEqual(s["bounced"], 1)
                self.assertEqual(s["delivered"], 499)
                self.assertEqual(sorted(sink.recipients()), sorted(set(sink.recipients())))
                events = [json.loads(l) for l in (where / "data/events.jsonl").read_text().splitlines()]
                kinds = collections.Counter(e["event"] for e in events)
                self.assertEqual(kinds["delivered"], 499)
                self.assertEqual(kinds["bounced"], 1)
                self.assertEqual(kinds["deferred"], 50)
                bounce = next(e for e in events if e["event"] == "bounced")
                self.assertEqual((bounce["recipient"], bounce["code"], bounce["enhanced"]),
                                 ("user7@d7.example.net", 550, "5.1.1"))

    def test_one_connection_two_loops_many_domains(self):
        with workdir() as where, Sink(where, "--max-connections", "1") as sink:
            (where / "volley.toml").write_text("loops = 2\n")
            campaign = write_campaign(where, 4000, 200)
            s = summary(volley("send", campaign, "-c", where / "volley.toml", "--data", where / "data", "--route",
                               f"*={sink.address}", "--connections", "1", "--json", check=0))
            self.assertEqual(s["delivered"], 4000)
            self.assertEqual(len(set(sink.recipients())), 4000)

    def test_invalid_duplicate_suppressed(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 100, 5, extra='suppress = ["optout.txt"]\nmax_invalid = "20%"\n')
            with open(where / "list.csv", "a") as f:
                f.write("not an address,X,Y\nUSER1@d1.example.net,Dup,Paris\nshort@example.net,only\n")
            (where / "optout.txt").write_text("# opted out\nUser3@D3.example.net\n")
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0))
            check_identity(s)
            self.assertEqual((s["read"], s["invalid"], s["duplicate"], s["suppressed"]), (103, 2, 1, 1))
            self.assertEqual(s["delivered"], 99)
            self.assertNotIn("user3@d3.example.net", sink.recipients())
            rejects = open(s["rejects"]).read().splitlines()
            self.assertEqual(len(rejects), 3 + 1)  # header, two invalid, one duplicate

    def test_pause_resume_cancel_from_another_terminal(self):
        with workdir() as where, Sink(where, "--delay", "5") as sink:
            campaign = write_campaign(where, 20000, 20)
            arguments = [VOLLEY, "send", str(campaign), "--data", str(where / "data"), "--route", f"*={sink.address}",
                         "--connections", "4", "--json"]
            with Process(arguments, where / "send.log") as send:
                wait_until(lambda: len(sink.messages()) > 200, "some mail")
                s = summary(volley("campaign", "pause", "test", "--data", where / "data", "--json", check=0))
                self.assertEqual(s["state"], "paused")
                self.assertEqual(send.child.wait(60), 75)
            at_pause = len(sink.recipients())
            self.assertLess(at_pause, 20000)
            shown = summary(volley("campaign", "show", "test", "--data", where / "data", "--json", check=0))
            check_identity(shown)
            self.assertEqual(shown["delivered"], at_pause)
            s = summary(volley("campaign", "cancel", "test", "--data", where / "data", "--json", check=0))
            check_identity(s)
            self.assertEqual((s["state"], s["queued"], s["cancelled"]), ("cancelled", 0, 20000 - at_pause))
            volley(*map(str, arguments[1:]), check=0)
            self.assertEqual(len(sink.recipients()), at_pause)

    def test_interrupt_pauses_and_the_same_command_resumes(self):
        with workdir() as where, Sink(where, "--delay", "5") as sink:
            campaign = write_campaign(where, 6000, 20)
            arguments = ["send", str(campaign), "--data", str(where / "data"), "--route", f"*={sink.address}", "--json"]
            with Process([VOLLEY, *arguments], where / "send.log") as send:
                wait_until(lambda: len(sink.messages()) > 100, "some mail")
                send.child.send_signal(signal.SIGINT)
                self.assertEqual(send.child.wait(60), 75)
                s = json.loads(send.text().strip().splitlines()[-1])
                self.assertEqual(s["state"], "paused")
                check_identity(s)
                self.assertEqual(s["delivered"], len(sink.recipients()))
            s = summary(volley(*arguments, check=0))
            self.assertEqual(s["delivered"], 6000)
            self.assertEqual(sorted(collections.Counter(sink.recipients()).values())[-1], 1)

    def test_hold_then_send(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 100)
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json"]
            s = summary(volley(*arguments, "--hold", check=75))
            self.assertEqual((s["state"], s["accepted"], s["queued"]), ("paused", 100, 100))
            self.assertEqual(sink.messages(), [])
            self.assertEqual(summary(volley(*arguments, check=0))["delivered"], 100)

    def test_dry_run_and_proof_leave_no_trace(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 100)
            route = f"*={sink.address}"
            volley("send", campaign, "--data", where / "data", "--route", route, "--dry-run", check=0)
            self.assertEqual(sink.messages(), [])
            volley("send", campaign, "--data", where / "data", "--route", route, "--proof", "boss@example.org", "--row", "3",
                   check=0)
            self.assertEqual(sink.recipients(), ["boss@example.org"])
            s = summary(volley("send", campaign, "--data", where / "data", "--route", route, "--json", check=0))
            self.assertEqual(s["delivered"], 100)
            self.assertEqual(len(sink.recipients()), 101)

    def test_what_stays_deferred_expires(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:450 4.2.0 mailbox busy") as sink:
            campaign = write_campaign(where, 20, 2)
            campaign.write_text(campaign.read_text().replace('max_delay = "10s"', 'max_delay = "1s"')
                                .replace('give_up_after = "10m"', 'give_up_after = "4s"'))
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0))
            check_identity(s)
            self.assertEqual((s["expired"], s["bounced"], s["queued"]), (20, 0, 0))

    def test_campaign_rate(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 60, 10, extra='rate = "20/s"')
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0))
            self.assertEqual(s["delivered"], 60)
            self.assertGreater(s["seconds"], 2)

    def test_a_failed_start_leaves_the_list_free(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20, extra='suppress = ["optout.txt"]')
            (where / "optout.txt").write_text("no address\n")
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}"]
            volley(*arguments, check=65)
            (where / "optout.txt").write_text("user1@d1.example.net\n")
            with open(where / "list.csv", "a") as f:
                f.write("late@d1.example.net,Late,Paris\n")
            volley(*arguments, check=0)
            self.assertEqual(len(sink.recipients()), 20)

    def test_suppression_is_read_again_on_resume(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20, extra='suppress = ["optout.txt"]')
            (where / "optout.txt").write_text("")
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json"]
            volley(*arguments, "--hold", check=75)
            (where / "optout.txt").write_text("USER7@d7.example.net\n")
            s = summary(volley(*arguments, check=0))
            check_identity(s)
            self.assertEqual((s["delivered"], s["suppressed"]), (19, 1))
            self.assertNotIn("user7@d7.example.net", sink.recipients())

    def test_stream(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20000, 100)
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--stream", "--json",
                               check=0))
            check_identity(s)
            self.assertEqual(s["delivered"], 20000)
            self.assertEqual(len(set(sink.recipients())), len(sink.recipients()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
