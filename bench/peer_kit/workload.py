"""What is sent, and to what kind of receiver."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    domains: int = 1
    connections: int = 20
    delay_ms: int = 0     # of every reply
    tls: bool = False
    sign: bool = False    # DKIM, RSA-2048
    refused: float = 0.0  # share of recipients that get a 4xx once
    page: bool = False    # 75 KB of HTML in place of 4 KiB of text
    scale: float = 1.0    # of --messages: some take longer
    beside_w1: bool = False  # its figure is a share of W1's: W1 is run right before, since the machine's speed drifts

    def sink_options(self):
        options = [] if self.tls else ["--no", "STARTTLS"]
        if self.delay_ms:
            options += ["--delay", str(self.delay_ms)]
        if self.refused:
            options += ["--rule", f"rcpt:{self.refused}:@=1:451 4.2.1 mailbox busy, try again"]
        return options



def beside(workload):
    """W1 as it is run right before a run of another workload."""
    return dataclasses.replace(WORKLOADS["W1"], name=f"W1 beside {workload.name}")


WORKLOADS = {workload.name: workload for workload in [
    Workload("W1", "one destination, 20 connections, 4 KiB personalised"),
    Workload("W2", "W1 in 100 domains", domains=100, beside_w1=True),
    Workload("W2b", "W1 in 10,000 domains", domains=10_000, beside_w1=True),
    Workload("W3", "W1, every reply 20 ms later", delay_ms=20, scale=0.1),
    Workload("W4", "W1 over STARTTLS", tls=True, beside_w1=True),
    Workload("W5", "W1 signed with RSA-2048", sign=True, scale=0.4, beside_w1=True),
    Workload("W6", "W1 over one connection", connections=1, scale=0.5),
    Workload("W7", "W1, one recipient in ten gets a 451 first; tried again after a second", refused=0.1),
    Workload("W8", "75 KB of HTML, STARTTLS, RSA-2048, every reply 50 ms later, 500 domains, one in twenty gets a 451 first", domains=500,
             delay_ms=50, tls=True, sign=True, refused=0.05, page=True, scale=0.05),
]}
