"""A zone file signed on the spot with a key of its own (ldnsutils), for a validating resolver that is told to trust it."""

import pathlib
import subprocess


def usable():
    return all(pathlib.Path("/usr/bin", tool).exists() for tool in ("ldns-keygen", "ldns-signzone"))


class SignedZone:
    """`records` come without $ORIGIN, SOA and NS, which are added. falsify() changes it behind the signatures' back."""

    def __init__(self, where, name, records):
        self.name = name
        directory = where / f"zone-{name}"
        directory.mkdir()
        plain = directory / "zone"
        plain.write_text(f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 120\n@ NS ns\nns A 192.0.2.53\n{records}\n")
        run = lambda *argv: subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name)
        run("ldns-signzone", "-f", "signed", plain.name, key)
        self.path = directory / "signed"
        self.anchor = (directory / f"{key}.ds").read_text().strip()

    def falsify(self, old, new):
        text = self.path.read_text()
        if old not in text:
            raise AssertionError(f"{self.name} has no {old!r}:\n{text}")
        self.path.write_text(text.replace(old, new, 1))
        return self


def options(zones):
    """What unbound.conf wants of them: trust anchors first, they belong to the server's section."""
    return ("".join(f'  trust-anchor: "{zone.anchor}"\n' for zone in zones) +
            "".join(f'auth-zone:\n  name: "{zone.name}."\n  zonefile: "{zone.path}"\n  for-downstream: no\n  for-upstream: yes\n'
                    "  fallback-enabled: no\n" for zone in zones))
