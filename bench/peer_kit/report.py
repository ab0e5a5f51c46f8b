"""Tables: a workload's peers side by side, and the ratios that are claims."""

import dataclasses
import statistics

from .measure import SATURATED

# Ratios within a run: what they are called, (peer, workload) above, (peer, workload) below, of what.
RATIOS = [
    ("W1 against tuned Postfix, both end to end and durable", ("volley", "W1"), ("postfix-tuned", "W1"), "rate"),
    ("W1 against `ceiling` (DATA)", ("volley-send", "W1"), ("ceiling", "W1"), "rate"),
    ("W1 against `ceiling` (DATA), the import counted", ("volley", "W1"), ("ceiling", "W1"), "rate"),
    ("W1 against `smtp-source`", ("volley-send", "W1"), ("smtp-source", "W1"), "rate"),
    ("CPU per message of tuned Postfix against Volley with its Redis, W1", ("postfix-tuned", "W1"), ("volley", "W1"), "cpu_per_1000"),
    ("W2 against W1", ("volley-send", "W2"), ("volley-send", "W1"), "rate"),
    ("W2b against W1", ("volley-send", "W2b"), ("volley-send", "W1"), "rate"),
    ("W3 against tuned Postfix, 20 connections both", ("volley-send", "W3"), ("postfix-tuned", "W3"), "rate"),
    ("W4 against W1", ("volley-send", "W4"), ("volley-send", "W1"), "rate"),
    ("W8 against tuned Postfix, which signs nothing", ("volley", "W8"), ("postfix-tuned", "W8"), "rate"),
]


def spread(values, form):
    """median (min..max)"""
    text = form.format(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form.format(min(values))}..{form.format(max(values))})"


class Report:
    def __init__(self, peers):
        self.peers = {peer.name: peer for peer in peers}
        self.runs = {}      # (peer, workload): {number of the run: Result}
        self.failures = {}  # (peer, workload): why there is none
        self.fsyncs = {}    # peer: per message
        self.signing = None  # seconds an RSA-2048 signature takes

    def add(self, number, result):
        self.runs.setdefault((result.peer, result.workload), {})[number] = result

    def of(self, peer, workload):
        return list(self.runs.get((peer, workload), {}).values())

    def ratio(self, above, below, what):
        """One per run that has both, so that what else the machine did is in both."""
        first, second = self.runs.get(above, {}), self.runs.get(below, {})
        return [getattr(first[n], what) / getattr(second[n], what) for n in sorted(first.keys() & second.keys())]

    def workload_table(self, workload):
        lines = [f"### {workload.name}: {workload.title}", "",
                 "| peer | messages | msg/s | Volley is x times | CPU s per 1,000 | sink µs per message | anonymous MiB | resident MiB |",
                 "|---|--:|--:|--:|--:|--:|--:|--:|"]
        notes = []
        for name in self.peers:
            results = self.of(name, workload.name)
            if not results:
                why = self.failures.get((name, workload.name))
                lines.append(f"| {name} | - | | | | | | |")
                notes.append(f"- {name}: {why}")
                continue
            times = self.ratio(("volley", workload.name), (name, workload.name), "rate")
            lines.append("| " + " | ".join([
                name, f"{results[0].messages:,}", spread([r.rate for r in results], "{:,.0f}"),
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
            lines.append("| W5 against 1 / (a signature by `openssl speed` + W1's CPU per message, sink and Redis included) x cores | "
                         f"{statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |")
        if results := self.of("volley-send", "W1"):
            sizes = [r.processes.get("volley", 0) / 2**20 for r in results]
            lines.append(f"| the engine's resident memory during W1, MiB | {statistics.median(sizes):.0f} | {min(sizes):.0f} | "
                         f"{max(sizes):.0f} |")
        return "\n".join(lines + [""])

    def _of_signing_limit(self):
        if self.signing is None:
            return []
        seconds, cores = self.signing
        plain, signed = self.runs.get(("volley-send", "W1"), {}), self.runs.get(("volley-send", "W5"), {})
        limits = {n: cores / (seconds + (r.cpu + r.sink_cpu) / r.messages) for n, r in plain.items()}
        return [signed[n].rate / limits[n] for n in sorted(limits.keys() & signed.keys())]

    def peer_table(self):
        lines = ["### The peers, and what is unfair", "", "| peer | what it is | survives a power cut | fsyncs per message | to know |",
                 "|---|---|---|--:|---|"]
        for peer in self.peers.values():
            fsyncs = f"{self.fsyncs[peer.name]:.3g}" if peer.name in self.fsyncs else "-"
            lines.append(f"| {peer.name} | {peer.what} | {'yes' if peer.durable else 'no'} | {fsyncs} | {peer.unfair} |")
        return "\n".join(lines + [""])

    def as_json(self):
        return {
            "runs": [dict(dataclasses.asdict(result), run=number, rate=result.rate, cpu_per_1000=result.cpu_per_1000,
                          sink_busy=result.sink_busy)
                     for runs in self.runs.values() for number, result in runs.items()],
            "failures": [{"peer": peer, "workload": workload, "why": why} for (peer, workload), why in self.failures.items()],
            "fsyncs_per_message": self.fsyncs,
            "ratios": {title: self.ratio(above, below, what) for title, above, below, what in RATIOS},
        }
