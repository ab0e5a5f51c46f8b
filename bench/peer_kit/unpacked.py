"""What cannot be installed beside Postfix is unpacked by tests/e2e/install-receivers, once. That installs the libraries they need, and
npm, as packages of the system, and adds the system users Exim and OpenSMTPD ask for; these stay."""

import os
import signal
import subprocess
import tempfile

from .peer import SOURCE, Unavailable

LONGEST = 900  # seconds

_tried = []


def require(program):
    """`program` is a path; raises Unavailable with what the installation said."""
    if os.geteuid() != 0:
        raise Unavailable("needs root")
    if not program.exists() and not _tried:
        print("unpacking peers (tests/e2e/install-receivers; adds library packages and system users) ...", flush=True)
        _tried.append(_install())
    if not program.exists():
        raise Unavailable("tests/e2e/install-receivers brought none: " + " ".join(_tried[0].split())[-200:])


def _install():
    """What it complains of. It and its children end when it takes too long, or this is stopped."""
    with tempfile.TemporaryFile("w+") as complaints:
        child = subprocess.Popen([SOURCE / "tests/e2e/install-receivers"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=complaints, start_new_session=True)
        try:
            child.wait(LONGEST)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return f"no end in {LONGEST} s"
        complaints.seek(0)
        return complaints.read()
