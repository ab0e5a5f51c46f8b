"""What others script against: options, the JSON line, the sink's log, file modes, exit codes."""

import hashlib
import json
import re
import smtplib
import stat
import unittest

import aiosmtpd_server
from harness import *

FIELDS = ["id", "state", "reason", "read", "accepted", "invalid", "duplicate", "suppressed", "delivered", "bounced", "expired",
          "cancelled", "queued", "seconds", "rejects"]


class Contract(unittest.TestCase):
    def test_json_line(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 50)
            s = summary(volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--json", check=0))
            self.assertEqual(list(s), FIELDS)
            self.assertEqual(s["id"], "test")

    def test_dry_run_line(self):
        with workdir() as where:
            campaign = write_campaign(where, 50, extra='suppress = ["optout.txt"]')
            (where / "optout.txt").write_text("User3@D3.example.net\n")
            with open(where / "list.csv", "a") as f:
                f.write("USER1@d1.example.net,Dup,Paris\nnot an address,X,Y\n")
            arguments = ["send", campaign, "--data", where / "data", "--route", "*=127.0.0.1:1", "--dry-run"]
            result = volley(*arguments, "--json", check=0)
            self.assertEqual(list(json.loads(result.stdout).items()),
                             [("read", 52), ("accepted", 50), ("invalid", 1), ("duplicate", 1), ("suppressed", 1), ("domains", 10)])
            text = volley(*arguments, check=0).stdout
            for part in ("52 rows read", "50 accepted (1 of them suppressed)", "1 invalid", "1 duplicate", "10 domains"):
                self.assertIn(part, text)

    def test_progress_off_a_terminal(self):
        """A log file gets the beginning, what changes, and the end; no line twice in a row."""
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 2000, extra='rate = "400/s"')
            lines = volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", check=0).stderr.splitlines()
            self.assertTrue(all(re.match(r"(importing [\d,]+ \(\d+%\), )?sent [\d,]+, deferred ", line) for line in lines), lines)
            self.assertIn("sent 0, deferred 0, bounced 0, left 2,000", lines)
            self.assertEqual(lines[-1], "sent 2,000, deferred 0, bounced 0, left 0")
            self.assertGreaterEqual(len(lines), 3)
            self.assertTrue(all(one != two for one, two in zip(lines, lines[1:])), lines)

    def test_sinks_totals(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:user1@=1:451 4.2.1 later", "--totals", str(where / "totals.json")) as sink:
            totals = lambda: json.loads((where / "totals.json").read_text() or "{}")
            self.assertEqual(wait_until(totals, "the first totals"), {"connections": 0, "messages": 0, "bytes": 0, "refused": 0})
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                with self.assertRaises(smtplib.SMTPRecipientsRefused):
                    client.sendmail("a@example.com", ["user1@example.net"], "Subject: a\n\nb\n")
                for _ in range(11):
                    client.sendmail("a@example.com", ["user1@example.net"], "Subject: a\n\nb\n")
                wait_until(lambda: totals()["messages"] == 11, "the totals of a running sink")  # from one digit to two
            sink.stop()
            self.assertEqual(totals(), {"connections": 1, "messages": 11, "bytes": 11 * len("Subject: a\r\n\r\nb\r\n"), "refused": 1})
            refused = volley("sink", "--listen", "127.0.0.1:0", "--totals", "/nowhere/totals", check=73)
            self.assertIn("/nowhere/totals: No such", refused.stderr)

    def test_options_of_send(self):
        text = volley("send", "--help", check=0).stdout
        for option in ("-c", "--recipients", "--route", "--connections", "--stream", "--yes", "--data", "--queue", "--http",
                       "--events", "--rejects", "--json", "--dry-run", "--proof", "--row", "--hold"):
            self.assertIn(option, text)

    def test_the_manual_has_every_option(self):
        manual = (SOURCE / "docs/volley.1").read_text().replace("\\-", "-")
        sections = {part.split("\n", 1)[0]: part for part in manual.split("\n.SH ")}
        for command in ("send", "serve", "campaign list", "campaign show", "campaign export", "campaign set", "campaign approve", "campaign retry",
                        "campaign update", "campaign purge", "forget", "queue list", "queue count", "queue export", "queue hold",
                        "queue release", "queue delete", "queue retry", "queue flush", "queue damaged",
                        "queue repair", "queue reconcile", "trace", "status", "check", "render", "dkim keygen", "sink"):
            section = sections[command.split()[0].upper() if command.split()[0] in ("campaign", "queue") else command.upper()]
            options = re.findall(r"^  (?:-c,)?(--[a-z0-9-]+)", volley(*command.split(), "--help", check=0).stdout, re.M)
            for option in set(options) - {"--help", "--config", "--data", "--queue"}:
                self.assertRegex(section, re.escape(option) + r"\b(?!-)", command)

    def test_options_of_every_subcommand(self):
        for command in (["send"], ["serve"], ["campaign", "list"], ["campaign", "show"], ["campaign", "pause"],
                        ["campaign", "resume"], ["campaign", "cancel"], ["campaign", "export"], ["queue", "list"],
                        ["queue", "hold"], ["trace"], ["forget"], ["campaign", "purge"], ["status"], ["render"], ["check"]):
            text = volley(*command, "--help", check=0).stdout
            for option in ("-c", "--data", "--queue"):
                self.assertIn(option, text, command)
        for command in (["sink"], ["dkim", "keygen"]):  # these have neither queue nor configuration
            text = volley(*command, "--help", check=0).stdout
            for option in ("--config", "--data", "--queue"):
                self.assertNotIn(option, text, command)

    def test_check_counts_and_says_ok_last(self):
        with workdir() as where:
            campaign = write_campaign(where, 20)
            with open(where / "list.csv", "a") as f:
                f.write("USER1@d1.example.net,Dup,Paris\nnot an address,X,Y\n")
            result = volley("check", "--route", "*=127.0.0.1:1", campaign, check=0, cwd=where)
            lines = result.stdout.splitlines()
            self.assertEqual(lines[0], f"{campaign}: ok, 22 rows, 1 invalid, 1 duplicate, unsigned")
            self.assertRegex(lines[1], ": ok$")
            result = volley("check", campaign, check=78, cwd=where)  # nothing says how mail would leave
            self.assertIn("hostname", result.stderr)
            self.assertEqual(result.stdout, "")

    def test_dry_run_needs_no_way_out(self):
        with workdir() as where:
            campaign = write_campaign(where, 20)
            (where / "volley.toml").write_text("")
            result = volley("send", campaign, "-c", where / "volley.toml", "--data", where / "data", "--dry-run", check=0)
            self.assertIn("20 rows read", result.stdout)

    def test_status_shows_an_engine_from_its_start(self):
        with workdir() as where:
            config = where / "volley.toml"
            config.write_text('hostname = "mail.example.com"\n')
            with Process([VOLLEY, "serve", "-c", config, "--data", where / "data", "--http", "127.0.0.1:0"],
                         where / "serve.log") as engine:
                wait_until(lambda: "listening" in engine.text(), "the engine to listen")
                listed = volley("status", "--data", where / "data", "--json", check=0)
                self.assertEqual([e["pid"] for e in json.loads(listed.stdout)["engines"]], [engine.child.pid])

    def test_looking_makes_no_queue(self):
        with workdir() as where, Sink(where) as sink:
            (where / "empty").mkdir()
            for command in (["campaign", "list"], ["campaign", "show", "test"], ["campaign", "resume", "test"], ["queue", "list"],
                            ["trace", "a@example.com"], ["status"]):
                for data in ("none", "empty", "sink.log"):
                    result = volley(*command, "--data", where / data, check=66)
                    self.assertIn(f"volley: {where / data}: there is no queue in this data directory", result.stderr)
                    self.assertEqual(result.stdout, "")
            self.assertFalse((where / "none").exists())
            self.assertEqual(list((where / "empty").iterdir()), [])
            self.assertIn("66 no such file or queue", volley("--help", check=0).stdout)

    def test_an_idle_queue(self):
        with workdir() as where:
            volley("send", write_campaign(where, 5), "--data", where / "data", "--route", "*=127.0.0.1:1", "--hold", check=75)
            before = (where / "data/engine.lock").read_text()
            text = volley("status", "--data", where / "data", check=0).stdout
            self.assertEqual(text, "no engine is running on this queue\n")
            self.assertEqual((where / "data/engine.lock").read_text(), before)  # the pid of who took it last

    def test_a_queue_without_campaigns(self):
        with workdir() as where, Redis(where) as redis:
            place = ["campaign", "list", "--data", where / "data", "--queue", redis.url]
            self.assertEqual(volley(*place, check=0).stdout, "no campaigns\n")
            self.assertEqual(volley(*place, "--json", check=0).stdout, "")
            self.assertFalse((where / "data").exists())

    def test_proof_names_its_way(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 3)
            arguments = ["send", campaign, "--data", where / "data", "--proof", "boss@example.org"]
            result = volley(*arguments, "--route", f"*={sink.address}", check=0)
            self.assertEqual(result.stdout, f"proof of row 1 delivered to boss@example.org, by the route to {sink.address}\n")
            (where / "volley.toml").write_text(f'[relay]\nhost = "127.0.0.1"\nport = {sink.port}\n')
            result = volley(*arguments, "-c", where / "volley.toml", check=0)
            self.assertEqual(result.stdout, "proof of row 1 delivered to boss@example.org, through the relay 127.0.0.1\n")

    def test_sink_reads_no_configuration(self):
        with workdir() as where, contextlib.chdir(where):
            (where / "volley.toml").write_text('colour = "red"\n')
            with Sink(where) as sink:
                self.assertGreater(sink.port, 0)

    def test_sink_log(self):
        with workdir() as where, Sink(where) as sink:
            body = "Subject: x\r\n\r\n.dot\r\nplain\r\n"
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                client.sendmail("a@example.com", ["b@example.net", "c@example.net"], body)
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                client.starttls()
                client.sendmail("a@example.com", ["b@example.net"], body)
            plain, tls = sink.messages()
            self.assertEqual(plain["from"], "a@example.com")
            self.assertEqual(plain["rcpt"], ["b@example.net", "c@example.net"])
            self.assertEqual(plain["bytes"], len(body))
            self.assertEqual(plain["sha256"], hashlib.sha256(body.encode()).hexdigest())
            self.assertEqual((bool(plain["tls"]), bool(tls["tls"])), (False, True))

    def test_files_are_private(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 50)
            volley("send", campaign, "--data", where / "data", "--route", f"*={sink.address}", "--events", where / "ev.jsonl",
                   check=0)
            self.assertEqual(stat.S_IMODE((where / "data").stat().st_mode), 0o700)
            self.assertEqual(stat.S_IMODE((where / "ev.jsonl").stat().st_mode), 0o600)
            event = json.loads((where / "ev.jsonl").read_text().splitlines()[0])
            for field in ("time", "event", "id", "campaign", "lane", "recipient", "site", "host", "source", "code", "enhanced",
                          "text", "attempt"):
                self.assertIn(field, event)

    def test_default_data_directory(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 5)
            volley("send", campaign, "--route", f"*={sink.address}", check=0, env={**os.environ, "XDG_STATE_HOME": str(where)})
            self.assertTrue((where / "volley/events.jsonl").exists())

    def test_exact_route_beats_star(self):
        with workdir() as where, Sink(where) as one, Sink(where, name="two") as two:
            campaign = write_campaign(where, 100, 10)
            volley("send", campaign, "--data", where / "data", "--route", f"*={one.address}", "--route",
                   f"d3.example.net={two.address}", check=0)
            self.assertEqual(len(two.recipients()), 10)
            self.assertEqual(len(one.recipients()), 90)
            self.assertTrue(all(r.endswith("@d3.example.net") for r in two.recipients()))

    def test_external_queue(self):
        with workdir() as where, Sink(where) as sink, Redis(where) as redis:
            campaign = write_campaign(where, 500)
            s = summary(volley("send", campaign, "--data", where / "data", "--queue", redis.url, "--route", f"*={sink.address}",
                               "--json", check=0))
            self.assertEqual(s["delivered"], 500)
            keys = subprocess.run(["redis-cli", "-p", str(redis.port), "keys", "*"], capture_output=True, text=True).stdout.split()
            self.assertEqual([k for k in keys if not k.startswith("volley:")], [])

    def test_data_directory_with_any_name(self):
        with workdir() as where, Sink(where) as sink:
            campaign = write_campaign(where, 20)
            data = where / ("long name with spaces and ü " + "x" * 120)
            volley("send", campaign, "--data", data, "--route", f"*={sink.address}", check=0)

    def test_utf8_local_parts(self):
        """Delivered where SMTPUTF8 is offered; elsewhere they bounce, and only they."""
        people = ["jörg@d1.example.net", "用户.ß@d1.example.net", "ann@d1.example.net"]
        with workdir() as where, Sink(where) as sink, aiosmtpd_server.Aiosmtpd(where) as plain:
            for receiver, delivered in ((sink.address, people), (f"127.0.0.1:{plain.port}", people[2:])):
                folder = where / f"to-{receiver.rpartition(':')[2]}"
                folder.mkdir()
                campaign = write_campaign(folder, 0)
                (folder / "list.csv").write_text("email,first_name,city\n" + "".join(f"{p},N,C\n" for p in people), "utf-8")
                s = summary(volley("send", campaign, "--data", folder / "data", "--route", f"*={receiver}", "--json",
                                   check=0 if len(delivered) == 3 else None))
                check_identity(s)
                self.assertEqual((s["accepted"], s["delivered"], s["bounced"]), (3, len(delivered), 3 - len(delivered)))
                events = [json.loads(line) for line in (folder / "data/events.jsonl").read_text("utf-8").splitlines()]
                self.assertEqual(sorted(e["recipient"] for e in events if e["event"] == "delivered"), sorted(delivered))
                bounced = {e["recipient"]: e["enhanced"] for e in events if e["event"] == "bounced"}
                self.assertEqual(bounced, {p: "5.6.7" for p in people if p not in delivered})
            self.assertEqual(sorted(sink.recipients()), sorted(people))
            kept = [message.read_bytes() for message in plain.maildir.iterdir()]
            self.assertEqual(len(kept), 1)
            self.assertTrue(kept[0].startswith(b"Delivered-To: ann@d1.example.net\r\n"))

    def test_keygen_and_signed_render(self):
        with workdir() as where:
            campaign = write_campaign(where, 5)
            for algorithm in ("rsa", "ed25519"):
                result = volley("dkim", "keygen", "--domain", "example.com", "--selector", algorithm, "--algorithm", algorithm,
                                "--out", where / f"{algorithm}.pem", check=0)
                self.assertIn(f"{algorithm}._domainkey.example.com", result.stdout)
                self.assertEqual(stat.S_IMODE((where / f"{algorithm}.pem").stat().st_mode), 0o600)
            (where / "volley.toml").write_text('[dkim."example.com".a]\nselector = "rsa"\nkey_file = "rsa.pem"\n'
                                               '[dkim."example.com".b]\nselector = "ed25519"\nkey_file = "ed25519.pem"\n')
            text = volley("render", campaign, "-c", where / "volley.toml", "--row", "2", check=0).stdout
            self.assertEqual(len(re.findall(r"^DKIM-Signature:", text, re.M)), 2)
            self.assertIn("Hello Name1 of City1", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
