"""What recipients' domains demand of TLS, on real parts: MTA-STS from an HTTPS server, DANE from signed zones on unbound.

One campaign goes to all domains of a test at once: what is deferred keeps it running while its counters are read.
"""

import http.server
import random
import re
import ssl
import threading
import unittest
import urllib.request

import receiver
import signed_zone
from authority import Authority, key_digest
from harness import *

EACH = 3  # recipients of a domain


class PolicyServer:
    """https://mta-sts.DOMAIN/.well-known/mta-sts.txt for the domains of `policies`, on port 443 of an address of this machine."""

    def __init__(self, address, cert, key, policies):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                policy = policies.get(self.headers["Host"].removeprefix("mta-sts."))
                found = policy is not None and self.path == "/.well-known/mta-sts.txt"
                body = policy.encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        self._server = http.server.ThreadingHTTPServer((address, 443), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def network_with_https():
    """The first two octets of 127.x.0.0, where nobody has port 443 of x.0.9; None: nowhere."""
    for octet in random.sample(range(1, 255), 20):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((f"127.{octet}.0.9", 443))
                return f"127.{octet}.0"
            except OSError:
                continue
    return None


def policy(mode, *mx):
    return f"version: STSv1\r\nmode: {mode}\r\n" + "".join(f"mx: {host}\r\n" for host in mx) + "max_age: 86400\r\n"


class Outcome:
    """What became of a campaign until every recipient had been tried: events by domain, counters, status of the sites."""

    def __init__(self, where, dns, smtp_port, domains, more=""):
        (where / "volley.toml").write_text(f'''hostname = "mail.example.com"
[smtp]
port = {smtp_port}
[dns]
servers = ["127.0.0.1:{dns.port}"]
allow_private = true
{more}
''')
        recipients = EACH * len(domains)
        campaign = write_campaign(where, recipients, domains, extra="sign = false", retry="10s")
        metrics, data = free_port(), where / "data"
        events = data / "events.jsonl"
        arguments = [VOLLEY, "send", campaign, "-c", where / "volley.toml", "--data", data, "--json", "--http", f"127.0.0.1:{metrics}"]

        def tried():
            self.events = [json.loads(line) for line in events.read_bytes().split(b"\n")[:-1]] if events.exists() else []
            return len({event["recipient"] for event in self.events}) == recipients

        with Process([*map(str, arguments)], where / "send.log") as send:
            wait_until(lambda: tried() or send.child.poll() is not None, "every recipient to be tried")
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as response:
                self.metrics = response.read().decode()

            def published():  # about once a second
                engines = json.loads(volley("status", "--json", "-c", where / "volley.toml", "--data", data, check=0).stdout)["engines"]
                self.sites = {site["site"]: site for engine in engines for site in engine["sites"]}
                met = {event["site"] for event in self.events if event["host"]}
                return met <= {name for name, site in self.sites.items() if site["delivered"] + site["deferred"] >= EACH}

            wait_until(published, "the sites' status")
            send.child.send_signal(signal.SIGINT)
            assert send.child.wait(60) == 75, send.text()
            self.summary = json.loads(send.text().strip().splitlines()[-1])
        check_identity(self.summary)

    def of(self, domain):
        return [event for event in self.events if event["recipient"].endswith("@" + domain)]

    def counted(self, metric, **labels):
        values = ((dict(re.findall(r'(\w+)="([^"]*)"', found)), int(value))
                  for found, value in re.findall(rf"^{metric}{{(.*)}} (\d+)$", self.metrics, re.M))
        return sum(value for found, value in values if labels.items() <= found.items())


class Policies(unittest.TestCase):
    def delivered(self, outcome, domain, host):
        events = outcome.of(domain)
        self.assertEqual({(e["event"], e["host"], e["code"]) for e in events}, {("delivered", host, 250)}, events)
        self.assertEqual(len(events), EACH)

    def deferred(self, outcome, domain, enhanced, text):
        """For a while, whatever else happens: nobody bounces. The event's text begins with `text`."""
        events = outcome.of(domain)
        self.assertEqual({(e["event"], e["enhanced"], e["text"][:len(text)]) for e in events}, {("deferred", enhanced, text)}, events)

    def good(self, outcome, policy_type, site):
        self.assertGreaterEqual(outcome.counted("volley_tls_sessions_successful_total", policy_type=policy_type, site=site), 1)
        self.assertEqual(outcome.counted("volley_tls_sessions_failed_total", site=site), 0)
        tls = outcome.sites[site]["tls"]
        self.assertGreaterEqual(tls[policy_type]["successful"], 1, tls)
        self.assertEqual(tls[policy_type]["failed"], {}, tls)

    def bad(self, outcome, policy_type, result_type, site):
        self.assertEqual(outcome.counted("volley_tls_sessions_successful_total", site=site), 0)
        self.assertGreaterEqual(outcome.counted("volley_tls_sessions_failed_total", policy_type=policy_type, result_type=result_type,
                                                site=site), 1)
        tls = outcome.sites[site]["tls"]
        self.assertGreaterEqual(tls[policy_type]["failed"][result_type], 1, tls)

    def test_mta_sts(self):
        network = network_with_https()
        if network is None:
            print("PORT 443 IS NOT TO BE HAD ON ANY 127.x.0.9: MTA-STS IS NOT TESTED END TO END", file=sys.stderr)
            self.skipTest("port 443 cannot be bound")
        domains = ["good.example", "wrong.example", "testing.example", "listed.example", "unlisted.example", "lost.example"]
        policies = {
            "good.example": policy("enforce", "mx.good.example"),
            "wrong.example": policy("enforce", "mx.wrong.example"),
            "testing.example": policy("testing", "mx.testing.example"),
            "listed.example": policy("enforce", "*.listed.example"),
            "unlisted.example": policy("enforce", "mx.unlisted.example"),
        }
        records = [f"{domain}. MX 20 mx.{domain}." for domain in domains if domain != "unlisted.example"]
        records += ["listed.example. MX 10 mx.foreign.example.", "unlisted.example. MX 10 mx.foreign.example."]
        at = {"mx.good": 1, "mx.listed": 1, "mx.wrong": 2, "mx.testing": 2, "mx.lost": 2, "mx.foreign": 3}
        records += [f"{host}.example. A {network}.{last}" for host, last in at.items()]
        for domain in domains:
            records += [f'_mta-sts.{domain}. TXT "v=STSv1; id=1;"', f"mta-sts.{domain}. A {network}.9"]
        with workdir() as where:
            ca = Authority(where)
            port = free_port()
            start = lambda name, last, cert, key: Sink(where, "--name", f"{name}.sink.example", "--certificate", str(cert), "--key",
                                                       str(key), name=name, listen=f"{network}.{last}:{port}")
            with start("good", 1, *ca.issue("good", "mx.good.example", "mx.listed.example")) as good, \
                    start("wrong", 2, *ca.issue("wrong", "mail.wrong.example")) as wrong, \
                    start("foreign", 3, *ca.issue("foreign", "mx.foreign.example")) as foreign, \
                    Unbound(where, records) as dns, \
                    PolicyServer(f"{network}.9", *ca.issue("web", *(f"mta-sts.{d}" for d in domains)), policies):
                outcome = Outcome(where, dns, port, domains, f'[tls]\nca_file = "{ca.certificate}"')
            self.assertEqual((outcome.summary["bounced"], outcome.summary["expired"]), (0, 0))

            self.delivered(outcome, "good.example", "mx.good.example")
            self.good(outcome, "sts", "mx.good.example")
            # Preferred, but not one that the policy names: never connected to.
            self.delivered(outcome, "listed.example", "mx.listed.example")
            self.good(outcome, "sts", "mx.listed.example")
            self.assertNotIn("mail from", foreign.text().lower())
            self.assertEqual(foreign.recipients(), [])

            self.deferred(outcome, "wrong.example", "4.7.5", "TLS handshake: certificate refused: hostname mismatch")
            self.bad(outcome, "sts", "certificate-host-mismatch", "mx.wrong.example")
            self.delivered(outcome, "testing.example", "mx.testing.example")
            self.bad(outcome, "sts", "certificate-host-mismatch", "mx.testing.example")
            self.deferred(outcome, "unlisted.example", "4.7.5",
                          "no mail exchanger of unlisted.example is one that its MTA-STS policy names")
            # A policy that cannot be fetched, and never was, is none.
            self.delivered(outcome, "lost.example", "mx.lost.example")
            self.good(outcome, "no-policy-found", "mx.lost.example")

            self.assertEqual({r.rsplit("@")[1] for r in good.recipients()}, {"good.example", "listed.example"})
            self.assertEqual({r.rsplit("@")[1] for r in wrong.recipients()}, {"testing.example", "lost.example"})
            self.assertTrue(all(message["tls"] for sink in (good, wrong) for message in sink.messages()))

    def test_dane(self):
        self.assertTrue(signed_zone.usable(), "no ldnsutils: tests/run installs them")
        network = f"127.{random.randrange(1, 255)}.0"
        names = ("match", "anchor", "mismatch", "unvouched")
        with workdir() as where:
            ca = Authority(where)
            port = free_port()
            own, own_key = receiver.certificate(where)  # self-signed, and for another name
            digest = key_digest(own)
            records = "".join(f"{name} MX 10 mx.{name}\nmx.{name} A {network}.{2 if name == 'anchor' else 1}\n" for name in names)
            tlsa = {"match": f"3 1 1 {digest}", "anchor": f"2 1 1 {key_digest(ca.certificate)}", "mismatch": "3 1 1 " + "12" * 32,
                    "unvouched": f"3 1 1 {'00' * 32}"}
            records += "".join(f"_{port}._tcp.mx.{name} TLSA {data}\n" for name, data in tlsa.items())
            signed = signed_zone.SignedZone(where, "signed.example", records).falsify("00" * 32, digest)
            bogus = signed_zone.SignedZone(where, "bogus.example", f"@ MX 10 mx\nmx A {network}.1\n").falsify("MX\t10 mx", "MX\t11 mx")
            start = lambda name, last, cert, key: Sink(where, "--name", f"{name}.sink.example", "--certificate", str(cert), "--key",
                                                       str(key), name=name, listen=f"{network}.{last}:{port}")
            with start("own", 1, own, own_key) as sink, \
                    start("anchored", 2, *ca.issue("anchored", "mx.anchor.signed.example")) as anchored, \
                    Unbound(where, [], zones=(), modules="validator iterator", options=signed_zone.options([signed, bogus])) as dns:
                outcome = Outcome(where, dns, port, [f"{name}.signed.example" for name in names] + ["bogus.example"])
            self.assertEqual((outcome.summary["bounced"], outcome.summary["expired"]), (0, 0))

            self.delivered(outcome, "match.signed.example", "mx.match.signed.example")
            self.good(outcome, "tlsa", "mx.match.signed.example")
            self.delivered(outcome, "anchor.signed.example", "mx.anchor.signed.example")
            self.good(outcome, "tlsa", "mx.anchor.signed.example")
            self.deferred(outcome, "mismatch.signed.example", "4.7.5", "TLS handshake: certificate refused: no matching DANE TLSA records")
            self.bad(outcome, "tlsa", "tlsa-invalid", "mx.mismatch.signed.example")
            # Its TLSA records are forged: nobody may take that for "it has none".
            self.deferred(outcome, "unvouched.signed.example", "4.7.5", "TLSA records of mx.unvouched.signed.example: ")
            self.bad(outcome, "tlsa", "dnssec-invalid", "mx.unvouched.signed.example")
            self.deferred(outcome, "bogus.example", "4.4.3", "MX look-up failed")

            # Nothing ever went in the clear, as the sinks would have let it.
            self.assertEqual({r.rsplit("@")[1] for r in sink.recipients()}, {"match.signed.example"})
            self.assertEqual(len(anchored.recipients()), EACH)
            self.assertTrue(all(message["tls"] for each in (sink, anchored) for message in each.messages()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
