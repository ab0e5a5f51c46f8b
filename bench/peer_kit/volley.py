"""Volley itself: `volley send`, with its embedded queue, from the start of the process to its end."""

import json
import subprocess

from .peer import Client, tail, wait_until

PAUSED = 75  # exit code


class Volley(Client):
    name = "volley"
    what = "`volley send`: import of the list, then sending; embedded queue, `appendfsync always`"
    durable = True
    extra = ()

    def argv(self, job):
        return [job.volley, "send", job.mail.campaign, "-c", job.mail.config, "--data", job.where / "data", "--route",
                f"*={job.sink.address}", "--connections", job.workload.connections, "--yes", "--json", *self.extra]

    def send(self, job):
        super().send(job)
        summary = json.loads((job.where / "peer.log").read_text().strip().splitlines()[-1])
        if summary["delivered"] != job.messages:
            raise RuntimeError(f"{self.name}: {summary}")


class Stream(Volley):
    name = "volley-stream"
    what = "the same with `--stream`: sends while the list is still being read"
    extra = ("--stream",)


class SendOnly(Volley):
    name = "volley-send"
    what = "the sending alone: the list was imported (`--hold`) before the clock ran"

    def prepare(self, job):
        held = job.injector.start([*self.argv(job), "--hold"], job.where / "import.log")
        wait_until(lambda: held.poll() is not None, f"{self.name} to import", job.timeout)
        if held.returncode != PAUSED:
            raise RuntimeError(f"{self.name}: `send --hold` ends with {held.returncode}: {tail(job.where)}")


def is_release(build):
    cache = build / "CMakeCache.txt"
    return cache.exists() and "CMAKE_BUILD_TYPE:STRING=Release" in cache.read_text() and \
        "VOLLEY_SANITIZE:STRING=\n" in cache.read_text()


def version(volley):
    return subprocess.run([volley, "--version"], capture_output=True, text=True).stdout.strip()
