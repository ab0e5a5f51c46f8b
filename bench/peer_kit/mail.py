"""The mail of a workload, in the form each peer takes: a campaign and its list, one rendered message, the bare addresses."""

import pathlib
import subprocess

KEY_DOMAIN = "example.com"
SENDER = "news@example.com"
PARAGRAPH = ("Dear {{first_name}} {{last_name}}, this is what is new in {{city}} this month: " +
             "the river path has lights now, and the library is open on Sundays again. " * 6)


class Mail:
    """Written into `where`."""

    def __init__(self, where, workload, messages, volley):
        self.where, self.workload, self.messages = pathlib.Path(where), workload, messages
        self.where.mkdir()
        self.where.chmod(0o755)
        self.list, self.recipients = self.where / "list.csv", self.where / "recipients.txt"
        self.body = self.where / ("body.html" if workload.page else "body.txt")
        self.campaign, self.config = self.where / "campaign.toml", self.where / "volley.toml"
        self.message, self.key = self.where / "message.eml", self.where / "key.pem"
        self._write_list()
        self._write_body()
        self._write_campaign()
        if workload.sign:
            subprocess.run([volley, "dkim", "keygen", "--domain", KEY_DOMAIN, "--out", self.key], check=True, capture_output=True)
        rendered = subprocess.run([volley, "render", "-c", self.config, self.campaign], check=True, capture_output=True).stdout
        self.message.write_bytes(rendered.replace(b"\r\n", b"\n"))  # its readers make CRLF of it

    def _write_list(self):
        """Rows of about 100 bytes."""
        with open(self.list, "w") as rows, open(self.recipients, "w") as addresses:
            rows.write("email,first_name,last_name,city,token\n")
            for i in range(self.messages):
                address = f"subscriber{i:07d}@domain{i % self.workload.domains:05d}.example.net"
                rows.write(f"{address},First{i % 9973},Lastname{i % 7919},City{i % 997},{i * 2654435761 % 2**64:016x}\n")
                addresses.write(address + "\n")

    def _write_body(self):
        size, before, after, end = 3650, "", "\n\n", "Unsubscribe: https://example.com/u?t={{token}}\n"
        if self.workload.page:
            size, before, after = 75_000, '<tr><td class="story"><p>', "</p></td></tr>\n"
        part = before + PARAGRAPH + after
        body = part * -(-size // len(part)) + end  # `size` at least
        self.body.write_text(f"<html><body><table>\n{body}</table></body></html>\n" if self.workload.page else body)

    def _write_campaign(self):
        kind = "html_file" if self.workload.page else "text_file"
        self.campaign.write_text(f'name = "bench"\nfrom = "Example News <{SENDER}>"\nsubject = "News for {{{{first_name}}}}"\n'
                                 f'{kind} = "{self.body.name}"\nrecipients = "{self.list.name}"\n'
                                 '[retry]\nfirst_delay = "1s"\nmax_delay = "1s"\n')
        self.config.write_text(f'[dkim."{KEY_DOMAIN}"]\nselector = "volley"\nkey_file = "{self.key}"\n'
                               if self.workload.sign else "")


class Mails:
    """Each kind once: workloads that differ in how it is sent share it."""

    def __init__(self, where, volley):
        self.where, self.volley, self.made, self.begun = pathlib.Path(where), volley, {}, 0

    def of(self, workload, messages):
        kind = (workload.domains, workload.sign, workload.page, messages)
        if kind not in self.made:
            self.begun += 1
            self.made[kind] = Mail(self.where / f"mail-{self.begun}", workload, messages, self.volley)
        return self.made[kind]
