"""Real parts for end-to-end tests: volley itself, its sink, redis-server, unbound, Postfix, Prometheus.

Every part gets a private directory and a free port, listens on loopback only, and is stopped by pid when its `with` block
ends. Wait for conditions, never for time.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

VOLLEY = os.environ.get("VOLLEY", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/engine/app/volley"))
SOURCE = pathlib.Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("VOLLEY_LONG"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {seconds} s waiting for {what}")
        time.sleep(0.02)


def port_open(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child that is stopped, by pid, when the block ends."""

    def __init__(self, argv, log, **kwargs):
        self.log = pathlib.Path(log)
        self._out = open(self.log, "ab")
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._out, **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.child.poll() is None:
            self.child.send_signal(sig)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self._out.close()

    def text(self):
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def workdir():
    path = pathlib.Path(tempfile.mkdtemp(prefix="volley-e2e-"))
    try:
        yield path
    except BaseException:
        for log in sorted(path.rglob("*.log"))[:12]:
            tail = log.read_text(errors="replace")[-1500:]
            print(f"--- {log.name}\n{tail}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Sink(Process):
    def __init__(self, where, *arguments, name="sink", listen="127.0.0.1:0"):
        self.messages_path = where / f"{name}.jsonl"
        super().__init__([VOLLEY, "sink", "--listen", listen, "--log", str(self.messages_path), *arguments],
                         where / f"{name}.log")
        line = wait_until(lambda: next((l for l in self.text().splitlines() if l.startswith("listening ")), None),
                          "the sink to listen")
        self.address = line.split()[1]
        self.port = int(self.address.rsplit(":", 1)[1])

    def messages(self):
        if not self.messages_path.exists():
            return []
        lines = self.messages_path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def recipients(self):
        return [rcpt for message in self.messages() for rcpt in message["rcpt"]]


def volley(*arguments, check=None, timeout=300, **kwargs):
    """Runs a command; with check=N the exit code has to be N."""
    result = subprocess.run([VOLLEY, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **kwargs)
    if check is not None and result.returncode != check:
        raise AssertionError(f"volley {' '.join(map(str, arguments))}: exit {result.returncode}, expected {check}\n"
                             f"{result.stdout[-2000:]}\n{result.stderr[-3000:]}")
    return result


def summary(result):
    """The JSON line that --json prints last."""
    return json.loads(result.stdout.strip().splitlines()[-1])


def check_identity(s):
    total = s["delivered"] + s["bounced"] + s["expired"] + s["suppressed"] + s["cancelled"] + s["queued"]
    assert s["accepted"] == total, s
    assert s["read"] == s["accepted"] + s["invalid"] + s["duplicate"], s


def write_campaign(where, recipients, domains=None, *, name="test", extra="", text=None, html=None, retry=None):
    """A campaign of `recipients` rows spread over `domains` (count or list of names). Returns its file."""
    if not isinstance(domains, list):
        domains = [f"d{i}.example.net" for i in range(domains or 10)]
    with open(where / "list.csv", "w") as f:
        f.write("email,first_name,city\n")
        for i in range(recipients):
            f.write(f"user{i}@{domains[i % len(domains)]},Name{i},City{i % 97}\n")
    (where / "body.txt").write_text(text or "Hello {{first_name}} of {{city}},\n\n.a line with a dot\nbye\n")
    html_line = ""
    if html:
        (where / "body.html").write_text(html)
        html_line = 'html_file = "body.html"\n'
    path = where / "campaign.toml"
    path.write_text(f'''name = "{name}"
from = "Example News <news@example.com>"
subject = "Hello {{{{first_name}}}}"
text_file = "body.txt"
{html_line}recipients = "list.csv"
{extra}
[retry]
first_delay = "{retry or '1s'}"
max_delay = "10s"
give_up_after = "10m"
''')
    return path


class Redis(Process):
    def __init__(self, where, *arguments, name="redis", **kwargs):
        self.port = free_port()
        directory = where / name
        directory.mkdir(exist_ok=True)
        super().__init__(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory),
                          "--save", "", "--appendonly", "yes", "--appendfsync", "always", *arguments],
                         where / f"{name}.log", **kwargs)
        wait_until(lambda: port_open(self.port), "redis to listen")
        self.url = f"redis://127.0.0.1:{self.port}/0"


class Unbound(Process):
    """A resolver that knows `records`: lines of zone-file text. `zones` are its own; `options`: more lines of its configuration."""

    def __init__(self, where, records, zones=("example.",), name="unbound", modules="iterator", options=""):
        self.port = free_port()
        directory = where / name
        directory.mkdir(exist_ok=True)
        config = directory / "unbound.conf"
        local = "".join(f'  local-zone: "{zone}" static\n' for zone in zones)
        local += "".join(f"  local-data: '{record}'\n" for record in records)
        config.write_text(f'''server:
  interface: 127.0.0.1@{self.port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  module-config: "{modules}"
  do-not-query-localhost: no
{local}{options}
remote-control:
  control-enable: no
''')
        super().__init__(["/usr/sbin/unbound", "-d", "-c", str(config)], where / f"{name}.log")
        wait_until(lambda: port_open(self.port), "unbound to listen")


def mime_sha(raw):
    return hashlib.sha256(raw).hexdigest()
