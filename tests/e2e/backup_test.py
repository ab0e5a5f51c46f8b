"""Restored backups: a queue older than the journal, a journal older than its queue; nothing is sent until reconcile has said what it does."""

import collections
import shutil
import unittest

from harness import *


class Backup(unittest.TestCase):
    def setUp(self):
        self._stack = contextlib.ExitStack()
        self.addCleanup(self._stack.close)
        self.where = self._stack.enter_context(workdir())
        self.data = self.where / "data"
        self.place = ["--data", self.data]

    def sink(self, *arguments, **options):
        return self._stack.enter_context(Sink(self.where, *arguments, **options))

    def send(self, campaign, sink, *arguments, check=0):
        return volley("send", campaign, *self.place, "--route", f"*={sink.address}", "--json", *arguments, check=check)

    def reconcile(self, *arguments, check=0):
        return summary(volley("queue", "reconcile", *self.place, "--json", *arguments, check=check))

    def keep(self, *names):
        for name in names:
            source, copy = self.data / name, self.where / f"kept-{name}"
            if copy.is_dir():
                shutil.rmtree(copy)
            if source.is_dir():
                shutil.copytree(source, copy)
            elif source.exists():
                shutil.copy(source, copy)

    def restore(self, *names):
        for name in names:
            target, copy = self.data / name, self.where / f"kept-{name}"
            if target.is_dir():
                shutil.rmtree(target)
            elif target.exists():
                target.unlink()
            if copy.is_dir():
                shutil.copytree(copy, target)
            elif copy.exists():
                shutil.copy(copy, target)

    def interrupt(self, campaign, sink, sig, wanted):
        """Starts to send and stops when so many messages are there."""
        argv = [VOLLEY, "send", str(campaign), *map(str, self.place), "--route", f"*={sink.address}", "--connections", "2"]
        with Process(argv, self.where / "send.log") as send:
            wait_until(lambda: len(sink.messages()) >= wanted, "some mail")
            send.child.send_signal(sig)
            send.child.wait(60)
        # The embedded server, too, has ended.
        wait_until(lambda: volley("campaign", "list", *self.place).returncode == 0, "the queue to be free")

    def everybody_once(self, sink, recipients):
        counts = collections.Counter(sink.recipients())
        self.assertEqual(len(counts), recipients)
        self.assertEqual(set(counts.values()), {1})

    def test_a_queue_from_before_the_campaign_was_sent(self):
        sink = self.sink()
        campaign = write_campaign(self.where, 300)
        self.send(campaign, sink, "--hold", check=75)
        self.keep("redis")
        self.send(campaign, sink)
        self.restore("redis")
        refused = volley("send", campaign, *self.place, "--route", f"*={sink.address}", check=65)
        self.assertEqual(len(refused.stderr.strip().splitlines()), 1, refused.stderr)
        self.assertIn("volley queue reconcile", refused.stderr)
        refused = volley("serve", *self.place, "--route", f"*={sink.address}", check=65)
        self.assertIn("volley queue reconcile", refused.stderr)
        self.everybody_once(sink, 300)

        for arguments, code in ((["--dry-run"], 0), ([], 75)):
            said = self.reconcile(*arguments, check=code)
            self.assertEqual((said["found"], said["dry_run"]), ("queue_older", True))
            self.assertEqual([(c["campaign"], c["delivered"]) for c in said["campaigns"]], [("test", 300)])
        self.assertIn("restored from a backup", volley("queue", "reconcile", *self.place, check=75).stdout)
        self.send(campaign, sink, check=65)
        done = self.reconcile("--yes")
        self.assertEqual((done["dry_run"], done["campaigns"][0]["delivered"]), (False, 300))
        s = summary(self.send(campaign, sink))
        check_identity(s)
        self.assertEqual((s["state"], s["delivered"]), ("finished", 300))
        self.everybody_once(sink, 300)
        self.assertEqual(self.reconcile()["found"], "as_left")

    def test_whoever_was_forgotten_since_is_forgotten_again(self):
        sink = self.sink()
        campaign = write_campaign(self.where, 20)
        queued = lambda: [json.loads(line)["recipient"] for line in
                          volley("queue", "list", "--limit", "100", *self.place, "--json", check=0).stdout.splitlines()]
        self.send(campaign, sink, "--hold", check=75)
        person = sorted(queued())[3]
        self.keep("redis")
        volley("forget", person, *self.place, check=0)
        self.assertNotIn(person, queued())
        self.send(write_campaign(self.where, 5, name="later"), sink)
        self.restore("redis")
        self.assertIn(person, queued())
        done = volley("queue", "reconcile", "--yes", *self.place, check=0).stdout
        self.assertIn("`volley forget ADDRESS` again, before engines start", done)
        volley("forget", person, *self.place, check=0)
        s = summary(self.send(write_campaign(self.where, 20), sink))
        check_identity(s)
        self.assertEqual((s["delivered"], s["cancelled"]), (19, 1))
        self.assertNotIn(person, sink.recipients())
        self.assertNotIn("forgotten", volley("queue", "reconcile", "--yes", *self.place, check=0).stdout)

    def test_a_queue_from_the_middle_with_mail_in_flight(self):
        sink = self.sink("--delay", "10", "--rule", "rcpt:0.05:550 5.1.1 no such user")
        campaign = write_campaign(self.where, 2000)
        self.interrupt(campaign, sink, signal.SIGKILL, 200)
        self.keep("redis")  # with leases in it
        self.interrupt(campaign, sink, signal.SIGTERM, 900)
        self.restore("redis")
        before = len(sink.messages())
        self.send(campaign, sink, check=65)
        self.assertEqual(len(sink.messages()), before)
        done = self.reconcile("--yes")
        self.assertEqual(done["found"], "queue_older")
        self.assertGreater(done["campaigns"][0]["delivered"], 500)
        self.assertGreater(done["campaigns"][0]["bounced"], 0)
        s = summary(self.send(campaign, sink))
        check_identity(s)
        self.assertEqual((s["state"], s["queued"], s["delivered"] + s["bounced"]), ("finished", 0, 2000))
        counts = collections.Counter(sink.recipients())
        self.assertEqual(len(counts), s["delivered"])
        # At most what was on the wire when it was killed.
        self.assertLessEqual(sum(n - 1 for n in counts.values()), 2 * 8)

    def test_a_data_directory_older_than_its_queue(self):
        sink = self.sink()
        campaign = write_campaign(self.where, 100)
        self.send(campaign, sink)
        names = ("history", "journal", "events.jsonl", "learned.json")
        self.keep(*names)
        second = write_campaign(self.where, 100, name="second")
        self.send(second, sink)
        self.restore(*names)
        third = write_campaign(self.where, 100, name="third")
        self.assertIn("older than the queue", self.send(third, sink, check=65).stderr)
        self.assertEqual(len(sink.messages()), 200)
        self.assertEqual(self.reconcile("--yes")["found"], "directory_older")
        self.send(third, sink)
        self.assertEqual(len(sink.messages()), 300)

    def test_what_is_no_restored_backup(self):
        """A new data directory on a queue that is there; kills; another queue; each is ordinary."""
        sink = self.sink("--delay", "5")
        campaign = write_campaign(self.where, 600)
        with Redis(self.where, name="one") as one, Redis(self.where, name="two") as two:
            for i, redis in enumerate((one, two, one)):
                data = self.where / ("a" if i < 2 else "b")
                argv = [VOLLEY, "send", str(campaign), "--data", str(data), "--queue", redis.url, "--route", f"*={sink.address}"]
                for _ in range(3):
                    before = len(sink.messages())
                    with Process(argv, self.where / "send.log") as send:
                        wait_until(lambda: len(sink.messages()) > before or send.child.poll() is not None, "mail")
                        send.child.kill()
                        send.child.wait()
                        self.assertNotIn("reconcile", send.text())
                volley(*argv[1:], check=0, timeout=120)

    def test_a_queue_that_is_restored_under_a_running_engine(self):
        sink = self.sink("--delay", "20")
        campaign = write_campaign(self.where, 4000, extra="sign = false\n")
        redis = self._stack.enter_context(Redis(self.where))
        data = ["--data", self.data, "--queue", redis.url]
        volley("send", campaign, *data, "--hold", check=75)
        with Process([VOLLEY, "serve", *map(str, data), "--route", f"*={sink.address}", "--connections", "2"], self.where / "serve.log") as serve:
            wait_until(lambda: "engine" in volley("status", *data).stdout, "the engine")
            redis.stop()
            self.restart(redis)
            shutil.copytree(self.where / "redis", self.where / "old")
            volley("campaign", "resume", "test", *data, check=0)
            wait_until(lambda: self.mark(redis) > self.mark_in_backup + 10 and len(sink.messages()) > 100, "marks and mail", 60)
            redis.stop()
            shutil.rmtree(self.where / "redis")
            shutil.copytree(self.where / "old", self.where / "redis")
            self.restart(redis)
            wait_until(lambda: "reconcile" in serve.text(), "the engine to see it")
            serve.child.terminate()
            serve.child.wait(60)
        # Sent by the engine before it saw it.
        before = len(sink.messages()) - len(set(sink.recipients()))
        volley("send", campaign, *data, "--route", f"*={sink.address}", check=65)
        volley("queue", "reconcile", "--yes", *data, check=0)
        s = summary(volley("send", campaign, *data, "--route", f"*={sink.address}", "--json", check=0))
        check_identity(s)
        counts = collections.Counter(sink.recipients())
        self.assertEqual(len(counts), 4000)
        # And at most what was on the wire when it was stopped: it is in trouble, and does not wait.
        self.assertLessEqual(sum(n - 1 for n in counts.values()), before + 2 * 8)

    def test_those_that_are_tried_again_are_not_taken_for_what_they_were(self):
        rude, kind = self.sink("--rule", "rcpt:0.3:550 5.1.1 no such user"), self.sink(name="kind")
        campaign = write_campaign(self.where, 100)
        bounced = summary(self.send(campaign, rude))["bounced"]
        self.assertGreater(bounced, 0)
        volley("campaign", "retry", "test", "--outcome", "bounced", *self.place, check=0)
        self.keep("redis")
        self.assertEqual(self.reconcile("--yes")["campaigns"], [])
        s = summary(self.send(campaign, kind))
        check_identity(s)
        self.assertEqual((s["delivered"], s["bounced"], s["queued"]), (100, 0, 0))
        # What the event log says last of them counts once the queue is from before it.
        self.restore("redis")
        done = self.reconcile("--yes")
        self.assertEqual([(c["delivered"], c["bounced"]) for c in done["campaigns"]], [(bounced, 0)])
        s = summary(self.send(campaign, kind))
        self.assertEqual((s["state"], s["delivered"], s["bounced"]), ("finished", 100, 0))
        self.assertEqual(len(kind.messages()), bounced)

    def test_a_restored_queue_that_another_engine_is_at_work_on(self):
        sink, slow = self.sink(), self.sink("--rule", "dot:1:stall", name="slow")
        campaign = write_campaign(self.where, 20, extra="sign = false")
        redis = self._stack.enter_context(Redis(self.where))
        data, route = ["--data", self.data, "--queue", redis.url], ["--route", f"*={sink.address}"]
        volley("send", campaign, *data, "--hold", check=75)
        redis.stop()
        shutil.copytree(self.where / "redis", self.where / "old")
        self.restart(redis, marked=False)
        volley("send", campaign, *data, *route, check=0)
        redis.stop()
        shutil.rmtree(self.where / "redis")
        shutil.copytree(self.where / "old", self.where / "redis")
        self.restart(redis, marked=False)
        reconcile = ["queue", "reconcile", "--yes", "--json", *data]
        other = [VOLLEY, "serve", "--data", str(self.where / "other"), "--queue", redis.url, "--route", f"*={slow.address}"]
        with Process(other, self.where / "other.log") as serve:
            volley("campaign", "resume", "test", *data, check=0)
            wait_until(lambda: '"where":"in_flight"' in volley("queue", "list", "--json", *data).stdout, "mail in flight")
            busy = summary(volley(*reconcile, check=75))
            self.assertGreater(sum(c["left"] for c in busy["campaigns"]), 0)
            self.assertIn("run this again", volley("queue", "reconcile", "--yes", *data, check=75).stdout)
            volley("send", campaign, *data, *route, check=65)
            serve.child.kill()
            serve.child.wait(60)
        # Its leases run out.
        wait_until(lambda: volley(*reconcile).returncode == 0, "the rest to be free", 60)
        volley("send", campaign, *data, *route, check=0)
        self.everybody_once(sink, 20)

    def mark(self, redis):
        out = subprocess.run(["redis-cli", "-p", str(redis.port), "HVALS", "volley:{g}:history"], capture_output=True, text=True)
        return int(out.stdout.split()[0]) if out.stdout.strip().isdigit() else 0

    def restart(self, redis, marked=True):
        again = Process(["redis-server", "--port", str(redis.port), "--bind", "127.0.0.1", "--dir", str(self.where / "redis"), "--save", "",
                         "--appendonly", "yes", "--appendfsync", "always"], self.where / "redis.log")
        self._stack.enter_context(again)
        redis.child, redis._out = again.child, again._out
        wait_until(lambda: port_open(redis.port) and (self.mark(redis) > 0 or not marked), "redis")
        self.mark_in_backup = self.mark(redis)


if __name__ == "__main__":
    unittest.main(verbosity=2)
