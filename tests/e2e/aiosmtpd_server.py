"""A private aiosmtpd (Debian's python3-aiosmtpd), which keeps each message in a file.

As a program it is the server itself: aiosmtpd_server.py CERTIFICATE KEY MAILDIR, and says where it listens.
"""

import asyncio
import os
import pathlib
import ssl
import subprocess
import sys

from harness import wait_until
from receiver import HOST, Receiver, certificate

PYTHON = "/usr/bin/python3"  # the one that has Debian's packages


def usable():
    return subprocess.run([PYTHON, "-c", "import aiosmtpd"], capture_output=True).returncode == 0


class Aiosmtpd(Receiver):
    newline = b"\r\n"

    def __init__(self, where):
        base = where / "aiosmtpd"
        for folder in ("tmp", "new"):
            (base / "mail" / folder).mkdir(parents=True)
        self.maildir = base / "mail/new"
        cert, key = certificate(base)
        super().__init__([PYTHON, __file__, str(cert), str(key), str(base / "mail")], where / "aiosmtpd.log")
        line = wait_until(lambda: next((l for l in self.text().splitlines() if l.startswith("listening ")), None),
                          "aiosmtpd to listen")
        self.port = int(line.split()[1])


class Keeper:
    def __init__(self, maildir):
        self.maildir, self.kept = maildir, 0

    async def handle_DATA(self, server, session, envelope):
        self.kept += 1
        written = self.maildir / "tmp" / str(self.kept)
        written.write_bytes(f"Delivered-To: {', '.join(envelope.rcpt_tos)}\r\n"
                            f"Received: by {HOST} with {'ESMTPS' if session.ssl else 'ESMTP'}\r\n".encode() + envelope.content)
        os.rename(written, self.maildir / "new" / str(self.kept))
        return "250 2.0.0 kept"


async def serve(cert, key, maildir):
    from aiosmtpd.smtp import SMTP

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    keeper = Keeper(pathlib.Path(maildir))
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(keeper, tls_context=context, hostname=HOST),
                                                            "127.0.0.1", 0)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
