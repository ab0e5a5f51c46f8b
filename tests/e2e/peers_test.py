"""bench/peers: what it refuses, that it measures, that it leaves nothing behind. And bench/ceiling, its yardstick."""

import types
import unittest

from harness import *

sys.path.insert(0, str(SOURCE / "bench"))
from peer_kit import group, measure, report, volley as volley_peer  # noqa: E402

BUILD = pathlib.Path(VOLLEY).resolve().parents[2]
CEILING = BUILD / "bench/ceiling"
PEERS = ["/usr/bin/python3", str(SOURCE / "bench/peers")]


def groups(pid):
    """Of a bench/peers that is or was this process."""
    return list(group.root().glob(f"volley-peers-{pid}-*"))


def usable():
    try:
        on_disk = measure.file_system(tempfile.gettempdir()) not in measure.MEMORY
        return on_disk and volley_peer.is_release(BUILD) and group.root()
    except group.NoGroups:
        return False


def result(peer, workload, seconds, **more):
    return measure.Result(peer, workload, 1000, seconds, **{
        "cpu": 1.0, "sink_cpu": 0.1, "injector_cpu": 0.0, "anonymous": 0, "resident": 0, "processes": {}, "extra": 0, **more})


class Ceiling(unittest.TestCase):
    STREAM = ["--bdat", "--in-flight", "8"]

    def ceiling(self, where, address, *arguments):
        (where / "message.eml").write_text("Subject: a\n\n.a dot\nbye\n")
        (where / "recipients.txt").write_text("".join(f"user{i}@example.net\n" for i in range(500)))
        return subprocess.run([CEILING, "--to", address, "--message", where / "message.eml", "--recipients", where / "recipients.txt",
                               "--messages", "500", "--connections", "3", *arguments], capture_output=True, text=True, timeout=60)

    def test_everybody_gets_it_once(self):
        """However replies come: in lock-step, pipelined, by BDAT, eight at a time, with refusals at every step, on connections that end."""
        rules = [word for step in ("mail", "rcpt", "data", "dot") for word in ("--rule", f"{step}:0.1:@=1:451 4.3.2 later")]
        for offered, arguments in ((["--no", "PIPELINING"], []), ([], []), ([], ["--bdat"]), ([], ["--per-connection", "7"]),
                                   (["--max-messages", "5"], []), ([], self.STREAM), ([], [*self.STREAM, "--per-connection", "7"]),
                                   (["--max-messages", "5"], self.STREAM)):
            with self.subTest(offered=offered, arguments=arguments), workdir() as where, Sink(where, *rules, *offered) as sink:
                run = self.ceiling(where, sink.address, *arguments)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertEqual(json.loads(run.stdout)["messages"], 500)
                self.assertGreater(json.loads(run.stdout)["tried_again"], 0)
                self.assertEqual(sorted(sink.recipients()), sorted(f"user{i}@example.net" for i in range(500)))
                self.assertEqual({m["sha256"] for m in sink.messages()}, {mime_sha(b"Subject: a\r\n\r\n.a dot\r\nbye\r\n")})

    def test_what_it_refuses(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:550 5.1.1 no") as sink:
            self.assertIn("192.0.2.1:25: not loopback", self.ceiling(where, "192.0.2.1:25").stderr)
            run = self.ceiling(where, sink.address)
            self.assertEqual((run.returncode, run.stderr.strip()), (1, "ceiling: refused: 550 5.1.1 no"))
            run = self.ceiling(where, sink.address, "--in-flight", "8")
            self.assertEqual((run.returncode, run.stderr.strip()), (1, "ceiling: --in-flight is for --bdat"))

    def test_eight_are_in_flight(self):
        """The first message is answered when the eighth is there, and there is no ninth by then."""
        with workdir() as where, socket.create_server(("127.0.0.1", 0)) as server:
            (where / "m").write_text("Subject: a\n\nhello\n")
            (where / "r").write_text("user@example.net\n")
            with Process([CEILING, "--to", f"127.0.0.1:{server.getsockname()[1]}", "--message", where / "m", "--recipients", where / "r",
                          "--messages", "16", "--connections", "1", *self.STREAM], where / "ceiling.log") as ceiling:
                with server.accept()[0] as peer, peer.makefile("rb") as lines:
                    peer.settimeout(60)
                    peer.sendall(b"220 a\r\n")
                    lines.readline()
                    peer.sendall(b"250\r\n")  # a reply without text is one
                    for _ in range(2):
                        for _ in range(8):
                            self.assertEqual([lines.readline()[:4] for _ in range(6)],
                                             [b"MAIL", b"RCPT", b"BDAT", b"Subj", b"\r\n", b"hell"])
                        peer.setblocking(False)
                        self.assertEqual(lines.peek(), b"")
                        peer.settimeout(60)
                        peer.sendall(b"250 ok\r\n" * 24)
                    self.assertEqual(ceiling.child.wait(60), 0)
                self.assertEqual(json.loads(ceiling.text())["messages"], 16)


class Refusals(unittest.TestCase):
    def test_sink_elsewhere_other_builds_unknown_names(self):
        with workdir() as where:
            (where / "CMakeCache.txt").write_text("CMAKE_BUILD_TYPE:STRING=Debug\nVOLLEY_SANITIZE:STRING=\n")
            for arguments, said in ((["--host", "192.0.2.1"], "on an IPv4 loopback address only"), (["--host", "::"], "loopback"),
                                    (["--build", str(where)], "is no release build"), (["--only", "W99"], "no workload W99"),
                                    (["--peers", "postman"], "no peer postman")):
                run = subprocess.run([*PEERS, *arguments], capture_output=True, text=True, timeout=60)
                self.assertEqual(run.returncode, 1)
                self.assertIn(said, run.stderr)

    @unittest.skipUnless(os.path.ismount("/dev/shm") and usable(), "needs /dev/shm, and all that is checked before")
    def test_a_directory_in_memory(self):
        run = subprocess.run([*PEERS, "--build", str(BUILD), "--peers", "ceiling"], capture_output=True, text=True, timeout=60,
                             env={**os.environ, "TMPDIR": "/dev/shm"})
        self.assertEqual((run.returncode, run.stderr.split(":")[1]), (1, " /dev/shm is in memory, where a sync costs nothing"))


@unittest.skipUnless(LONG, "VOLLEY_LONG=1 lets peers run, for a minute")
@unittest.skipUnless(usable(), "needs a release build, root, cgroup2 and a disk")
class Runs(unittest.TestCase):
    def test_two_peers_and_their_figures(self):
        with workdir() as where:
            with Process([*PEERS, "--build", str(BUILD), "--only", "W1,W7", "--peers",
                          "volley,volley-data,postfix,postfix-tuned,ceiling,smtp-source", "--messages", "400", "--runs", "2", "--json",
                          str(where / "runs.json"), "--write", str(where / "tables")], where / "peers.log") as bench:
                self.assertEqual(bench.child.wait(300), 0, bench.text())
            found = json.loads((where / "runs.json").read_text())
            self.assertEqual({(r["peer"], r["workload"]): r["messages"] for r in found["runs"]},
                             {("volley", "W1"): 400, ("volley-data", "W1"): 400, ("ceiling", "W1"): 400, ("smtp-source", "W1"): 200,
                              ("postfix", "W1"): 200, ("postfix-tuned", "W1"): 200, ("volley", "W7"): 400, ("volley-data", "W7"): 400,
                              ("ceiling", "W7"): 400, ("postfix", "W7"): 200, ("postfix-tuned", "W7"): 200})
            self.assertEqual(len(found["runs"]), 22)
            for r in found["runs"]:
                self.assertTrue(r["rate"] > 0 and r["cpu"] > 0 and r["sink_cpu"] > 0 and r["extra"] == 0, r)
            # Volley's queue is counted with it, and what Postfix keeps on the disk is seen.
            self.assertIn("redis-server", next(r for r in found["runs"] if r["peer"] == "volley")["processes"])
            self.assertGreaterEqual(found["fsyncs_per_message"]["postfix-tuned"], 0.9)
            self.assertEqual(found["fsyncs_per_message"]["smtp-source"], 0)
            self.assertEqual([f["why"] for f in found["failures"]], ["does not try again"])
            tables = (where / "tables").read_text()
            self.assertIn("- smtp-source: does not try again", tables)
            for ratio in ("W1 against the better of Postfix as packaged and tuned, both end to end and durable",
                          "W1 by DATA against `ceiling` (DATA, one in flight), sending alone"):
                self.assertIn(f"| {ratio} |", tables)
            self.assertRegex(tables, r"(?m)^[-0-9]+, volley \S+, \d+ cores \(.+\), Linux \S+, \w+, 2 runs in turns")
            self.assertRegex(found["versions"]["volley"], r"^volley \d.*; Redis server v=\d")
            self.assertRegex(found["versions"]["postfix"], r"^Postfix \d")
            self.assertEqual(groups(bench.child.pid), [])

    def test_stopped_in_the_middle(self):
        """Nothing runs and nothing lies about afterwards, and the run before is kept: on SIGHUP as on SIGTERM."""
        for stop in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(stop=stop), workdir() as where:
                with Process([*PEERS, "--build", str(BUILD), "--only", "W3", "--peers", "ceiling,postfix-tuned", "--messages", "20000",
                              "--json", str(where / "runs.json"), "--write", str(where / "tables")], where / "peers.log",
                             env={**os.environ, "TMPDIR": str(where)}) as bench:
                    directory = wait_until(lambda: list(where.glob("volley-peers-*/W3-postfix-tuned-1/postfix/queue")), "Postfix to run")
                    wait_until(lambda: any(path.name.endswith("-peer") and (path / "cgroup.procs").read_text()
                                           for path in groups(bench.child.pid)), "its group")
                    bench.stop(stop)
                    self.assertEqual(bench.child.returncode, 128 + stop)
                self.assertFalse(directory[0].exists())
                self.assertEqual((groups(bench.child.pid), list(where.glob("volley-peers-*"))), ([], []))
                self.assertEqual([r["peer"] for r in json.loads((where / "runs.json").read_text())["runs"]], ["ceiling"])
                self.assertIn("| ceiling | 2,000 |", (where / "tables").read_text())

    def test_a_peer_that_prints_nonsense_fails_alone(self):
        """And nothing of its complaints is taken for its summary; an import that does not pause is no import."""
        with workdir() as where:
            build = where / "build"
            (build / "engine/app").mkdir(parents=True)
            (build / "bench").symlink_to(BUILD / "bench")
            (build / "CMakeCache.txt").symlink_to(BUILD / "CMakeCache.txt")
            program = build / "engine/app/volley"
            program.write_text('#!/bin/sh\n[ "$1" = send ] || exec "' + VOLLEY + '" "$@"\necho "{}"\necho complaint >&2\n')
            program.chmod(0o755)
            run = subprocess.run([*PEERS, "--build", str(build), "--only", "W1", "--peers", "volley,volley-send,ceiling", "--messages",
                                  "200", "--runs", "1", "--no-fsyncs", "--json", str(where / "runs.json")], capture_output=True,
                                 text=True, timeout=300)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            found = json.loads((where / "runs.json").read_text())
            self.assertEqual([r["peer"] for r in found["runs"]], ["ceiling"])
            self.assertEqual([f["why"][:48] for f in found["failures"]],
                             ["KeyError: 'delivered'", "volley-send: `send --hold` ends with 0: complaint"[:48]])


class Tables(unittest.TestCase):
    def test_what_strace_counted(self):
        row = "  0.00    0.000000           0        17           fsync\n"
        self.assertEqual(measure.calls(row + "100.00    0.000000           0        17         2 total\n"), 17)
        self.assertEqual(measure.calls(row + "100.00    0.000000          17           total\n"), 17)
        self.assertEqual(measure.calls("\n"), 0)
        self.assertRaisesRegex(RuntimeError, "strace says strace: attach", measure.calls, "strace: attach: not permitted\n")

    def test_ratios_are_of_the_same_run(self):
        table = report.Report([types.SimpleNamespace(name=n, what="", unfair="", durable=True)
                               for n in ("volley", "postfix", "postfix-tuned")])
        for number, mine, theirs in ((1, 1.0, 10.0), (2, 2.0, 40.0)):
            table.add(number, result("volley", "W1", mine))
            table.add(number, result("postfix", "W1", 20.0, cpu=4.0))
            table.add(number, result("postfix-tuned", "W1", theirs, sink_cpu=0.95 * theirs))
        table.add(3, result("volley", "W1", 1.0))
        self.assertEqual(table.ratio((("volley",), "W1"), (("postfix-tuned",), "W1"), "rate"), [10, 20])
        # The better of several: the higher rate, the less CPU, of runs that all of them have.
        table.add(3, result("postfix-tuned", "W1", 1.0))
        self.assertEqual(table.ratio((("volley",), "W1"), (report.POSTFIX, "W1"), "rate"), [10, 10])
        self.assertEqual(table.ratio((report.POSTFIX, "W1"), (("volley",), "W1"), "cpu_per_1000"), [1, 1])
        text = table.workload_table(types.SimpleNamespace(name="W1", title=""))
        self.assertIn("| postfix-tuned | 1,000 | 10.0 | 100 (25..1,000) | 10 (1..20) |", text)
        self.assertIn("- postfix-tuned: **the sink was saturated** (95% of its core)", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
