"""A campaign through a relay: login, a login that is refused, throttling, and the daily limit."""

import unittest

import aiosmtpd_server
from harness import *
from relay_server import RelayServer


def configure(where, port, more, password="correct horse", top=""):
    """volley.toml with a [relay] on this machine."""
    secret = where / "password"
    secret.write_text(password + "\n")
    secret.chmod(0o600)
    path = where / "volley.toml"
    path.write_text(f'{top}\n[relay]\nhost = "127.0.0.1"\nport = {port}\n{more}\n')
    return path


LOGIN = 'user = "me"\npassword_file = "password"\n'


class Login(unittest.TestCase):
    RECIPIENTS = 200

    def setUp(self):
        if not aiosmtpd_server.usable():
            self.fail("no python3-aiosmtpd: tests/run installs it")

    def send(self, where, config, check):
        campaign = write_campaign(where, self.RECIPIENTS, 10)
        return volley("send", campaign, "-c", config, "--data", where / "data", "--json", check=check)

    def delivers_by(self, word, relay, where, config):
        volley("check", "-c", config, check=0)
        s = summary(self.send(where, config, 0))
        check_identity(s)
        self.assertEqual(s["delivered"], self.RECIPIENTS)
        self.assertEqual(len(relay.lines(word)), self.RECIPIENTS)
        self.assertEqual(len(set(relay.lines(word))), self.RECIPIENTS)
        self.assertEqual({line.split()[0] for line in relay.lines("login")}, {"good"})

    def test_in_clear_on_this_machine(self):
        with workdir() as where, RelayServer(where) as relay:
            self.delivers_by("clear", relay, where, configure(where, relay.port, LOGIN + 'tls = "never"'))

    def test_verified(self):
        with workdir() as where, RelayServer(where) as relay:
            config = configure(where, relay.port, LOGIN + f'\n[tls]\nca_file = "{relay.certificate}"')
            self.delivers_by("tls", relay, where, config)

    def test_a_relay_that_nobody_vouches_for_is_told_nothing(self):
        with workdir() as where, RelayServer(where) as relay:
            result = self.send(where, configure(where, relay.port, LOGIN), 75)
            s = summary(result)
            check_identity(s)
            self.assertEqual((s["state"], s["delivered"], s["bounced"], s["queued"]), ("paused", 0, 0, self.RECIPIENTS), s)
            self.assertTrue(s["reason"].startswith(f"[relay] 127.0.0.1:{relay.port}: TLS handshake: certificate refused: self-signed"), s)
            self.assertIn("[tls] ca_file", s["reason"])
            self.assertEqual(result.stderr.count("is paused:"), 1, result.stderr)
            self.assertEqual(relay.seen.read_text(), "")
            # The remedy is one.
            config = configure(where, relay.port, LOGIN + f'\n[tls]\nca_file = "{relay.certificate}"')
            self.assertEqual(summary(self.send(where, config, 0))["delivered"], self.RECIPIENTS)

    def test_a_certificate_for_another_name_pauses(self):
        with workdir() as where, RelayServer(where) as relay:
            config = configure(where, relay.port, LOGIN + f'\n[tls]\nca_file = "{relay.certificate}"')
            config.write_text(config.read_text().replace('host = "127.0.0.1"', 'host = "localhost"'))
            s = summary(self.send(where, config, 75))
            self.assertEqual((s["state"], s["queued"]), ("paused", self.RECIPIENTS), s)
            self.assertIn("certificate refused: hostname mismatch; write a name that its certificate has as [relay] host", s["reason"])

    def test_resuming_tries_at_once_with_the_password_as_it_is_now(self):
        with workdir() as where, RelayServer(where) as relay:
            config = configure(where, relay.port, LOGIN + 'tls = "never"', password="staple battery")
            data = ["-c", config, "--data", where / "data"]
            volley("send", write_campaign(where, self.RECIPIENTS, 10), *data, "--hold", "--json", check=75)
            show = lambda: json.loads(volley("campaign", "show", "test", *data, "--json", check=0).stdout)
            with Process([VOLLEY, "serve", *map(str, data)], where / "serve.log") as serve:
                # A command that came first would hold the data directory.
                wait_until(lambda: volley("status", *data).stdout.startswith("engine "), "the engine to be there")
                volley("campaign", "resume", "test", *data, check=0)
                wait_until(lambda: show()["state"] == "paused", "the refused login to pause it")
                self.assertIn("refused the user name or password", show()["reason"])
                wait_until(lambda: "is paused:" in serve.text(), "the warning")
                (where / "password").write_text("correct horse\n")
                volley("campaign", "resume", "test", *data, check=0)
                wait_until(lambda: show()["state"] == "finished", "the campaign to be finished")
                self.assertEqual(serve.text().count("is paused:"), 1, serve.text())
            self.assertEqual(len(set(relay.lines("clear"))), self.RECIPIENTS)

    def test_a_wrong_password_bounces_nobody(self):
        with workdir() as where, RelayServer(where) as relay:
            config = configure(where, relay.port, LOGIN + 'tls = "never"', password="staple battery")
            result = self.send(where, config, 75)
            s = summary(result)
            check_identity(s)
            self.assertEqual((s["state"], s["delivered"], s["bounced"], s["queued"]), ("paused", 0, 0, self.RECIPIENTS), s)
            self.assertTrue(s["reason"].startswith("[relay] 127.0.0.1:"), s)
            self.assertIn("refused the user name or password", s["reason"])
            self.assertEqual(result.stderr.count("is paused: [relay]"), 1, result.stderr)
            self.assertNotIn("staple", result.stdout + result.stderr)
            self.assertEqual(relay.lines("clear") + relay.lines("tls"), [])
            # As few as there are loops: to go on asking would lock the account.
            self.assertLessEqual(len(relay.lines("login")), os.cpu_count())
            # Once it is mended, the same command goes on.
            s = summary(self.send(where, configure(where, relay.port, LOGIN + 'tls = "never"'), 0))
            check_identity(s)
            self.assertEqual(s["delivered"], self.RECIPIENTS)

    def test_what_does_not_fit_is_said_before_anything_is_queued(self):
        with workdir() as where:
            config = configure(where, 587, LOGIN)
            (where / "password").chmod(0o644)
            refused = volley("check", "-c", config, check=78)
            self.assertIn("volley.toml:6:1: password_file: ", refused.stderr)
            (where / "password").chmod(0o600)
            config.write_text(config.read_text().replace("127.0.0.1", "192.0.2.1") + 'tls = "required"\n')
            refused = volley("check", "-c", config, check=78)
            self.assertIn("volley.toml:8:1: ", refused.stderr)


