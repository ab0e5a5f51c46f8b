"""Tables: a workload's peers side by side, and the ratios that are claims."""

import dataclasses
import os
import statistics

from .measure import SATURATED

# Both, because neither configuration is the faster one everywhere.
POSTFIX = ("postfix", "postfix-tuned")
BETTER = "the better of Postfix as packaged and tuned"
# Ratios within a run: what they are called, (peers, workload) above, (peers, workload) below, of what. Of several peers the best counts.
RATIOS = [
    (f"W1 against {BETTER}, both end to end and durable", (("volley",), "W1"), (POSTFIX, "W1"), "rate"),
    ("W1 against `ceiling` (DATA, one in flight), sending alone", (("volley-send",), "W1"), (("ceiling",), "W1"), "rate"),
    ("W1 against `ceiling` (DATA, one in flight), the import counted", (("volley",), "W1"), (("ceiling",), "W1"), "rate"),
    ("W1 by DATA against `ceiling` (DATA, one in flight), sending alone", (("volley-data",), "W1"), (("ceiling",), "W1"), "rate"),
    ("W1 against `ceiling-bdat` (eight in flight), sending alone", (("volley-send",), "W1"), (("ceiling-bdat",), "W1"), "rate"),
    ("W1 against `smtp-source`, sending alone", (("volley-send",), "W1"), (("smtp-source",), "W1"), "rate"),
    (f"CPU per message of {BETTER} against Volley with its Redis, W1", (POSTFIX, "W1"), (("volley",), "W1"), "cpu_per_1000"),
    ("W2 against W1, sending alone", (("volley-send",), "W2"), (("volley-send",), "W1 beside W2"), "rate"),
    ("W2b against W1, sending alone", (("volley-send",), "W2b"), (("volley-send",), "W1 beside W2b"), "rate"),
    (f"W3 against {BETTER}, 20 connections both", (("volley",), "W3"), (POSTFIX, "W3"), "rate"),
    ("W4 against W1, sending alone", (("volley-send",), "W4"), (("volley-send",), "W1 beside W4"), "rate"),
    (f"W8 against {BETTER}, which signs nothing", (("volley",), "W8"), (POSTFIX, "W8"), "rate"),
]
BEST = {"rate": max, "cpu_per_1000": min}


def spread(values, form):
    """median (min..max)"""
    text = form.format(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form.format(min(values))}..{form.format(max(values))})"


