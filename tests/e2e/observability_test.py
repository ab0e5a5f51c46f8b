"""A real Prometheus scrapes a real run: every expression of the dashboard and of the alert rules works on it."""

import json
import re
import unittest
import urllib.parse
import urllib.request

from harness import *

RULES = SOURCE / "deploy/prometheus/alerts.yml"
DASHBOARD = SOURCE / "deploy/grafana/dashboards/volley.json"


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