class Throttling(unittest.TestCase):
    def test_nobody_bounces(self):
        for step, reply in (("rcpt", "454 4.7.0 Throttling failure: Maximum sending rate exceeded"),
                            ("data-end", "550 5.7.1 sending rate limit exceeded")):
            with self.subTest(reply), workdir() as where:
                with Sink(where, "--rule", f"{step}:1:user2=1:{reply}") as sink:
                    campaign = write_campaign(where, 60, 10)
                    config = configure(where, sink.port, 'rate = "200/s"')
                    s = summary(volley("send", campaign, "-c", config, "--data", where / "data", "--json", check=0))
                    check_identity(s)
                    self.assertEqual((s["delivered"], s["bounced"]), (60, 0), s)
                    self.assertEqual(len(set(sink.recipients())), 60)

    def test_a_used_up_quota_is_waited_for(self):
        for step, reply in (("rcpt", "550 5.4.5 Daily user sending limit exceeded"),
                            ("data-end", "454 Throttling failure: Daily message quota exceeded"),
                            ("mail", "552 5.2.2 quota exceeded")):
            with self.subTest(reply), workdir() as where, Sink(where, "--rule", f"{step}:1:{reply}") as sink:
                campaign = write_campaign(where, 300, 10)
                s, said = until_it_waits(where, campaign, configure(where, sink.port, ""), "paused for ")
                self.assertEqual((s["delivered"], s["bounced"], s["queued"]), (0, 0, 300), s)
                self.assertIn(reply, said)


def until_it_waits(where, campaign, config, word, seconds=300):
    """Sends until the progress line says that it waits for `word`, interrupts: the summary, and what was said."""
    arguments = [VOLLEY, "send", str(campaign), "-c", str(config), "--data", str(where / "data"), "--json"]
    log = where / "send.log"
    log.unlink(missing_ok=True)
    with Process(arguments, log) as send:
        wait_until(lambda: f"relay: {word}" in send.text() or send.child.poll() is not None, f"the relay to be {word}",
                   seconds)
        send.child.send_signal(signal.SIGINT)
        code = send.child.wait(60)
        said = send.text()
    assert code == 75, (code, said)
    s = json.loads(said.strip().splitlines()[-1])
    check_identity(s)
    return s, said


