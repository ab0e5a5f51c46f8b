"""Each kind of bad input: one clear line that names file, line and remedy; the right exit code; nothing half-queued."""

import unittest
import urllib.error
import urllib.request

from harness import *


class BadInput(unittest.TestCase):
    def setUp(self):
        self._stack = contextlib.ExitStack()
        self.where = self._stack.enter_context(workdir())
        self.addCleanup(self._stack.close)

    def refused(self, code, *wanted, edit=None, arguments=(), rows=20, campaign=None):
        path = campaign or write_campaign(self.where, rows)
        if edit:
            edit(path)
        # Nothing may be delivered: the route leads nowhere.
        result = volley("send", path, "--data", self.where / "data", "--route", "*=127.0.0.1:1", *arguments, check=code)
        lines = [l for l in result.stderr.splitlines() if l.startswith("volley: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        for text in wanted:
            self.assertIn(text, lines[0])
        if (self.where / "data/redis").exists():
            listed = volley("campaign", "list", "--data", self.where / "data", "--json", check=0)
            self.assertEqual(listed.stdout, "")
        return lines[0]

    def replace(self, old, new):
        return lambda path: path.write_text(path.read_text().replace(old, new))

    def test_missing_campaign_file(self):
        self.refused(66, "none.toml", campaign=self.where / "none.toml")

    def test_bad_toml(self):
        self.refused(65, "campaign.toml:2", edit=self.replace('from = "', 'from = '))

    def test_unknown_key(self):
        self.refused(65, "campaign.toml:1", "colour", edit=lambda p: p.write_text('colour = "red"\n' + p.read_text()))

    def test_missing_list(self):
        self.refused(66, "nowhere.csv", edit=self.replace("list.csv", "nowhere.csv"))

    def test_missing_body(self):
        self.refused(66, "absent.txt", edit=self.replace("body.txt", "absent.txt"))

    def test_no_email_column(self):
        def edit(_):
            (self.where / "list.csv").write_text("mail,first_name,city\na@example.net,A,B\n")
        self.refused(65, "list.csv", "email", edit=edit)

    def test_variable_that_is_no_column(self):
        def edit(_):
            (self.where / "body.txt").write_text("Hello\n\n{{firstname}}\n")
        self.refused(65, "body.txt:3", "firstname", edit=edit)

    def test_unterminated_quote(self):
        def edit(_):
            with open(self.where / "list.csv", "a") as f:
                f.write('x@example.net,"never closed,Paris\n' + "y@example.net,Y,Paris\n" * 5)
        self.refused(65, "list.csv:22", "quote", edit=edit)

    def test_too_many_invalid(self):
        def edit(_):
            with open(self.where / "list.csv", "a") as f:
                f.write("nonsense,A,B\n" * 5)
        self.refused(65, "list.csv", "%", edit=edit)

    def test_bad_suppression_list(self):
        def edit(path):
            (self.where / "optout.txt").write_text("user1@d1.example.net\nno address\n")
            path.write_text(path.read_text().replace("recipients =", 'suppress = "optout.txt"\nrecipients ='))
        self.refused(65, "optout.txt:2", edit=edit)
        self.refused(65, "optout.txt:2", edit=edit, arguments=["--dry-run"])
        self.refused(66, "absent.txt", edit=self.replace("recipients =", 'suppress = "absent.txt"\nrecipients ='))

    def test_attachment_too_large(self):
        def edit(path):
            with open(self.where / "big.bin", "wb") as f:
                f.truncate(51 * 1000 * 1000)
            path.write_text(path.read_text().replace('recipients =', 'attachments = ["big.bin"]\nrecipients ='))
        self.refused(65, "big.bin", edit=edit)

    def test_header_injection_in_campaign(self):
        self.refused(65, "campaign.toml", edit=self.replace('text_file', 'headers = {"X-A" = "b\\r\\nBcc: c@example.net"}\ntext_file'))

    def test_bad_from(self):
        self.refused(65, "campaign.toml", "from", edit=self.replace("news@example.com", "news"))

    def test_bad_route(self):
        path = write_campaign(self.where, 5)
        result = volley("send", path, "--data", self.where / "data", "--route", "example.com", check=64)
        self.assertIn("example.com", result.stderr)

    def test_usage(self):
        volley("send", check=64)
        for words, said in ((["sendd", "x.toml"], 'sendd: no such command (did you mean "send"?): `volley --help` lists them'),
                            (["campaign", "lst"], 'lst: no such command (did you mean "list"?): `volley campaign --help` lists them'),
                            (["help"], "help: no such command: `volley --help` lists them")):
            self.assertIn(said, volley(*words, check=64).stderr)
        self.assertIn("--domain is required", volley("dkim", "keygen", check=64).stderr)
        self.assertRegex(volley("dkim", "keygen", "--help", check=0).stdout, "--domain DOMAIN +REQUIRED")
        result = volley("dkim", "keygen", "--domain", "example.com", "--algorithm", "ed25519", "--bits", "4096", check=64, cwd=self.where)
        self.assertIn("--bits goes with --algorithm rsa", result.stderr)
        self.assertEqual(list(self.where.iterdir()), [])

    def test_a_refused_proof_is_told_in_a_sentence(self):
        with Sink(self.where, "--rule", "rcpt:1:550 5.1.1 no such user") as sink:
            path = write_campaign(self.where, 5)
            result = volley("send", path, "--data", self.where / "data", "--route", f"*={sink.address}", "--proof", "boss@example.org",
                            check=65)
            self.assertEqual(result.stderr, "volley: the proof of row 1 was not delivered to boss@example.org, by the route to "
                                            f"{sink.address}: bounced: 550 5.1.1 no such user\n")

    def test_options_that_contradict_each_other(self):
        path = write_campaign(self.where, 5)
        for arguments, wanted in ((["--row", "2"], "--row goes with --proof"),
                                  (["--row", "1", "--dry-run"], "--row goes with --proof"),
                                  (["--dry-run", "--proof", "boss@example.org"], "--dry-run sends nothing, --proof"),
                                  (["--dry-run", "--hold"], "--dry-run queues nothing, --hold"),
                                  (["--proof", "boss@example.org", "--hold"], "--proof sends one message, --hold"),
                                  (["--stream", "--hold"], "--stream starts sending")):
            result = volley("send", path, "--data", self.where / "data", "--route", "*=127.0.0.1:1", *arguments, check=64)
            self.assertTrue(result.stderr.startswith(f"volley: {wanted}"), result.stderr)
            self.assertEqual(result.stdout, "")
            self.assertFalse((self.where / "data").exists())

    def test_direct_needs_hostname_and_key(self):
        path = write_campaign(self.where, 5)
        (self.where / "volley.toml").write_text("")
        result = volley("send", path, "-c", self.where / "volley.toml", "--data", self.where / "data", check=78)
        self.assertIn("hostname", result.stderr)
        (self.where / "volley.toml").write_text('hostname = "mail.example.com"\n')
        result = volley("send", path, "-c", self.where / "volley.toml", "--data", self.where / "data", check=78)
        self.assertIn("DKIM key for example.com", result.stderr)

    def test_no_configuration_is_not_said_to_be_in_a_file(self):
        path = write_campaign(self.where, 5)
        for command in (["send"], ["check"], ["serve"]):
            campaign = [path] if command != ["serve"] else []
            result = volley(*command, *campaign, "--data", self.where / "data", cwd=self.where, check=78)
            self.assertTrue(result.stderr.startswith("volley: no volley.toml here or in /etc/volley: direct delivery needs `hostname`"),
                            result.stderr)

    def test_unknown_key_in_configuration(self):
        (self.where / "volley.toml").write_text('hostname = "mail.example.com"\n\n[smtp]\nprot = 25\n')
        result = volley("check", "-c", self.where / "volley.toml", check=78)
        self.assertIn("volley.toml:4", result.stderr)

    def test_files_that_the_configuration_names(self):
        """Found out when they are read, and still told with file, line and key."""
        (self.where / "open").write_text("secret\n")
        (self.where / "open").chmod(0o644)
        (self.where / "empty.pem").write_text("")
        gone = "No such file or directory"
        for text, place, wanted in (
                ('[tls]\nca_file = "gone.pem"\n', "2:1: ca_file: ", gone),
                ('[tls]\nca_file = "empty.pem"\n', "2:1: ca_file: ", "no usable CA"),
                ('[http]\nlisten = "127.0.0.1:0"\ntoken_file = "gone"\n', "3:1: token_file: ", gone),
                ('[http]\nlisten = "127.0.0.1:0"\ntoken_file = "open"\n', "3:1: token_file: ", "chmod 600"),
                ('[http]\nlisten = "0.0.0.0:0"\n', "2:1: listen: ", "token_file"),
                ('[http]\nlisten = "example.com"\n', "2:1: listen: ", "example.com"),
                ('[queue]\nurl = "http://x"\n', "2:1: url: ", "unknown scheme"),
                ('[queue]\nurl = "redis://127.0.0.1"\npassword_file = "gone"\n', "3:1: password_file: ", gone),
                ('[relay]\nhost = "127.0.0.1"\nuser = "me"\npassword_file = "gone"\n', "4:1: password_file: ", gone),
                ('[dkim."example.com"]\nselector = "s"\nkey_file = "gone"\n', "3:1: key_file: ", gone)):
            (self.where / "volley.toml").write_text(text)
            result = volley("check", "-c", self.where / "volley.toml")
            self.assertIn(result.returncode, (64, 66, 78), text)
            self.assertIn(f"volley.toml:{place}", result.stderr)
            self.assertIn(wanted, result.stderr)
            self.assertEqual(result.stdout, "")

    def test_check_and_serve_agree_about_http(self):
        config = self.where / "volley.toml"
        arguments = ["-c", config, "--data", self.where / "data", "--route", "*=127.0.0.1:1"]
        config.write_text('[http]\nlisten = "0.0.0.0:0"\n')
        said = {volley(command, *arguments, check=78).stderr for command in ("check", "serve")}
        self.assertEqual(len(said), 1, said)
        self.assertIn("volley.toml:2:1: listen: 0.0.0.0:0 is not a loopback address", said.pop())
        self.assertFalse((self.where / "data").exists())
        config.write_text('[http]\nlisten = "127.0.0.1:0"\n')  # /metrics only
        volley("check", *arguments, check=0)
        with Process([VOLLEY, "serve", *map(str, arguments)], self.where / "serve.log") as serve:
            wait_until(lambda: "listening http://" in serve.text(), "the engine to listen")
            at = serve.text().split("listening http://")[1].split()[0]
            with urllib.request.urlopen(f"http://{at}/metrics") as answer:
                self.assertEqual(answer.status, 200)
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://{at}/v1/messages", data=b"{}")
            self.assertEqual(refused.exception.code, 404)
            refused.exception.close()

    def test_missing_configuration(self):
        volley("check", "-c", self.where / "absent.toml", check=66)

    def test_unreachable_redis(self):
        path = write_campaign(self.where, 5)
        result = volley("send", path, "--data", self.where / "data", "--queue", f"redis://127.0.0.1:{free_port()}/0",
                        "--route", "*=127.0.0.1:1", check=69)
        self.assertIn("127.0.0.1", result.stderr)

    def test_redis_with_eviction_or_without_aof(self):
        path = write_campaign(self.where, 5)
        for arguments, wanted in ((["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], "noeviction"),
                                  (["--appendonly", "no"], "appendonly")):
            with Redis(self.where, *arguments, name=wanted) as redis:
                result = volley("send", path, "--data", self.where / "data", "--queue", redis.url, "--route", "*=127.0.0.1:1",
                                check=69)
                self.assertIn(wanted, result.stderr)

    def test_second_engine_on_the_same_directory(self):
        with Sink(self.where, "--delay", "20") as sink:
            path = write_campaign(self.where, 5000)
            arguments = ["send", str(path), "--data", str(self.where / "data"), "--route", f"*={sink.address}", "--connections", "2"]
            with Process([VOLLEY, *arguments], self.where / "first.log") as first:
                wait_until(lambda: sink.messages(), "the first engine to send")
                result = volley(*arguments, check=69)
                self.assertIn(str(first.child.pid), result.stderr)
                self.assertIn("--queue redis://HOST:PORT for each, and a --data of its own for each", result.stderr)

    def test_ports_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            volley("sink", "--listen", f"127.0.0.1:{port}", check=69)
            path = write_campaign(self.where, 5)
            result = volley("send", path, "--data", self.where / "data", "--route", "*=127.0.0.1:1", "--http", f"127.0.0.1:{port}",
                            check=69)
            self.assertIn(str(port), result.stderr)

    def test_data_directory_that_cannot_be(self):
        path = write_campaign(self.where, 5)
        (self.where / "file").write_text("")
        volley("send", path, "--data", self.where / "file", "--route", "*=127.0.0.1:1", check=73)

    def test_event_log_on_a_full_disk(self):
        with Sink(self.where) as sink:
            path = write_campaign(self.where, 20)
            result = volley("send", path, "--data", self.where / "data", "--route", f"*={sink.address}", "--events", "/dev/full",
                            "--json", check=74)
            check_identity(summary(result))

    def test_addresses_with_control_characters(self):
        with Sink(self.where) as sink:
            path = write_campaign(self.where, 100)
            with open(self.where / "list.csv", "ab") as f:
                f.write(b'"a\r\nb@example.net",A,B\nnul\x00@example.net,A,B\n' + b"x" * 300 + b"@example.net,A,B\n")
            s = summary(volley("send", path, "--data", self.where / "data", "--route", f"*={sink.address}", "--json", check=0))
            self.assertEqual((s["invalid"], s["delivered"]), (3, 100))


if __name__ == "__main__":
    unittest.main(verbosity=2)
