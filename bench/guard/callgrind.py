"""Instructions of a unit of each replayed path, and which functions they are in. Needs valgrind and the release build's `replay`.

Each path runs twice, with N and with 2N units; the difference, divided by N, has neither start-up nor warm-up in it. Valgrind
counts every instruction of user space and schedules by count, so that the same binary gives the same number, whatever else the
machine does. What it depends on besides our code: compiler and libraries (Debian 12's), and which variants of memcpy() and the like
libraries choose for the CPU. Valgrind shows all CPUs with AVX2 as the same one; others choose otherwise and are not compared.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import tempfile

CPU_FLAGS = {"avx2", "bmi2"}


class Failed(Exception):
    pass


def comparable_cpu(cpuinfo="/proc/cpuinfo"):
    match = re.search(r"^flags\s*: (.*)$", pathlib.Path(cpuinfo).read_text(), re.M)
    return bool(match) and CPU_FLAGS <= set(match.group(1).split())


def short_name(function):
    """Without arguments, template parameters and the clones' suffixes: `volley::smtp::Client::feed`."""
    name, depth = "", 0
    function = function.replace("(anonymous namespace)::", "").replace("[abi:cxx11]", "").replace("operator()", "operator@")
    function = function.split(" [clone")[0]
    for c in function:
        if c == "(" and depth == 0:
            break
        depth += (c == "<") - (c == ">")
        if depth == 0 and c != ">":
            name += c
    name = name.replace("operator@", "operator()")
    return name.split(" ")[-1].split("'")[0] or function[:80]


def self_costs(text):
    """By function, without what it calls: a callgrind file with --compress-strings=no --compress-pos=no."""
    costs, library, function, skip = collections.Counter(), "", "", False
    for line in text.splitlines():
        if line.startswith("ob="):
            library = os.path.basename(line[3:])
        elif line.startswith("fn="):
            function = library if line.startswith("fn=0x") else short_name(line[3:])  # a library without symbols
        elif line.startswith("calls="):
            skip = True  # the next line is what was called
        elif line[:1].isdigit():
            if not skip:
                costs[function] += int(line.split()[1])
            skip = False
    return costs


def count(replay, path, units, where):
    out = where / f"{path}.{units}"
    run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
                          "--compress-pos=no", "--dump-line=no", str(replay), path, str(units)],
                         capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, timeout=300)
    if run.returncode != 0:
        raise Failed(f"{path}: {run.stderr.strip()[-500:]}")
    return json.loads(run.stdout), self_costs(out.read_text())


def paths(replay):
    listing = subprocess.run([str(replay), "--list"], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[:3] for line in listing.splitlines()]


def measure(replay, jobs):
    """{path: {unit, instructions, bytes, functions}} per unit, and the compiler."""
    measured = {}
    with tempfile.TemporaryDirectory(prefix="volley-guard-") as name, \
            concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        where = pathlib.Path(name)
        runs = {path: (unit, int(n), [pool.submit(count, replay, path, int(n) * k, where) for k in (1, 2)])
                for path, unit, n in paths(replay)}
        for path, (unit, n, both) in runs.items():
            (short, few), (long, many) = (run.result() for run in both)
            functions = {f: (many[f] - few[f]) / n for f in many}
            measured[path] = {"unit": unit, "instructions": sum(functions.values()),
                              "bytes": (long["bytes"] - short["bytes"]) / n, "functions": functions}
            compiler = long["compiler"]
    return measured, compiler
