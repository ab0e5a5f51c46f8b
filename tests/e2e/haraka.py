"""A private Haraka from npm, with a plugin that keeps each message in a file. Needs root: it must not reach a resolver."""

import os
import pathlib
import shutil
import subprocess

from harness import free_port, port_open, wait_until
from receiver import HOST, Receiver, UNPACKED, certificate, no_resolver, with_mounts

ROOT = UNPACKED / "haraka/node_modules/Haraka"
BINARY = ROOT / "bin/haraka"

# A line of 998 octets is 1001 on the wire: a dot before its own, CRLF after. Haraka folds what is longer than it expects.
CONFIG = {
    "smtp.ini": "listen=127.0.0.1:{port}\nnodes=0\nforce_shutdown_timeout=1\n",
    "connection.ini": "[max]\ndata_line_length=1001\n[haproxy]\nhosts[] =\n[message]\n[uuid]\nbanner_chars=0\n",
    "log.ini": "[main]\nlevel=warn\nformat=default\n",
    "plugins": "tls\nkeep\n",
    "me": "{host}\n",
}


def usable():
    return os.geteuid() == 0 and BINARY.exists()


class Haraka(Receiver):
    newline = b"\r\n"

    def __init__(self, where):
        base = where / "haraka"
        for folder in ("config", "plugins", "mail/tmp", "mail/new"):
            (base / folder).mkdir(parents=True)
        self.port = free_port()
        self.maildir = base / "mail/new"
        for name, text in CONFIG.items():
            (base / "config" / name).write_text(text.format(port=self.port, host=HOST))
        cert, key = certificate(base / "config")
        (base / "config/tls.ini").write_text(f"key={key.name}\ncert={cert.name}\n")
        # Without this file it makes one, and the program that does outlives it.
        subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out",
                        str(base / "config/dhparams.pem")], check=True, capture_output=True)
        shutil.copy(pathlib.Path(__file__).parent / "haraka_keep.js", base / "plugins/keep.js")
        super().__init__(with_mounts(["node", BINARY, "-c", base], no_resolver(base)), where / "haraka.log",
                         env={**os.environ, "KEEP_IN": str(base / "mail")})
        wait_until(lambda: port_open(self.port), "Haraka to listen")
