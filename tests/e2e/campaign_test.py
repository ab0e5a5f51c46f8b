"""A campaign from list to summary: everybody once, and a second run sends nothing."""

import collections
import json
import pty
import re
import unittest

from harness import *


class Terminal:
    """A command on a terminal of its own, as a person runs it."""

    def __init__(self, *arguments):
        self._master, slave = pty.openpty()
        self.child = subprocess.Popen([VOLLEY, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                                      start_new_session=True)
        os.close(slave)
        os.set_blocking(self._master, False)
        self.screen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._master)

    def read(self):
        with contextlib.suppress(BlockingIOError, OSError):  # nothing yet; nobody there any more
            while data := os.read(self._master, 65536):
                self.screen += data.decode(errors="replace").replace("\r\n", "\n")
        return self.screen

    def await_text(self, text):
        wait_until(lambda: text in self.read(), repr(text))

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        def ended():
            self.read()
            return self.child.poll() is not None
        wait_until(ended, "the command to end")
        self.read()
        return self.child.returncode


def in_flight(data):
    engines = json.loads(volley("status", "--data", data, "--json", check=0).stdout)["engines"]
    return sum(site["in_flight"] for engine in engines for site in engine["sites"])


def slowly(where, sink, redis):
    """Arguments that send 3,000 over two connections, through a queue that the test can stop."""
    campaign = write_campaign(where, 3000, 20)
    return ["send", str(campaign), "--data", str(where / "data"), "--queue", redis.url, "--connections", "2",
            "--route", f"*={sink.address}", "--json"]


@contextlib.contextmanager
def stopped_in_the_middle(sink, redis):
    wait_until(lambda: len(sink.messages()) > 100, "some mail")
    redis.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis.child.send_signal(signal.SIGCONT)


