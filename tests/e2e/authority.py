"""A certificate authority of the test's own, and what a TLSA record says of a certificate."""

import hashlib
import subprocess


def openssl(*argv, data=None):
    return subprocess.run(["openssl", *map(str, argv)], input=data, check=True, capture_output=True).stdout


class Authority:
    def __init__(self, where):
        self.where = where
        self.certificate, self._key = where / "ca.pem", where / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA", "-addext",
                "keyUsage=critical,keyCertSign", "-keyout", self._key, "-out", self.certificate)

    def issue(self, name, *hosts):
        """(chain, key) for these host names; `name` is that of the files. The chain has the authority, too: DANE's usage 2 wants it."""
        cert, key, request, extensions = (self.where / f"{name}{suffix}" for suffix in (".pem", ".key", ".csr", ".ext"))
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", cert)
        cert.write_text(cert.read_text() + self.certificate.read_text())
        key.chmod(0o600)
        return cert, key


def key_digest(certificate):
    """The data of a TLSA record x 1 1 for it: SHA-256 of its public key."""
    public = openssl("x509", "-in", certificate, "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()
