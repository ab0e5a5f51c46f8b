"""20,000 recipients in 300 domains: MX from a real unbound, mail to a real Postfix, every message compared byte for byte."""

import collections
import re
import unittest

import postfix
from harness import *

DOMAINS, RECIPIENTS, HOSTS = 300, 20000, 5

TEXT = """Hello {{first_name}} of {{city}},

.this line begins with a dot
..this one with two
From here to the end there is UTF-8: Grüße, naïve café, 日本語
a line of 900 characters: """ + "x" * 900 + """
trailing space: \n
.

last line, then blank ones


"""


def zone():
    records = []
    for d in range(DOMAINS):
        records.append(f"d{d}.example. 300 IN MX 10 mx{d % HOSTS}.example.")
    for h in range(HOSTS):
        records.append(f"mx{h}.example. 300 IN A 127.0.0.1")
    return records


class RealPostfix(unittest.TestCase):
    def test_every_message_once_and_unchanged(self):
        if not postfix.usable():
            self.fail("Postfix is not installed, or this is not root: tests/run installs it")
        domains = [f"d{d}.example" for d in range(DOMAINS)]
        with workdir() as where, Unbound(where, zone()) as unbound, postfix.Postfix(where) as server:
            campaign = write_campaign(where, RECIPIENTS, domains, text=TEXT, extra="sign = false")
            (where / "volley.toml").write_text(f'''hostname = "mail.example.com"
[dns]
servers = ["127.0.0.1:{unbound.port}"]
allow_private = true
[smtp]
port = {server.port}
[site."default"]
connections = 8
rate = "10000/s"
''')
            s = summary(volley("send", campaign, "-c", where / "volley.toml", "--data", where / "data", "--json", check=0,
                               timeout=600))
            check_identity(s)
            self.assertEqual(s["delivered"], RECIPIENTS)
            wait_until(lambda: len(server.files()) >= RECIPIENTS, "Postfix to write them all", 300)
            self.compare(where, campaign, domains, server)

    def compare(self, where, campaign, domains, server):
        """Each message is the first one's bytes with this row's values: nothing else may differ."""
        received = collections.defaultdict(list)
        for stored in server.messages():
            received[stored.recipient].append(stored.message)
        self.assertEqual(len(received), RECIPIENTS)
        self.assertEqual({len(m) for m in received.values()}, {1})

        first = received[f"user0@{domains[0]}"][0]
        rendered = volley("render", campaign, "--row", "1", check=0).stdout.replace("\n", "\r\n").encode()
        varying = re.compile(rb"^(Date|Message-ID): [^\r]*\r\n", re.M)
        self.assertEqual(varying.sub(b"", first), varying.sub(b"", rendered))

        message_ids = set()
        for i in range(RECIPIENTS):
            recipient = f"user{i}@{domains[i % len(domains)]}"
            message = received[recipient][0]
            message_ids.add(re.search(rb"^Message-ID: (.*)\r$", message, re.M).group(1))
            expected = (first.replace(f"user0@{domains[0]}".encode(), recipient.encode())
                        .replace(b"Name0", f"Name{i}".encode()).replace(b"City0", f"City{i % 97}".encode()))
            self.assertEqual(re.sub(rb"^Message-ID: .*\r\n", b"", message, flags=re.M),
                             re.sub(rb"^Message-ID: .*\r\n", b"", expected, flags=re.M), recipient)
        self.assertEqual(len(message_ids), RECIPIENTS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
