"""nodemailer's pool: what most programs in JavaScript send with. No queue."""

import json
import pathlib
import shutil
import subprocess

from .peer import Client, INSTALLED, Unavailable, WHERE_WAITING_COUNTS, first_line

VERSION = "10.6.1"
MODULE = INSTALLED / "nodemailer/node_modules/nodemailer"


class Nodemailer(Client):
    name = "nodemailer"
    what = "nodemailer's pool, connections kept"
    unfair = "no queue: a crash loses what was not sent"
    share = 1 / 20
    shares = WHERE_WAITING_COUNTS
    skips = {"W7": "does not try again", "W8": "does not try again"}

    def install(self):
        if not shutil.which("npm") or not shutil.which("node"):
            raise Unavailable("no npm: tests/e2e/install-receivers installs it")
        package = MODULE / "package.json"
        if package.exists() and json.loads(package.read_text())["version"] == VERSION:
            return
        print(f"installing nodemailer {VERSION} ...", flush=True)
        result = subprocess.run(["npm", "install", "--prefix", str(INSTALLED / "nodemailer"), "--ignore-scripts", "--no-audit",
                                 "--no-fund", "--no-package-lock", "--loglevel=error", f"nodemailer@{VERSION}"], capture_output=True,
                                text=True, timeout=300)
        if result.returncode != 0:
            raise Unavailable("npm: " + " ".join(result.stderr.split())[:200])

    def version(self, bench):
        return f"nodemailer {VERSION}, node {first_line('node', '--version')}"

    def argv(self, job):
        load = job.workload
        settings = job.where / "settings.json"
        settings.write_text(json.dumps({
            "nodemailer": str(MODULE), "body": str(job.mail.body), "list": str(job.mail.list), "messages": job.messages,
            "host": job.sink.host, "port": int(job.sink.port), "connections": load.connections, "tls": load.tls, "page": load.page,
            "key": str(job.mail.key) if load.sign else None}))
        return ["node", pathlib.Path(__file__).parent / "nodemailer.js", settings]
