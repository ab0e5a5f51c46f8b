#!/usr/bin/env python3
"""Checks that every metric of metrics/names.h is counted somewhere: one that nobody counts shows 0 for ever.

Usage: metric_users.py [SOURCE_DIR]      prints each metric without a user and exits 1 when there is one
       metric_users.py --self-test       proves that it can fail

A user is a source file of the engine, other than the table itself, that names the key: `Metric::kQueueCalls`. That the line is
reached is for tests/e2e/observability_test.py to see.
"""
import os
import re
import sys
import tempfile

ENUMS = ("Metric", "Histogram", "SiteMetric", "SeriesMetric", "ProcessMetric")
TABLE = ("metrics/names.h", "metrics/names.cc")
ROOTS = ("base", "metrics", "dns", "queue", "engine")
COMMENT = re.compile(r"//[^\n]*")


def read(path):
    with open(path, encoding="utf-8") as file:
        return COMMENT.sub("", file.read())


def keys(root):
    """(line, "Metric::kX") of every key in the table."""
    text = read(os.path.join(root, TABLE[0]))
    for enum in ENUMS:
        body = re.search(rf"\benum class {enum}\b[^{{]*{{(.*?)}};", text, re.DOTALL)
        if not body:
            raise SystemExit(f"{TABLE[0]}: no enum {enum}: has this check grown old?")
        for key in re.finditer(r"\bk\w+", body.group(1)):
            if key.group() != "kCount":
                yield text.count("\n", 0, body.start(1) + key.start()) + 1, f"{enum}::{key.group()}"


def used(root):
    names = re.compile(rf"\b(?:{'|'.join(ENUMS)})::k\w+")
    found = set()
    for top in ROOTS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in files:
                path = os.path.join(folder, name)
                if name.endswith((".h", ".cc")) and os.path.relpath(path, root) not in TABLE:
                    found.update(names.findall(read(path)))
    return found


def check(root):
    users = used(root)
    return [f"{TABLE[0]}:{line}: nothing counts {key}" for line, key in keys(root) if key not in users]


def self_test():
    table = "".join(f"enum class {enum} : uint8_t {{\n  kUsed,\n  kIdle,  // kNote\n  kCount\n}};\n" for enum in ENUMS)
    user = "".join(f"count(metrics::{enum}::kUsed);  // {enum}::kIdle\n" for enum in ENUMS)
    with tempfile.TemporaryDirectory() as root:
        for path, text in {TABLE[0]: table, TABLE[1]: "row(Metric::kIdle);\n", "dns/d.cc": user}.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        got = check(root)
    expected = [f"metrics/names.h:{5 * i + 3}: nothing counts {enum}::kIdle" for i, enum in enumerate(ENUMS)]
    if got != expected:
        print(f"self-test: expected {expected}, got {got}")
    return int(got != expected)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    idle = check(root)
    for line in idle:
        print(line)
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main())
