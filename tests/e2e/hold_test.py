"""A campaign that is held, and who sends it then: the same command, or an engine that runs beside."""

import unittest

from harness import *


class Hold(unittest.TestCase):
    def test_hold_then_send(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 100)
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json"]
            s = summary(volley(*arguments, "--hold", check=75))
            self.assertEqual((s["state"], s["accepted"], s["queued"]), ("paused", 100, 100))
            self.assertEqual(sink.messages(), [])
            self.assertEqual(summary(volley(*arguments, check=0))["delivered"], 100)

    def test_hold_needs_no_way_out(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20)
            place = ["--data", where / "data"]
            s = summary(volley("send", campaign, *place, "--hold", "--json", check=75, cwd=where))
            self.assertEqual((s["state"], s["queued"]), ("paused", 20))
            # Directly it would not leave unsigned: an engine without the key does not take it.
            (where / "volley.toml").write_text('hostname = "mail.example.com"\n')
            volley("send", campaign, *place, check=78, cwd=where)
            with Process([VOLLEY, "serve", "--http", "127.0.0.1:0", *map(str, place)], where / "serve.log", cwd=where) as serve:
                wait_until(lambda: "listening" in serve.text(), "the engine")
                volley("campaign", "resume", "test", *place, check=0, cwd=where)
                show = lambda: summary(volley("campaign", "show", "test", *place, "--json", check=0, cwd=where))
                wait_until(lambda: show()["state"] == "paused", "the campaign to pause")
                self.assertIn("no DKIM key for example.com", show()["reason"])
            # By a route it may.
            s = summary(volley("send", campaign, *place, "--route", f"*={sink.address}", "--json", check=0, cwd=where))
            self.assertEqual(s["delivered"], 20)

    def test_a_newsletter_beside_serve(self):
        with workdir() as where, Sink(where) as sink, Redis(where) as redis:
            shared = ["--queue", redis.url, "--route", f"*={sink.address}"]
            with Process([VOLLEY, "serve", *shared, "--data", str(where / "da"), "--http", "127.0.0.1:0"], where / "serve.log") as serve:
                wait_until(lambda: "listening" in serve.text(), "the engine")
                s = summary(volley("send", write_campaign(where, 200), *shared, "--data", where / "db", "--json", check=0))
                check_identity(s)
                self.assertEqual((s["state"], s["delivered"]), ("finished", 200))
            self.assertEqual(len(sink.recipients()), len(set(sink.recipients())))

    def test_resume_says_when_nobody_would_send(self):
        hint = "no engine is running on this queue: `volley serve`, or the same `volley send` again, sends it"
        with workdir() as where, Sink(where) as sink, Redis(where) as redis:
            campaign = write_campaign(where, 20)
            route = ["--route", f"*={sink.address}"]
            for place in (["--data", str(where / "embedded")], ["--data", str(where / "external"), "--queue", redis.url]):
                show = lambda: summary(volley("campaign", "show", "test", *place, "--json", check=0))
                volley("send", campaign, *place, *route, "--hold", check=75)
                self.assertIn(hint, volley("campaign", "resume", "test", *place, check=0).stderr)
                volley("campaign", "pause", "test", *place, check=0)
                with Process([VOLLEY, "serve", *place, *route, "--http", "127.0.0.1:0"], where / f"{len(place)}.log") as serve:
                    wait_until(lambda: "listening" in serve.text(), "the engine")
                    self.assertEqual(volley("campaign", "resume", "test", *place, check=0).stderr, "")
                    wait_until(lambda: show()["state"] == "finished", "the campaign to be sent")


if __name__ == "__main__":
    unittest.main(verbosity=2)