class Report:
    def __init__(self, peers):
        self.peers = {peer.name: peer for peer in peers}
        self.workloads = []  # begun
        self.runs = {}      # (peer, workload): {number of the run: Result}
        self.failures = {}  # (peer, workload): why there is none
        self.fsyncs = {}    # peer: per message
        self.versions = {}  # peer: what it says of itself
        self.signing = {}    # number of a W5 run: seconds of an RSA-2048 signature on one core

    def add(self, number, result):
        self.runs.setdefault((result.peer, result.workload), {})[number] = result

    def of(self, peer, workload):
        return list(self.runs.get((peer, workload), {}).values())

    def best(self, peers, workload, what):
        """{number of a run that all of them have: the best figure}"""
        runs = [self.runs.get((peer, workload), {}) for peer in peers]
        return {n: BEST[what](getattr(each[n], what) for each in runs) for n in set.intersection(*map(set, runs))}

    def ratio(self, above, below, what):
        """One per run that has both, so that what else the machine did is in both."""
        first, second = self.best(*above, what), self.best(*below, what)
        return [first[n] / second[n] for n in sorted(first.keys() & second.keys())]

    def workload_table(self, workload):
        lines = [f"### {workload.name}: {workload.title}", "",
                 "| peer | messages | seconds | msg/s | Volley is x times | CPU s per 1,000 | sink µs per message | anonymous MiB | resident MiB |",
                 "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
        notes = []
        for name in self.peers:
            results = self.of(name, workload.name)
            if not results:
                why = self.failures.get((name, workload.name), "stopped before its turn")
                lines.append(f"| {name} | - | | | | | | | |")
                notes.append(f"- {name}: {why}")
                continue
            times = self.ratio((("volley",), workload.name), ((name,), workload.name), "rate")
            lines.append("| " + " | ".join([
                name, f"{results[0].messages:,}", f"{statistics.median(r.seconds for r in results):.1f}",
                spread([r.rate for r in results], "{:,.0f}"),
                spread(times, "{:.3g}") if times and name != "volley" else "", spread([r.cpu_per_1000 for r in results], "{:.3g}"),
                f"{statistics.median(r.sink_cpu / r.messages * 1e6 for r in results):.1f}",
                f"{max(r.anonymous for r in results) / 2**20:.0f}", f"{max(r.resident for r in results) / 2**20:.0f}"]) + " |")
            notes += self._notes(name, workload.name, results)
        return "\n".join(lines + ["", *notes, ""])

    def _notes(self, name, workload, results):
        busy = max(r.sink_busy for r in results)
        if busy >= SATURATED:
            yield f"- {name}: **the sink was saturated** ({busy:.0%} of its core): the figure is the sink's, not the peer's"
        if any(r.extra for r in results):
            yield f"- {name}: the sink got {max(r.extra for r in results):,} messages twice"
        if (name, workload) in self.failures:
            yield f"- {name}: {self.failures[name, workload]}"

    def ratio_table(self):
        lines = ["### Ratios within a run", "", "| | median | min | max |", "|---|--:|--:|--:|"]
        for title, above, below, what in RATIOS:
            if values := self.ratio(above, below, what):
                lines.append(f"| {title} | {statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |")
        if values := self._of_signing_limit():
            lines.append("| W5, sending alone, against 1 / (a signature by `openssl speed` + W1's CPU per message, sink and Redis included) x cores | "
                         f"{statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |")
        if results := self.of("volley-send", "W1"):
            sizes = [r.processes.get("volley", 0) / 2**20 for r in results]
            lines.append(f"| the engine's resident memory during W1 (sending alone), MiB | {statistics.median(sizes):.0f} | {min(sizes):.0f} | "
                         f"{max(sizes):.0f} |")
        return "\n".join(lines + [""])

    def _of_signing_limit(self):
        plain, signed = self.runs.get(("volley-send", "W1 beside W5"), {}), self.runs.get(("volley-send", "W5"), {})
        ratios = []
        for n in sorted(plain.keys() & signed.keys() & self.signing.keys()):
            limit = os.cpu_count() / (self.signing[n] + (plain[n].cpu + plain[n].sink_cpu) / plain[n].messages)
            ratios.append(signed[n].rate / limit)
        return ratios

    def peer_table(self):
        lines = ["### The peers, and what is unfair", "",
                 "| peer | version | what it is | survives a power cut | fsyncs per message | to know |",
                 "|---|---|---|---|--:|---|"]
        for peer in self.peers.values():
            fsyncs = f"{self.fsyncs[peer.name]:.3g}" if peer.name in self.fsyncs else "-"
            lines.append(f"| {peer.name} | {self.versions.get(peer.name, '-')} | {peer.what} | {'yes' if peer.durable else 'no'} | {fsyncs} | "
                         f"{peer.unfair} |")
        return "\n".join(lines + [""])

    def as_json(self):
        return {
            "runs": [dict(dataclasses.asdict(result), run=number, rate=result.rate, cpu_per_1000=result.cpu_per_1000,
                          sink_busy=result.sink_busy)
                     for runs in self.runs.values() for number, result in runs.items()],
            "failures": [{"peer": peer, "workload": workload, "why": why} for (peer, workload), why in self.failures.items()],
            "fsyncs_per_message": self.fsyncs,
            "versions": self.versions,
            "ratios": {title: self.ratio(above, below, what) for title, above, below, what in RATIOS},
        }
