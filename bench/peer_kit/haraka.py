"""Haraka: from npm, with a plugin that relays everything to the sink."""

import json

import haraka as receiving  # tests/e2e: where it is
from receiver import no_resolver, with_mounts

from . import unpacked
from .peer import HOST, Server, first_line

CONFIG = {
    "smtp.ini": "listen=127.0.0.1:{port}\nnodes=0\n",
    "connection.ini": "[max]\ndata_line_length=1001\n[haproxy]\nhosts[] =\n[message]\n[uuid]\nbanner_chars=0\n",
    "outbound.ini": "local_mx_ok=true\nenable_tls={tls}\nconcurrency_max={connections}\ntemp_fail_intervals=5s*100\n",
    "log.ini": "[main]\nlevel=warn\nformat=default\n",
    "plugins": "to_sink\n",
    "me": "{host}\n",
}

PLUGIN = """\
'use strict'
exports.hook_rcpt = (next, connection) => {{
  connection.relaying = true
  next(OK)
}}
exports.hook_get_mx = (next) => next(OK, {{ priority: 0, exchange: '{sink_host}', port: {sink_port} }})
"""


class Haraka(Server):
    name = "haraka"
    what = "one process (no cluster mode), queue on disk"
    unfair = "takes each message by SMTP; a connection per message; what got a 4xx waits 5 s at least"
    share = 1 / 40
    skips = {"W5": "its signer is a plugin that is not installed"}

    def install(self):
        unpacked.require(receiving.BINARY)

    def version(self, bench):
        package = json.loads((receiving.ROOT / "package.json").read_text())
        return f"Haraka {package['version']}, node {first_line('node', '--version')}"

    def serve(self, job, port):
        base, load = job.where / "haraka", job.workload
        for folder in ("config", "plugins", "queue"):
            (base / folder).mkdir(parents=True)
        words = {"port": port, "host": HOST, "tls": str(load.tls).lower(), "connections": load.connections,
                 "sink_host": job.sink.host, "sink_port": job.sink.port}
        for name, text in CONFIG.items():
            (base / "config" / name).write_text(text.format(**words))
        (base / "plugins/to_sink.js").write_text(PLUGIN.format(**words))
        return job.start(with_mounts(["node", receiving.BINARY, "-c", base], no_resolver(base)))
