"""Six real receivers: every recipient once and every byte as sent, in the clear and over STARTTLS, within what they offer."""

import base64
import collections
import concurrent.futures
import quopri
import re
import unittest

import aiosmtpd_server
import chasquid
import exim
import haraka
import opensmtpd
import postfix
from harness import *
from recorder import Recorder

RECIPIENTS = 5000 if LONG else 300
RECORDED = 40
DOMAINS = 10

LINE = 997  # octets, the longest line that leaves as it is

# What a body may hold to trip a sender or a receiver, and how it travels; a recipient gets one of them.
LETTERS = [
    (b"7bit", "Dear {name},\n.\n..\n...\n.one dot\n" + "." * LINE + "\n." + "x" * (LINE - 1) + "\n" + "y" * LINE +
     "\n.\n."),
    (b"7bit", "Dear {name},\n\n\ntrailing blanks: \t \nRSET\nQUIT\n\n\n\n\n"),
    (b"quoted-printable", "Dear {name},\nGrüße = naïve café\nFrom here\n" + "." * 998 +
     "\n.\n\ttabs and blanks \t \nno line end"),
    (b"base64", "{name},\n日本語のお知らせです。\n.\n" + "配信を停止するには" * 60 + "\n\n"),
    (b"7bit", "Dear {name},\n" + "".join(f".{n} " + "." * (7 * n % 900) + "\n" for n in range(130)) + "end\n"),
]

Row = collections.namedtuple("Row", "email name letter")


def rows_of(run, count):
    return [Row(f"{run}{n}@d{n % DOMAINS}.example.net", f"Name{n}", LETTERS[n % len(LETTERS)][1].format(name=f"Name{n}"))
            for n in range(count)]


def crlf(text):
    """The bytes of a text as a message's body carries them."""
    body = text.encode().replace(b"\n", b"\r\n")
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def write(where, run, rows):
    """A campaign in a directory of its own. The letter is the whole body: the template ends without a line end."""
    base = where / run
    base.mkdir()
    (base / "list.jsonl").write_text("".join(
        json.dumps({"email": row.email, "name": row.name, "letter": row.letter}) + "\n" for row in rows))
    (base / "body.txt").write_text("{{{letter}}}")
    campaign = base / "campaign.toml"
    campaign.write_text(f'''name = "{run}"
from = "Example News <news@example.com>"
subject = "For {{{{name}}}}"
text_file = "body.txt"
recipients = "list.jsonl"
sign = false
[retry]
first_delay = "1s"
max_delay = "2s"
''')
    return campaign


VARYING = re.compile(rb"^(?:Date|Message-ID): [^\r]*\r\n", re.M)
DECODE = {b"7bit": bytes, b"quoted-printable": quopri.decodestring, b"base64": base64.b64decode}


