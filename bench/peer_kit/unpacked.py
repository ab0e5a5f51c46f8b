"""What cannot be installed beside Postfix is unpacked by tests/e2e/install-receivers, once."""

import os
import subprocess

from .peer import SOURCE, Unavailable

_tried = []


def require(program):
    """`program` is a path; raises Unavailable with what the installation said."""
    if os.geteuid() != 0:
        raise Unavailable("needs root")
    if not program.exists() and not _tried:
        print("unpacking peers (tests/e2e/install-receivers) ...", flush=True)
        _tried.append(subprocess.run([SOURCE / "tests/e2e/install-receivers"], capture_output=True, text=True))
    if not program.exists():
        raise Unavailable("tests/e2e/install-receivers brought none: " + " ".join(_tried[0].stderr.split())[-200:])
