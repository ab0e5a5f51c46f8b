"""Steering a campaign while it runs: rate, schedule, brakes, canary."""

import datetime
import time
import unittest

from harness import *


def moment(seconds_from_now):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


class Steering(unittest.TestCase):
    def place(self, where, sink):
        self.where, self.sink = where, sink
        self.data = ["--data", str(where / "data")]
        return [*self.data, "--route", f"*={sink.address}"]

    def show(self):
        return summary(volley("campaign", "show", "test", *self.data, "--json", check=0))

    def record(self, result):
        return json.loads(result.stdout)

    def set(self, *options, check=0):
        return volley("campaign", "set", "test", *options, *self.data, check=check)

    def sending(self, campaign, route):
        process = Process([VOLLEY, "send", str(campaign), *route, "--json"], self.where / "send.log")
        wait_until(lambda: volley("campaign", "show", "test", *self.data).returncode == 0, "the campaign")
        return process

    def test_rate_of_a_running_campaign(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 400, extra='rate = "1/s"')
            route = self.place(where, sink)
            with self.sending(campaign, route) as send:
                wait_until(lambda: sink.messages(), "the first message")
                self.assertLess(len(sink.messages()), 100)
                self.set("--rate", "none", "--priority", "50")
                self.assertEqual(send.child.wait(60), 0, send.text())
            self.assertEqual(sorted(sink.recipients()), sorted(set(sink.recipients())))
            self.assertEqual(len(sink.recipients()), 400)
            self.assertEqual(self.set("--rate", "5/s", check=65).returncode, 65)  # it is finished

    def test_the_rate_of_an_engine(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 60)
            (where / "volley.toml").write_text('[smtp]\nrate = "20/s"\n')
            start = time.monotonic()
            s = summary(volley("send", campaign, *self.place(where, sink), "-c", where / "volley.toml", "--json", check=0))
            self.assertEqual(s["delivered"], 60)
            self.assertGreater(time.monotonic() - start, 2.5)  # the clock of what is tested: 58 after a burst of 2

    def test_start(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 50, extra=f'start = "{moment(3600)}"')
            route = self.place(where, sink)
            with self.sending(campaign, route) as send:
                wait_until(lambda: self.show()["state"] == "scheduled", "the schedule")
                self.assertIn("opens ", self.show()["reason"])
                wait_until(lambda: "opens " in send.text(), "progress to say why nothing is sent")
                self.assertEqual(sink.messages(), [])
                self.set("--start", moment(2))
                self.assertEqual(send.child.wait(60), 0, send.text())
            self.assertEqual(len(sink.recipients()), 50)

    def test_a_window_that_closes_and_opens(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 300, extra='rate = "50/s"')
            route = self.place(where, sink)
            today = datetime.datetime.now(datetime.timezone.utc)
            elsewhen = "mon" if today.weekday() not in (0, 6) else "thu"
            with self.sending(campaign, route) as send:
                wait_until(lambda: sink.messages(), "the first message")
                self.set("--window", f"{elsewhen} 09:00-10:00 UTC")
                wait_until(lambda: self.show()["state"] == "scheduled", "the window to close")
                # Nothing is on the wire any more once what was is settled.
                wait_until(lambda: self.show()["delivered"] == len(sink.messages()), "the last outcomes")
                self.assertLess(self.show()["delivered"], 300)
                self.set("--window", "none", "--rate", "none")
                self.assertEqual(send.child.wait(60), 0, send.text())
            self.assertEqual(len(sink.recipients()), 300)
            self.assertEqual(len(set(sink.recipients())), 300)

    def test_an_end_cancels_the_rest(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 200, extra='rate = "5/s"')
            route = self.place(where, sink)
            with self.sending(campaign, route) as send:
                wait_until(lambda: sink.messages(), "the first message")
                self.set("--end", moment(2))
                self.assertEqual(send.child.wait(60), 0, send.text())
            s = self.show()
            check_identity(s)
            self.assertEqual(s["state"], "cancelled")
            self.assertIn("its end has come", s["reason"])
            self.assertEqual(s["delivered"] + s["cancelled"], 200)
            self.assertEqual(len(sink.recipients()), s["delivered"])

    def test_a_missed_start_pauses(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20, extra=f'start = "{moment(-7200)}"')
            route = self.place(where, sink)
            # Started by hand it runs, however late: somebody is there.
            s = summary(volley("send", campaign, *route, "--json", check=0))
            self.assertEqual(s["delivered"], 20)
        with workdir() as where, Sink(where) as sink, Redis(where) as redis:
            campaign = write_campaign(where, 20, extra=f'start = "{moment(3600)}"')
            queue = ["--queue", redis.url, "--data", str(where / "data")]
            volley("send", campaign, *queue, "--route", f"*={sink.address}", "--hold", check=75)
            volley("campaign", "resume", "test", *queue, check=0)
            self.assertEqual(summary(volley("campaign", "show", "test", *queue, "--json", check=0))["state"], "scheduled")
            record = json.loads(subprocess.run(["redis-cli", "-p", str(redis.port), "HGET", "volley:{c:test}:rec", "json"],
                                               capture_output=True, text=True, check=True).stdout)
            record["start_ms"] -= 3 * 3600 * 1000  # two hours ago, when no engine ran
            subprocess.run(["redis-cli", "-p", str(redis.port), "HSET", "volley:{c:test}:rec", "json", json.dumps(record)], check=True,
                           capture_output=True)
            with Process([VOLLEY, "serve", *queue, "--route", f"*={sink.address}"], where / "serve.log"):
                show = lambda: summary(volley("campaign", "show", "test", *queue, "--json", check=0))
                wait_until(lambda: show()["state"] == "paused", "the campaign to pause")
                self.assertIn("no engine ran at its start", show()["reason"])
                volley("campaign", "resume", "test", *queue, check=0)
                wait_until(lambda: show()["state"] == "finished", "the campaign to be sent")
            self.assertEqual(len(sink.recipients()), 20)

    def test_bounces_stop_it(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:0.3::550 5.1.1 no such user") as sink:
            campaign = write_campaign(where, 3000, 200, extra='[stop]\nbounced = "10%"\nafter = 300')
            route = self.place(where, sink)
            s = summary(volley("send", campaign, *route, "--connections", "2", "--json", check=75))
            check_identity(s)
            self.assertEqual(s["state"], "paused")
            self.assertIn("more than 10 % of its mail bounced", s["reason"])
            self.assertGreaterEqual(s["delivered"] + s["bounced"], 300)
            self.assertGreater(s["queued"], 1000)
            # Somebody has looked, and wants it all the same.
            volley("campaign", "set", "test", "--stop-bounced", "none", *self.data, check=0)
            s = summary(volley("send", campaign, *route, "--json", check=0))
            check_identity(s)
            self.assertEqual((s["state"], s["delivered"] + s["bounced"]), ("finished", 3000))

    def test_canary(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 2000, 50, extra="canary = 200")
            route = self.place(where, sink)
            s = summary(volley("send", campaign, *route, "--json", check=75))
            check_identity(s)
            self.assertEqual((s["state"], s["delivered"], len(sink.messages())), ("paused", 200, 200))
            self.assertIn("`volley campaign approve test`", s["reason"])
            # Neither the same command again nor a resume is an approval.
            s = summary(volley("send", campaign, *route, "--json", check=75))
            self.assertEqual(s["delivered"], 200)
            self.assertIn("approve", volley("campaign", "resume", "test", *self.data, check=65).stderr)
            volley("campaign", "approve", "test", *self.data, check=0)
            s = summary(volley("send", campaign, *route, "--json", check=0))
            self.assertEqual((s["state"], s["delivered"]), ("finished", 2000))
            self.assertEqual(len(set(sink.recipients())), len(sink.recipients()))

    def test_every_setting_is_taken_away_by_none(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 60, extra="canary = 20\n[stop]\nbounced = \"5%\"\nafter = 10")
            route = self.place(where, sink)
            volley("send", campaign, *self.data, "--hold", check=75)
            usual = self.record(volley("campaign", "set", "test", "--rate", "none", "--json", *self.data, check=0))
            self.assertEqual((usual["canary"], usual["stop_after"], usual["weight"]), (20, 10, 10))
            given = self.record(self.set("--priority", "30", "--stop-after", "15", "--canary", "30", "--json"))
            self.assertEqual((given["canary"], given["stop_after"], given["weight"]), (30, 15, 30))
            free = self.record(self.set("--priority", "none", "--stop-after", "none", "--stop-bounced", "none", "--canary", "none", "--json"))
            self.assertEqual((free["canary"], free["stop_after"], free["stop_bounced"], free["weight"]), (0, 1000, 0, 10))
            s = summary(volley("send", campaign, *route, "--json", check=0))
            self.assertEqual((s["state"], s["delivered"]), ("finished", 60))

    def test_what_cannot_be_set_is_refused(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 10)
            self.place(where, sink)
            volley("send", campaign, *self.data, "--hold", check=75)
            for code, options in [(64, []), (64, ["--rate", "fast"]), (64, ["--rate", "0/s"]), (64, ["--start", "tomorrow"]),
                                  (64, ["--start", "2026-12-01 09:00"]), (64, ["--window", "mon-fri 9-18"]),
                                  (64, ["--window", "mon 09:00-10:00 Europe/Atlantis"]), (64, ["--priority", "101"]),
                                  (64, ["--stop-bounced", "0"]), (65, ["--end", "2020-01-01 00:00 UTC"])]:
                with self.subTest(options=options):
                    self.set(*options, check=code)
            for options in (["--canary", "0"], ["--stop-after", "0"], ["--priority", "0"], ["--canary", "few"]):
                self.assertIn("or `none`", self.set(*options, check=64).stderr)
            self.assertIn("no campaign", volley("campaign", "set", "nobody", "--rate", "1/s", *self.data, check=65).stderr)
            self.assertIn("no canary", volley("campaign", "approve", "test", *self.data, check=65).stderr)
            for line in ('start = "tomorrow"', 'window = "mon 9-10 UTC"', "canary = 0", '[stop]\nafter = 5', '[stop]\nbounced = "0%"'):
                with self.subTest(line=line):
                    write_campaign(where, 10, extra=line)
                    self.assertIn("campaign.toml:", volley("send", campaign, *self.data, "--hold", check=65).stderr)
            write_campaign(where, 10, extra='window = "mon 09:00-10:00 UTC"')
            self.assertIn("--stream", volley("send", campaign, *self.data, "--route", "*=127.0.0.1:1", "--stream", check=64).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