class Receivers(unittest.TestCase):
    def test_postfix(self):
        self.assertTrue(postfix.usable(), "Postfix is not installed, or this is not root: tests/run installs it")
        self.receives(lambda where, _: postfix.Postfix(where, tls=True), pipelining=True)

    def test_exim(self):
        self.assertTrue(exim.usable(), "no Exim: tests/run unpacks it")
        self.receives(lambda where, _: exim.Exim(where), pipelining=True)

    def test_opensmtpd(self):
        self.assertTrue(opensmtpd.usable(), "no OpenSMTPD, or this is not root: tests/run unpacks it")
        self.receives(lambda where, _: opensmtpd.OpenSmtpd(where), pipelining=False)

    def test_chasquid(self):
        self.assertTrue(chasquid.usable(), "no chasquid, or this is not root: tests/run unpacks it")
        self.receives(chasquid.Chasquid, pipelining=True)

    def test_haraka(self):
        self.assertTrue(haraka.usable(), "no Haraka, or this is not root: tests/run installs it")
        self.receives(lambda where, _: haraka.Haraka(where), pipelining=True)

    def test_aiosmtpd(self):
        self.assertTrue(aiosmtpd_server.usable(), "aiosmtpd is not installed: tests/run installs it")
        self.receives(lambda where, _: aiosmtpd_server.Aiosmtpd(where), pipelining=False)

    def test_opensmtpd_that_fails_every_handshake(self):
        """What is offered does not work: the mail goes in the clear, once."""
        self.assertTrue(opensmtpd.usable(), "no OpenSMTPD, or this is not root: tests/run unpacks it")
        rows = rows_of("fallback", 50)
        with workdir() as where, opensmtpd.OpenSmtpd(where, repaired=False) as server:
            campaign = self.send(where, "fallback", rows, server.port, "opportunistic", 2)
            wait_until(lambda: len(server.files()) >= len(rows) and server.idle(), "OpenSMTPD to write them all")
            self.assertIn("SSL routines", server.text())
            self.compare(campaign, rows, server.messages(), "ESMTP")

    def receives(self, start, pipelining):
        runs = {run: rows_of(run, count) for run, count in (("plain", RECIPIENTS), ("tls", RECIPIENTS), ("recorded", RECORDED))}
        total = sum(map(len, runs.values()))
        with workdir() as where, start(where, [row.email for rows in runs.values() for row in rows]) as server:
            with Recorder(server.port) as recorder, concurrent.futures.ThreadPoolExecutor() as pool:
                ways = {"plain": (server.port, "never", 4), "tls": (server.port, "opportunistic", 4),
                        "recorded": (recorder.port, "never", 1)}
                sends = {run: pool.submit(self.send, where, run, rows, *ways[run]) for run, rows in runs.items()}
                campaigns = {run: send.result() for run, send in sends.items()}
            self.check_dialogues(recorder.dialogues, pipelining)
            wait_until(lambda: len(server.files()) >= total and server.idle(), "the receiver to write them all", 600 if LONG else 60)
            kept = server.messages()
            self.assertEqual(len(kept), total)
            for run, rows in runs.items():
                own = [stored for stored in kept if stored.recipient.startswith(run)]
                self.compare(campaigns[run], rows, own, "ESMTPS" if run == "tls" else "ESMTP")

    def send(self, where, run, rows, port, tls, connections):
        campaign = write(where, run, rows)
        config = campaign.with_name("volley.toml")
        # A route takes nothing from [site."default"], only from a section that names its host.
        config.write_text(f'hostname = "mail.example.com"\n[site."127.0.0.1"]\ntls = "{tls}"\nconnections = {connections}\n')
        s = summary(volley("send", campaign, "-c", config, "--data", where / run / "data", "--route", f"*=127.0.0.1:{port}",
                           "--json", check=0, timeout=600 if LONG else 300))
        check_identity(s)
        self.assertEqual(s["delivered"], len(rows), s)
        return campaign

    def compare(self, campaign, rows, kept, protocol):
        """Every recipient once; head as rendered, body as written in the list, octet by octet."""
        self.assertEqual(collections.Counter(stored.recipient for stored in kept), collections.Counter(row.email for row in rows),
                         "somebody has it twice, or not at all")
        self.assertEqual({stored.protocol for stored in kept}, {protocol})
        rendered = self.render(campaign)
        kept = {stored.recipient: stored.message for stored in kept}
        message_ids = set()
        for n, row in enumerate(rows):
            message, like = kept[row.email], rendered[n % len(LETTERS)]
            head, _, body = message.partition(b"\r\n\r\n")
            message_ids.add(re.search(rb"^Message-ID: (.*)\r$", head, re.M).group(1))
            model = rows[n % len(LETTERS)]
            expected = (like.partition(b"\r\n\r\n")[0].replace(model.email.encode(), row.email.encode())
                        .replace(b"For " + model.name.encode(), b"For " + row.name.encode()))
            self.assertEqual(VARYING.sub(b"", head + b"\r\n"), VARYING.sub(b"", expected + b"\r\n"), row.email)
            encoding = LETTERS[n % len(LETTERS)][0]
            self.assertIn(b"Content-Transfer-Encoding: " + encoding, head.split(b"\r\n"))
            self.assertEqual(DECODE[encoding](body), crlf(row.letter), row.email)
            if n < len(LETTERS):
                self.assertEqual(VARYING.sub(b"", message), VARYING.sub(b"", like), row.email)
        self.assertEqual(len(message_ids), len(rows))

    def render(self, campaign):
        return [volley("render", campaign, "--row", n + 1, check=0).stdout.encode().replace(b"\n", b"\r\n")
                for n in range(len(LETTERS))]

    def check_dialogues(self, dialogues, pipelining):
        """Nothing was used that was not offered, pipelining was where it was, and no message was taken twice."""
        taken = 0
        for dialogue in dialogues:
            dialogue.read()
            self.assertEqual("PIPELINING" in dialogue.offered, pipelining, dialogue.offered)
            self.assertIn("STARTTLS", dialogue.offered)
            self.assertNotIn("STARTTLS", [command for command, _ in dialogue.exchanges])
            for command, code in dialogue.exchanges:
                taken += (command, code) == (".", 250)
                if command.startswith("MAIL FROM:"):
                    parameters = {parameter.partition("=")[0] for parameter in command.partition("> ")[2].split()}
                    extensions = {"DSN" if p in ("ENVID", "RET", "ORCPT", "NOTIFY") else p for p in parameters}
                    self.assertLessEqual(extensions, dialogue.offered, command)
        self.assertEqual(taken, RECORDED)
        most = max(dialogue.most_waiting for dialogue in dialogues)
        if pipelining:
            self.assertGreaterEqual(most, 3, "MAIL, RCPT and DATA did not go together")
        else:
            self.assertEqual(most, 1, "it offers no pipelining")


if __name__ == "__main__":
    unittest.main(verbosity=2)
