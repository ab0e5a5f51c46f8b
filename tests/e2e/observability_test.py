"""A real Prometheus scrapes a real run: every expression of the dashboard and of the alert rules works on it.

And what a run gives cause to count is counted: of the series that /metrics shows, those stay at 0 that are named here.
"""

import json
import re
import unittest
import urllib.parse
import urllib.request

from harness import *

RULES = SOURCE / "deploy/prometheus/alerts.yml"
DASHBOARD = SOURCE / "deploy/grafana/dashboards/volley.json"


# Series that run in Counted has no cause for, or not for sure.
IDLE = re.compile(r"""volley_(
    (delivered|deferred|bounced|expired|suppressed)_total{lane="transactional"} | expired_total{lane="bulk"} | in_doubt_total
  | connections_failed_total | desyncs_total | tls_(handshakes|resumed|failures)_total
  | campaigns_paused | queued_recipients | parked_recipients | replayed_outcomes_total | recipients_in_memory
  | http_(requests|refused)_total | messages_accepted_total | intake_(accepted|parked)_total | intake_(waiting|parked)_entries
  | loop_slow_turns_total | queue_corrupt_chunks_total
  | site_(in_doubt_total|connection_failures_total|connections|waiting_recipients|paused){.*} | connections_open
)""", re.VERBOSE)


class Prometheus(Process):
    def __init__(self, where, target):
        self.port = free_port()
        (where / "prometheus.yml").write_text(f'''global: {{scrape_interval: 500ms, evaluation_interval: 1s}}
rule_files: ["{RULES}"]
scrape_configs:
  - job_name: volley
    static_configs: [{{targets: ["{target}"]}}]
''')
        super().__init__(["prometheus", f"--config.file={where}/prometheus.yml", f"--storage.tsdb.path={where}/tsdb",
                          f"--web.listen-address=127.0.0.1:{self.port}"], where / "prometheus.log")
        wait_until(self.ready, "Prometheus to be ready")

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def query(self, expression):
        return self.get("/api/v1/query", query=expression)["result"]


class Observability(unittest.TestCase):
    def test_expressions(self):
        subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, stdout=subprocess.DEVNULL)
        with workdir() as where, Sink(where, "--delay", "20", "--rule", "rcpt:1:user3@:550 5.1.1 unknown user",
                                      "--rule", "rcpt:1:d1.example.net=1:451 4.3.0 try later") as sink:
            campaign = write_campaign(where, 60000, 20, retry="2s")
            port = free_port()
            arguments = [VOLLEY, "send", str(campaign), "--data", str(where / "data"), "--route", f"*={sink.address}",
                         "--connections", "4", "--http", f"127.0.0.1:{port}"]
            with Process(arguments, where / "send.log"):
                wait_until(lambda: port_open(port), "/metrics")
                with Prometheus(where, f"127.0.0.1:{port}") as prometheus:
                    wait_until(lambda: any(float(r["value"][1]) > 0 for r in prometheus.query("rate(volley_delivered_total[1m])")),
                               "a rate in Prometheus")
                    wait_until(lambda: prometheus.query("volley_site_deferred_total > 0"), "a deferral")
                    wait_until(lambda: prometheus.query("volley_queued_recipients > 0"), "the queue's gauge")
                    self.check_dashboard(prometheus)
                    self.check_alerts(prometheus)

    def check_dashboard(self, prometheus):
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel["targets"]:
                expression = target["expr"].replace("$instance", ".*")
                self.assertTrue(prometheus.query(expression), f"{panel['title']}: nothing for {expression}")

    def check_alerts(self, prometheus):
        def rules():
            groups = prometheus.get("/api/v1/rules")["groups"]
            found = [r for g in groups for r in g["rules"]]
            return found if found and all(r["health"] != "unknown" for r in found) else None
        for rule in wait_until(rules, "the rules to be evaluated"):
            self.assertEqual(rule["health"], "ok", rule)
            for name in set(re.findall(r"\bvolley_\w+", rule["query"])):
                self.assertTrue(prometheus.query(name), f"{rule['name']}: no series {name}")
        firing = prometheus.query('ALERTS{alertstate="firing"}')
        self.assertEqual([a["metric"]["alertname"] for a in firing], [])


class Counted(unittest.TestCase):
    def scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def idle(self):
        return sorted(name for name, value in self.scrape().items() if value == 0 and name.startswith("volley_")
                      and "_bucket{" not in name and not IDLE.fullmatch(name))

    def test_what_happens(self):
        """Three domains: two share a mail exchanger, one has a name server that refuses. The last one's mail keeps the run going."""
        records = ["d0.example. 300 IN MX 10 mx.example.", "d1.example. 300 IN MX 10 mx.example.",
                   "mx.example. 300 IN A 127.0.0.1"]
        with workdir() as where, Unbound(where, records, options='  local-zone: "broken.test" refuse\n') as dns, \
                Redis(where) as redis, Sink(where, "--rule", "rcpt:1:user3@:550 5.1.1 unknown user",
                                            "--rule", "rcpt:1:user4@:451 4.3.0 try later") as sink:
            campaign = write_campaign(where, 60, ["d0.example", "d1.example", "broken.test"], retry="10s",
                                      extra='suppress = ["optouts.txt"]\nmax_invalid = "20%"')
            with open(where / "list.csv", "a") as rows:
                rows.write("not an address,x,y\nuser0@d0.example,again,z\n")
            (where / "optouts.txt").write_text("user7@d1.example\n")
            volley("dkim", "keygen", "--domain", "example.com", "--selector", "s", "--out", where / "dkim.pem", check=0)
            (where / "volley.toml").write_text(f'''hostname = "mail.example.com"
[dns]
servers = ["127.0.0.1:{dns.port}"]
allow_private = true
[smtp]
port = {sink.port}
[queue]
url = "{redis.url}"
[dkim."example.com"]
selector = "s"
key_file = "dkim.pem"
''')
            self.port = free_port()
            with Process([VOLLEY, "send", str(campaign), "-c", str(where / "volley.toml"), "--data", str(where / "data"), "--http",
                          f"127.0.0.1:{self.port}"], where / "send.log"):
                wait_until(lambda: port_open(self.port), "/metrics")
                wait_until(lambda: self.scrape()["volley_waiting_retry_recipients"] == 21, "all that is left to wait")
                subprocess.run(["redis-cli", "-p", str(redis.port), "client", "kill", "type", "normal"], check=True,
                               stdout=subprocess.DEVNULL)
                try:
                    wait_until(lambda: not self.idle(), "all series to be above 0", 30)
                finally:
                    self.assertEqual(self.idle(), [])
                counts = self.scrape()
                self.assertEqual([counts[f"volley_{name}_rows_total"] for name in ("imported", "rejected", "duplicate")], [60, 1, 1])
                log = where / "data/events.jsonl"
                wait_until(lambda: self.scrape()["volley_events_written_total"] == log.read_text().count("\n"), "all events to be counted")


if __name__ == "__main__":
    unittest.main(verbosity=2)
