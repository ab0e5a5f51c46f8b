"""Measured against recorded: what is worse, what is better, and the record itself."""

INSTRUCTIONS = 0.05  # more or less than recorded; of the bytes a path makes, too
TOP = 12             # functions kept of each path
GROWN = 6            # named of a path that grew

KEEP = "run bench/instructions --update and commit the record, or it can be lost again unseen"

NOTE = ("Instructions of user space and system calls, per unit of work. Written by bench/instructions --update; checked by "
        "bench/instructions. Holds for the compiler named here and for CPUs with AVX2 and BMI2: libraries choose variants of "
        "memcpy() and the like by CPU, and valgrind shows all of these as the same one.")


def record_paths(paths):
    return {name: {"unit": p["unit"], "instructions": round(p["instructions"], 1), "bytes": round(p["bytes"], 1),
                   "functions": {f: round(n, 1) for f, n in top(p["functions"], TOP)}}
            for name, p in paths.items()}


def record_calls(calls, before, tolerance, at_least):
    """What is within the limit of before is noise, which only adds: the lower value stays."""
    kept = {}
    for kind, more in tolerance.items():
        now, old = round(calls.get(kind, 0), 4), before.get(kind)
        if old and now <= old["limit"]:
            now = min(now, old["per_message"])
        kept[kind] = {"per_message": now, "limit": round(max(now * (1 + more), at_least.get(kind, 0)), 4)}
    return kept


def top(functions, most):
    return sorted(functions.items(), key=lambda item: -item[1])[:most]


def growth(now, before):
    """Functions that cost more than recorded, most first. One that is not recorded was less than the least of those."""
    least = min(before.values(), default=0)
    grown = {f: n - before.get(f, min(n, least)) for f, n in now.items()}
    return [(f, before.get(f), now[f]) for f, more in top(grown, GROWN) if more > 1]


def compare_paths(paths, recorded):
    """Lines of what is worse, and lines of what is better: the same binary gives the same numbers, so that neither is noise."""
    worse, better = [], []
    for name in sorted({*paths, *recorded}):
        if name not in paths or name not in recorded:
            worse.append(f"{name}: {'not replayed any more' if name in recorded else 'not recorded yet'}; "
                         "bench/instructions --update")
            continue
        now, before = paths[name]["instructions"], recorded[name]["instructions"]
        change = f"{name}: {now:,.0f} instructions per {paths[name]['unit']}, recorded {before:,.0f} ({now / before - 1:+.1%})"
        if now > before * (1 + INSTRUCTIONS):
            worse.append(change)
            for function, old, new in growth(paths[name]["functions"], recorded[name]["functions"]):
                was = "not among the first" if old is None else f"{old:,.0f}"
                worse.append(f"    {function}: {was} -> {new:,.0f}")
        elif now < before * (1 - INSTRUCTIONS):
            better.append(change)
        made, expected = paths[name]["bytes"], recorded[name]["bytes"]
        if abs(made - expected) > expected * INSTRUCTIONS:
            worse.append(f"{name}: {made:,.1f} bytes per {paths[name]['unit']}, recorded {expected:,.1f}: it does other work than what "
                         "was recorded; if that is meant, bench/instructions --update")
    return worse, better


def verdict(worse, better, hints):
    """What to print, and whether the guard fails. Better fails as well where it cannot be noise; hints do not."""
    lines = [f"WORSE   {line}" for line in worse]
    lines += [f"BETTER  {line}: {KEEP}" for line in better]
    lines += [f"FEWER   {line}: if that is no luck, bench/instructions --update" for line in hints]
    return lines, bool(worse or better)


def over_limit(calls, recorded):
    return [f"{kind}: {calls.get(kind, 0):.3f} per message, limit {r['limit']:.3f} (recorded {r['per_message']:.3f})"
            for kind, r in recorded.items() if calls.get(kind, 0) > r["limit"]]


def unseen(calls, recorded, may_be_none):
    """Work that is done is done by some call: none of a kind any more means that this guard does not see it."""
    return [f"{kind}: none seen, recorded {r['per_message']:.3f} per message: made by calls that bench/guard/system_calls.py does not "
            "know?" for kind, r in recorded.items() if kind not in may_be_none and r["per_message"] > 0 and not calls.get(kind)]


def far_below(calls, recorded, at_least):
    return [f"{kind}: {calls.get(kind, 0):.3f} per message, recorded {r['per_message']:.3f}"
            for kind, r in recorded.items() if kind not in at_least and 0 < calls.get(kind, 0) < r["per_message"] / 2]
