"""A private relay that wants a login: aiosmtpd, with STARTTLS and one user, a line per recipient and per login in a log.

As a program it is the server itself: relay_server.py CERTIFICATE KEY USER PASSWORD LOG, and says where it listens.
"""

import asyncio
import ssl
import subprocess
import sys

from harness import Process, wait_until
from aiosmtpd_server import PYTHON


def certificate(where):
    """A self-signed certificate for this machine, which a client that is told to trust it can verify."""
    cert, key = where / "relay.pem", where / "relay.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=relay.example.com",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)], check=True,
                   capture_output=True)
    return cert, key


class RelayServer(Process):
    def __init__(self, where, user="me", password="correct horse"):
        self.certificate, key = certificate(where)
        self.seen = where / "relay-seen"
        self.seen.touch()
        super().__init__([PYTHON, __file__, str(self.certificate), str(key), user, password, str(self.seen)], where / "relay.log")
        line = wait_until(lambda: next((l for l in self.text().splitlines() if l.startswith("listening ")), None),
                          "the relay to listen")
        self.port = int(line.split()[1])

    def lines(self, word):
        return [line.split(" ", 1)[1] for line in self.seen.read_text().splitlines() if line.startswith(word + " ")]


async def serve(cert, key, user, password, seen):
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

    log = open(seen, "a", buffering=1)

    class Keeper:
        async def handle_DATA(self, server, session, envelope):
            how = "tls" if session.ssl else "clear"
            log.write("".join(f"{how} {rcpt}\n" for rcpt in envelope.rcpt_tos))
            return "250 2.0.0 kept"

    def known(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        log.write(f"login {'good' if good else 'bad'} {mechanism}\n")
        return AuthResult(success=good, handled=False)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    make = lambda: SMTP(Keeper(), tls_context=context, hostname="relay.example.com", authenticator=known, auth_required=True,
                        auth_require_tls=False)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
