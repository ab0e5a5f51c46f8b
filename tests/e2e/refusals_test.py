"""A 5xx that speaks of our IP is a condition of the path: nobody is bounced for it, whoever says it."""

import unittest

import exim
import postfix
from harness import *


class Refusals(unittest.TestCase):
    def keeps_everything(self, where, port, refused):
        """Sends into the refusal until it was really met, interrupts: all of it must still be queued."""
        campaign = write_campaign(where, 300, 10)
        events = where / "data/events.jsonl"
        arguments = [VOLLEY, "send", str(campaign), "--data", str(where / "data"), "--route", f"*=127.0.0.1:{port}", "--json"]
        with Process(arguments, where / "send.log") as send:
            wait_until(lambda: refused() or send.child.poll() is not None, "the refusal to be met")
            wait_until(lambda: send.child.poll() is not None or (events.exists() and events.stat().st_size > 0), "an event")
            send.child.send_signal(signal.SIGINT)
            self.assertEqual(send.child.wait(60), 75)
            s = json.loads(send.text().strip().splitlines()[-1])
        check_identity(s)
        self.assertEqual((s["bounced"], s["delivered"], s["queued"]), (0, 0, 300), s)

    def test_sink(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:550 5.7.1 Your IP address is blocked, listed by Spamhaus") as sink:
            self.keeps_everything(where, sink.port, lambda: True)

    def test_sink_greeting(self):
        with workdir() as where, Sink(where, "--rule", "connect:1:554 5.7.1 no SMTP service for you, bad reputation") as sink:
            self.keeps_everything(where, sink.port, lambda: True)

    def test_sink_end_of_data(self):
        with workdir() as where, Sink(where, "--rule", "data-end:1:550 5.7.1 [192.0.2.1] rejected: IP reputation") as sink:
            self.keeps_everything(where, sink.port, lambda: True)

    def test_postfix(self):
        if not postfix.usable():
            self.fail("Postfix is not installed, or this is not root: tests/run installs it")
        reject = ("smtpd_delay_reject = yes\n"
                  "smtpd_client_restrictions = check_client_access static:{550 5.7.1 Client host blocked using dnsbl.example.org}")
        with workdir() as where, postfix.Postfix(where, reject) as server:
            self.keeps_everything(where, server.port, lambda: server.mail_log.exists() and b"blocked using" in server.mail_log.read_bytes())

    def test_exim(self):
        if not exim.usable():
            self.fail("no Exim: tests/run unpacks it")
        with workdir() as where, exim.Exim(where, exim.REFUSAL) as server:
            self.keeps_everything(where, server.port, lambda: server.mail_log.exists() and b"block list" in server.mail_log.read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