def pending_signals(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:")), 16)


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

    def test_cancelled_after_a_kill(self):
        """What was in flight stays queued until the journal has been asked, and `send` asks it: nothing more is sent."""
        with workdir() as where, Sink(where, "--delay", "5") as sink:
            campaign = write_campaign(where, 6000, 20)
            arguments = ["send", str(campaign), "--data", str(where / "data"), "--route", f"*={sink.address}", "--json"]
            with Process([VOLLEY, *arguments], where / "send.log") as send:
                wait_until(lambda: len(sink.messages()) > 100, "some mail")
                send.child.kill()
                send.child.wait()
            s = summary(volley("campaign", "cancel", "test", "--data", where / "data", "--json", check=0))
            check_identity(s)
            self.assertGreater(s["queued"], 0)
            self.assertIn("in flight: their engine tells", volley("campaign", "show", "test", "--data", where / "data", check=0).stdout)
            before = len(sink.recipients())
            result = volley(*arguments, check=0)
            s = summary(result)
            check_identity(s)
            self.assertEqual((s["state"], s["queued"]), ("cancelled", 0))
            self.assertIn("is cancelled", result.stderr)
            self.assertEqual(len(sink.recipients()), before)
            self.assertGreater(s["delivered"], 0)
            self.assertLessEqual(s["delivered"], before)

    def test_one_interrupt_does_not_wait_for_a_queue_that_is_gone(self):
        """What was on the wire is journalled, so that the next run, with the queue back, sends nothing twice."""
        with workdir() as where, Sink(where, "--delay", "5") as sink, Redis(where) as redis:
            arguments = slowly(where, sink, redis)
            with Process([VOLLEY, *arguments], where / "send.log") as send:
                with stopped_in_the_middle(sink, redis):
                    send.child.send_signal(signal.SIGTERM)
                    self.assertEqual(send.child.wait(50), 75)
                self.assertIn("the queue does not answer: what was sent is in the journal", send.text())
                s = json.loads(send.text().strip().splitlines()[-1])
                check_identity(s)
                self.assertIn("interrupted", s["reason"])
            self.assertEqual(summary(volley(*arguments, check=0))["delivered"], 3000)
            self.assertEqual(sorted(collections.Counter(sink.recipients()).values()), [1] * 3000)

    def test_a_second_interrupt_does_not_wait_for_receivers(self):
        """The sink holds its answers back while the first signal drains; the second still gets the summary."""
        with workdir() as where:
            campaign = write_campaign(where, 300, 10)
            with Sink(where, "--delay", "3000", name="slow") as slow:
                arguments = [VOLLEY, "send", str(campaign), "--data", str(where / "data"), "--json", "--route"]
                with Process([*arguments, f"*={slow.address}"], where / "send.log") as send:
                    wait_until(lambda: "left 300" in send.text(), "sending to begin")  # its queue is there
                    wait_until(lambda: in_flight(where / "data") > 0, "messages on the wire")
                    send.child.send_signal(signal.SIGTERM)
                    wait_until(lambda: "finishing what is on the wire" in send.text(), "the first signal to be heard")
                    send.child.send_signal(signal.SIGTERM)
                    self.assertEqual(send.child.wait(20), 75)
                    s = json.loads(send.text().strip().splitlines()[-1])
                    check_identity(s)
                    self.assertEqual((s["state"], s["reason"], s["accepted"]), ("paused", "interrupted", 300))
                    self.assertIn("did not end in time", send.text())
            with Sink(where, name="fast") as fast:
                s = summary(volley(*arguments[1:], f"*={fast.address}", check=0))
                self.assertEqual(s["delivered"], 300)
                self.assertEqual(len(set(slow.recipients() + fast.recipients())), 300)

    def test_a_second_interrupt_does_not_wait_for_the_queue(self):
        with workdir() as where, Sink(where, "--delay", "5") as sink, Redis(where) as redis:
            arguments = slowly(where, sink, redis)
            with Process([VOLLEY, *arguments], where / "send.log") as send:
                with stopped_in_the_middle(sink, redis):
                    send.child.send_signal(signal.SIGINT)
                    wait_until(lambda: pending_signals(send.child.pid) == 0, "the first signal to arrive")
                    send.child.send_signal(signal.SIGINT)
                    self.assertEqual(send.child.wait(20), 75)
                s = json.loads(send.text().strip().splitlines()[-1])
                check_identity(s)
                self.assertEqual((s["state"], s["accepted"]), ("running", 3000))
                self.assertIn("interrupted", s["reason"])
            self.assertEqual(summary(volley(*arguments, check=0))["delivered"], 3000)
            self.assertEqual(len(set(sink.recipients())), 3000)

    def test_asks_on_a_terminal(self):
        with workdir() as where, Sink(where, "--delay", "5") as sink:
            campaign = write_campaign(where, 3000, 5, extra='suppress = ["optout.txt"]')
            with open(where / "list.csv", "a") as f:
                f.write("not an address,X,Y\nUSER1@d1.example.net,Dup,Paris\n")
            (where / "optout.txt").write_text("User3@D3.example.net\n")
            arguments = ["send", campaign, "--data", where / "data", "--connections", "2", "--route", f"*={sink.address}"]
            for answer in ("n\n", "\n", "\x04"):
                with Terminal(*arguments) as terminal:
                    terminal.await_text("Send? [y/N] ")
                    terminal.type(answer)
                    self.assertEqual(terminal.end(), 75)
                    self.assertIn("3,000 recipients in 5 domains, all routed as --route says (unsigned)\n"
                                  "1 of them is suppressed and gets nothing\n"
                                  "Left out: 1 invalid row, 1 duplicate, listed in ", terminal.screen)
                    self.assertIn("To: user0@d0.example.net\n", terminal.screen)
                    self.assertTrue(terminal.screen.endswith("\nvolley: nothing was sent\n"), terminal.screen)
            self.assertEqual(volley("campaign", "list", "--data", where / "data", "--json", check=0).stdout, "")
            with Terminal(*arguments) as terminal:
                terminal.await_text("Send? [y/N] ")
                terminal.type("y\n")
                wait_until(lambda: terminal.read() and len(sink.messages()) > 100, "some mail")
                terminal.child.send_signal(signal.SIGINT)
                self.assertEqual(terminal.end(), 75)
                self.assertIn("campaign test: paused (interrupted)", terminal.screen)
            with Terminal(*arguments) as terminal:
                terminal.await_text("Send? [y/N] ")
                self.assertIn("Campaign test was started before and is paused (interrupted)\n", terminal.screen)
                self.assertIn(" of 3,000 recipients left, all routed", terminal.screen)
                terminal.type("yes\n")
                self.assertEqual(terminal.end(), 0)
            with Terminal(*arguments) as terminal:
                self.assertEqual(terminal.end(), 0)
                self.assertNotIn("Send?", terminal.screen)
            self.assertEqual(len(sink.recipients()), 2999)

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

    def test_connections_from_before_the_host_had_proven_itself_make_room_for_ones_that_stream(self):
        with workdir() as where, Sink(where, "--no-starttls", "--delay", "2") as sink:
            volley("send", write_campaign(where, 4000, 1), "--data", where / "data", "--route", f"*={sink.address}",
                   "--connections", "4", check=0)
            ways = [message["chunking"] for message in sink.messages()]
            self.assertEqual(len(ways), 4000)
            self.assertFalse(any(ways[:50]), "none streams before the host has proven itself")
            self.assertTrue(all(ways[-1000:]), "all do, later on")

    def test_one_destination_gets_all_of_its_connections(self):
        """Its queue is one loop's; half of the connections are the other's, who says when it has next to nothing."""
        with workdir() as where:
            (where / "volley.toml").write_text("loops = 2\n")
            with Sink(where, "--no-starttls", "--no", "CHUNKING", "--delay", "20") as sink:
                volley("send", write_campaign(where, 6000, 1), "-c", where / "volley.toml", "--data", where / "data", "--route",
                       f"*={sink.address}", "--connections", "16", check=0)
                ports = [message["port"] for message in sink.messages()]
            self.assertEqual(len(ports), 6000)
            self.assertLessEqual(len(set(ports)), 16)
            busy = collections.Counter(ports[2000:-500])  # all connections are open then, and there is plenty
            self.assertEqual(len(busy), 16)
            self.assertGreater(min(busy.values()), max(busy.values()) / 2, "none of them stands idle")

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
