"""A private chasquid from a package that is unpacked, not installed. Needs root: it must not reach a resolver (SPF)."""

import collections
import os

from harness import free_port, port_open, wait_until
from receiver import HOST, Receiver, UNPACKED, certificate, no_resolver, with_mounts

BINARY = UNPACKED / "chasquid/usr/bin/chasquid"

CONFIG = """\
hostname: "{host}"
smtp_address: "127.0.0.1:{port}"
submission_address: "127.0.0.1:0"
submission_over_tls_address: "127.0.0.1:0"
mail_delivery_agent_bin: "{where}/deliver"
mail_delivery_agent_args: "%to%"
data_dir: "{where}/data"
mail_log_path: "<stdout>"
"""

DELIVER = """\
#!/bin/sh
set -e
file=$(mktemp {where}/mail/tmp/XXXXXXXXXXXX)
{{ echo "Delivered-To: $1"; cat; }} >"$file"
mv "$file" {where}/mail/new/
"""


def usable():
    return os.geteuid() == 0 and BINARY.exists()


class Chasquid(Receiver):
    """Takes mail for `recipients`: it knows its users by name."""

    def __init__(self, where, recipients):
        base = where / "chasquid"
        certificates = base / "etc/certs" / HOST
        for folder in (certificates, base / "data", base / "mail/tmp", base / "mail/new"):
            folder.mkdir(parents=True)
        users = collections.defaultdict(str)
        for recipient in recipients:
            name, domain = recipient.split("@")
            users[domain] += f'users: {{ key: "{name}" value: {{ plain: {{ password: "unused" }} }} }}\n'
        for domain, text in users.items():
            (base / "etc/domains" / domain).mkdir(parents=True)
            (base / "etc/domains" / domain / "users").write_text(text)
        cert, key = certificate(base)
        cert.rename(certificates / "fullchain.pem")
        key.rename(certificates / "privkey.pem")
        self.port = free_port()
        self.maildir = base / "mail/new"
        self.spool = (base / "data/queue",)
        (base / "etc/chasquid.conf").write_text(CONFIG.format(host=HOST, port=self.port, where=base))
        deliver = base / "deliver"
        deliver.write_text(DELIVER.format(where=base))
        deliver.chmod(0o755)
        super().__init__(with_mounts([BINARY, "-config_dir", base / "etc"], no_resolver(base)), where / "chasquid.log")
        wait_until(lambda: port_open(self.port), "chasquid to listen")
