"""What the private receivers share: where they are, a certificate, private mounts, and the reading of what they stored."""

import collections
import os
import re
import shlex
import subprocess

from harness import Process, SOURCE

UNPACKED = SOURCE / "build/receivers"
HOST = "mx.example.net"

Stored = collections.namedtuple("Stored", "recipient protocol message")

ADDED = re.compile(rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Envelope-To|Received|Received-SPF):[^\n]*\n"
                   rb"(?:[ \t][^\n]*\n)*)*", re.I)


def stored(raw, newline):
    """What a receiver wrote, taken apart: recipient, protocol it came by ("ESMTPS"), message in CRLF without what it added."""
    added = raw[:ADDED.match(raw).end()]
    recipient = re.search(rb"^(?:X-Original-To|Envelope-To|Delivered-To): ([^\r\n]*)", added, re.M | re.I).group(1)
    protocol = re.search(rb"\swith (E?SMTPS?)\b", added, re.I)
    message = raw[len(added):]
    return Stored(recipient.decode(), protocol and protocol.group(1).upper().decode(),
                  message if newline == b"\r\n" else message.replace(newline, b"\r\n"))


class Receiver(Process):
    """Keeps each message in a file of its own in `maildir`, with line ends as `newline` says; until then in `spool`."""

    maildir = None
    spool = ()
    newline = b"\n"

    def files(self):
        return list(self.maildir.iterdir()) if self.maildir.exists() else []

    def idle(self):
        """Nothing that was accepted is still on its way."""
        return not any(files for folder in self.spool for _, _, files in os.walk(folder))

    def messages(self):
        return [stored(path.read_bytes(), self.newline) for path in self.files()]


def certificate(where):
    """A self-signed certificate for HOST: (certificate file, key file)."""
    cert, key = where / "cert.pem", where / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext",
                    f"subjectAltName=DNS:{HOST}", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


def with_mounts(argv, mounts):
    """argv in a mount namespace of its own, where `mounts` (system path: what to show there) take the system's place."""
    binds = "".join(f"mount --bind {shlex.quote(str(shown))} {shlex.quote(path)} && " for path, shown in mounts.items())
    return ["unshare", "--mount", "sh", "-c", binds + 'exec "$@"', "sh", *map(str, argv)]


def no_resolver(where):
    """A resolv.conf whose server is not there, for receivers that look their clients and senders up."""
    path = where / "resolv.conf"
    path.write_text("nameserver 127.0.0.2\noptions timeout:1 attempts:1\n")
    return {"/etc/resolv.conf": path}
