"""Volley itself: `volley send`, with its embedded queue, from the start of the process to its end."""

import json

from .peer import Client, first_line, tail, wait_until

PAUSED = 75  # exit code


UNFAIR = ("takes one file, and syncs once per call of many recipients, where an MTA answers and syncs for each message; {way}")
STREAMS = UNFAIR.format(way="streams by BDAT, up to eight messages unanswered a connection, once a host has taken 50: needs CHUNKING, and "
                            "leaves up to eight in doubt when a session breaks")


class Volley(Client):
    name = "volley"
    what = "`volley send`: import of the list, then sending; embedded queue, `appendfsync always`"
    unfair = STREAMS
    durable = True
    extra = ()

    def version(self, bench):
        return f"{version(bench.volley)}; {first_line('redis-server', '--version').split(' sha')[0]}"

    def config(self, job):
        return job.mail.config

    def argv(self, job):
        return [job.volley, "send", job.mail.campaign, "-c", self.config(job), "--data", job.where / "data", "--route",
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


class Data(SendOnly):
    name = "volley-data"
    what = "volley-send by DATA: BDAT is turned off (`chunking = \"never\"`)"
    unfair = UNFAIR.format(way="pipelines the next message's envelope with the end of one, up to two messages unanswered a connection")

    def config(self, job):
        file = job.where / "volley.toml"
        file.write_text(job.mail.config.read_text() + f'[site."{job.sink.host}"]\nchunking = "never"\n')
        return file


def is_release(build):
    cache = build / "CMakeCache.txt"
    return cache.exists() and "CMAKE_BUILD_TYPE:STRING=Release" in cache.read_text() and \
        "VOLLEY_SANITIZE:STRING=\n" in cache.read_text()


def version(volley):
    return first_line(volley, "--version")