class Metered(unittest.TestCase):
    """The relay counts, and the sender was told neither its rate nor its day."""

    def goes_as_far_as_the_day(self, rate, daily, recipients):
        with workdir() as where, Sink(where, "--rate", str(rate), "--daily", str(daily)) as sink:
            campaign = write_campaign(where, recipients, 100)
            s, said = until_it_waits(where, campaign, configure(where, sink.port, ""), "paused for ")
            self.assertIn("550 5.4.5 Daily", said)
            self.assertEqual((s["delivered"], s["queued"], s["bounced"]), (daily, recipients - daily, 0), s)
            self.assertEqual(len(sink.recipients()), daily)
            self.assertEqual(len(set(sink.recipients())), daily)

    def test_the_rest_waits(self):
        self.goes_as_far_as_the_day(100, 300, 400)

    @unittest.skipUnless(LONG, "VOLLEY_LONG=1 sends 60,000")
    def test_sixty_thousand(self):
        self.goes_as_far_as_the_day(1000, 50000, 60000)


class Standstill(unittest.TestCase):
    """The progress line says why all that is left waits."""

    def says(self, where, config, reason, recipients=60):
        campaign = write_campaign(where, recipients, 4, retry="10s", extra="sign = false")
        arguments = [VOLLEY, "send", str(campaign), "-c", str(config), "--data", str(where / "data")]
        with Process(arguments, where / "send.log") as send:
            said = f"all {recipients} left wait for a retry: {reason} (next in "
            wait_until(lambda: said in send.text() or send.child.poll() is not None, "the reason")
            self.assertIn(said, send.text())
            status = volley("status", "-c", config, "--data", where / "data", check=0).stdout
            self.assertIn(reason, status)
            send.child.send_signal(signal.SIGINT)
            self.assertEqual(send.child.wait(60), 75, send.text())

    def test_deferred(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:450 4.2.0 greylisted, come back") as sink:
            self.says(where, configure(where, sink.port, ""), "450 4.2.0 greylisted, come back")

    def test_in_doubt(self):
        with workdir() as where, Sink(where, "--rule", "dot:1:close") as sink:
            self.says(where, configure(where, sink.port, ""), "4.4.2 closed by peer", recipients=4)

    def test_no_dns(self):
        with workdir() as where, Unbound(where, [], zones=(), options='  local-zone: "example.net" refuse\n') as dns:
            config = where / "volley.toml"
            config.write_text(f'hostname = "mail.example.com"\n[dns]\nservers = ["127.0.0.1:{dns.port}"]\n')
            self.says(where, config, f"451 4.4.3 MX look-up failed: REFUSED from 127.0.0.1:{dns.port}")


class Daily(unittest.TestCase):
    def stops_at_the_limit(self, rate, daily, recipients):
        with workdir() as where, Sink(where, "--no-starttls") as sink:
            campaign = write_campaign(where, recipients, 100)
            config = configure(where, sink.port, f'rate = "{rate}/s"\ndaily = {daily}')
            # The second time it is the same day. Domains rest for up to a minute before the queue gives them out again.
            for _ in range(2 if LONG else 1):
                s, _ = until_it_waits(where, campaign, config, f"daily limit ({daily} in 24 h, [relay])")
                self.assertEqual(s["state"], "paused", s)
                self.assertEqual((s["delivered"], s["queued"], s["bounced"]), (daily, recipients - daily, 0), s)
                self.assertEqual(len(sink.recipients()), daily)
                self.assertEqual(len(set(sink.recipients())), daily)
                kept = json.loads((where / "data/learned.json").read_text())["daily"]["relay"]["hours"]
                self.assertEqual(sum(kept), daily)
            if not LONG:
                return
            # The day is over as soon as nobody remembers it.
            (where / "data/learned.json").unlink()
            config = configure(where, sink.port, f'rate = "{rate}/s"')
            s = summary(volley("send", campaign, "-c", config, "--data", where / "data", "--json", check=0, timeout=600))
            check_identity(s)
            self.assertEqual((s["delivered"], s["bounced"]), (recipients, 0), s)
            self.assertEqual(len(set(sink.recipients())), recipients)
            self.assertEqual(len(sink.recipients()), recipients)

    def test_the_rest_waits(self):
        self.stops_at_the_limit(500, 300, 400)

    @unittest.skipUnless(LONG, "VOLLEY_LONG=1 sends 60,000")
    def test_sixty_thousand(self):
        self.stops_at_the_limit(2000, 50000, 60000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
