"""volley send --stream: sends while the list is still being read, and goes on with that list only."""

import unittest

from harness import *


class SendStream(unittest.TestCase):
    def test_everybody_gets_it_once(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20000, 100)
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--stream", "--json",
                               check=0))
            check_identity(s)
            self.assertEqual(s["delivered"], 20000)
            self.assertEqual(len(set(sink.recipients())), len(sink.recipients()))

    def interrupted(self, arguments, sink):
        """A streamed send that was stopped after its first messages."""
        child = subprocess.Popen([str(part) for part in (VOLLEY, *arguments, "--stream")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(sink.recipients()) >= 50, "some to be delivered")
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(60), 75)

    def test_a_streamed_campaign_goes_on_with_its_own_list_only(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 2000, 10, extra='rate = "500/s"')
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json"]
            self.interrupted(arguments, sink)
            self.assertLess(len(sink.recipients()), 2000)
            own = (where / "list.csv").read_text()
            (where / "list.csv").write_text(own.replace("user7@", "user8@"))
            for way in ((), ("--stream",)):
                self.assertIn("other recipients", volley(*arguments, *way, check=65).stderr)
            (where / "list.csv").write_text(own)
            for way in ((), (), ("--stream",)):
                self.assertEqual(summary(volley(*arguments, *way, check=0))["delivered"], 2000)
            self.assertEqual(len(set(sink.recipients())), 2000)
            self.assertEqual(len(sink.recipients()), 2000)

    def test_a_change_in_the_middle_of_a_long_list_is_seen_once_a_streamed_import_was_interrupted(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 300_000, 100, extra='rate = "500/s"')
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}"]
            self.interrupted(arguments, sink)
            own = (where / "list.csv").read_bytes()
            self.assertGreater(len(own), 4 << 20, "shorter ones are sampled whole")
            for at in (len(own) // 2, len(own) // 3, len(own) // 5):
                (where / "list.csv").write_bytes(own[:at] + bytes([own[at] ^ 1]) + own[at + 1:])
                for way in ((), ("--stream",)):
                    self.assertIn("other recipients", volley(*arguments, *way, check=65).stderr)

    def test_a_list_known_by_all_of_it_is_known_to_a_stream(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 200, 10)
            arguments = ["send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json"]
            volley(*arguments, "--hold", check=75)
            self.assertEqual(summary(volley(*arguments, "--stream", check=0))["delivered"], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
