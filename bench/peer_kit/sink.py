"""The receiver of all peers: `volley sink`, which keeps nothing and logs nothing."""

import ipaddress
import json

from .peer import tail, wait_until


def require_loopback(host):
    try:
        good = ipaddress.ip_address(host).is_loopback and ":" not in host
    except ValueError:
        good = False
    if not good:
        raise SystemExit(f"bench/peers: the sink listens on an IPv4 loopback address only, not on {host}")


class Sink:
    """Runs in `group` with the workload's manners."""

    def __init__(self, group, where, volley, host, workload):
        require_loopback(host)
        self.group, self.totals_file, log = group, where / "totals.json", where / "sink.log"
        self.child = group.start([volley, "sink", "--listen", f"{host}:0", "--totals", self.totals_file, *workload.sink_options()], log)

        def listening():
            if self.child.poll() is not None:
                raise RuntimeError("the sink ended: " + tail(where))
            return next((line.split()[1] for line in log.read_text().splitlines() if line.startswith("listening ")), None)
        self.address = wait_until(listening, "the sink to listen", 20)
        self.host, self.port = self.address.split(":")

    def messages(self):
        """So far, up to a twentieth of a second late."""
        try:
            return json.loads(self.totals_file.read_text())["messages"]
        except (OSError, ValueError):  # between two lines
            return 0

    def stop(self):
        """Its last count."""
        self.child.terminate()
        self.child.wait(20)
        return self.messages()
