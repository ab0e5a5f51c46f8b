"""volley campaign show --verify: the queue's outcomes against receivers' logs."""

import unittest

from harness import *


class Verify(unittest.TestCase):
    def verify(self, *logs, check=0):
        given = [word for log in logs for word in ("--verify", log)]
        return volley("campaign", "show", "test", *self.place, *given, "--json", check=check)

    def test_against_honest_and_altered_logs(self):
        with workdir() as where, Sink(where, "--rule", "rcpt:1:user7@:550 5.1.1 no such user") as sink:
            campaign = write_campaign(where, 500, extra='suppress = ["optout.txt"]')
            (where / "optout.txt").write_text("user3@d3.example.net\n")
            self.place = ["--data", where / "data"]
            volley("send", campaign, *self.place, "--route", f"*={sink.address}", check=0)
            log = sink.messages_path

            found = summary(self.verify(log))
            self.assertEqual((found["id"], found["state"], found["identity"], found["broken"]), ("test", "finished", True, []))
            self.assertEqual((found["delivered"], found["in_log"]), (498, 498))
            self.assertEqual([found[key] for key in ("lost", "duplicated", "copies", "wrong", "others", "unreadable")], [0] * 6)
            text = volley("campaign", "show", "test", *self.place, "--verify", log, check=0).stdout
            self.assertIn("campaign test: finished", text)
            self.assertIn("every accepted recipient is accounted for", text)

            lines = log.read_text().splitlines(keepends=True)
            (where / "first.jsonl").write_text("".join(lines[:200]))
            (where / "second.jsonl").write_text("".join(lines[200:]))
            self.assertEqual(summary(self.verify(where / "first.jsonl", where / "second.jsonl"))["in_log"], 498)
            self.assertEqual(summary(self.verify(log, where / "first.jsonl"))["copies"], 200)  # twice is no failure

            short = self.verify(where / "first.jsonl", check=65)
            self.assertEqual(summary(short)["lost"], 298)
            self.assertEqual(len(summary(short)["examples"]), 10)
            self.assertIn("volley: campaign test: 298 lost, 0 wrong", short.stderr)

            with open(where / "more.jsonl", "w") as more:
                for recipient in ("USER7@d7.example.net", "user3@d3.example.net", "somebody@example.org"):
                    more.write(json.dumps({"rcpt": [recipient]}) + "\n")
            found = summary(self.verify(log, where / "more.jsonl", check=65))
            self.assertEqual((found["wrong"], found["others"], found["identity"]), (2, 1, True))
            self.assertIn("user7@d7.example.net: bounced, but in the log", found["examples"])
            self.assertEqual(self.verify(where / "none.jsonl", check=66).stdout, "")

    def test_numbers_that_do_not_add_up(self):
        with workdir() as where, Sink(where) as sink, Redis(where) as redis:
            self.place = ["--data", where / "data", "--queue", redis.url]
            volley("send", write_campaign(where, 50, 1), *self.place, "--route", f"*={sink.address}", check=0)
            ask = lambda *command: subprocess.run(["redis-cli", "-p", str(redis.port), *command], capture_output=True, text=True,
                                                  check=True).stdout
            counted = next(key for key in ask("KEYS", "volley:*:c:test").split() if ask("HGET", key, "delivered").strip() == "50")
            ask("HSET", counted, "delivered", "49")
            result = self.verify(sink.messages_path, check=65)
            self.assertFalse(summary(result)["identity"])
            self.assertIn("49 counted as delivered, but 50 outcomes say so", summary(result)["broken"])
            self.assertIn("it does not add up", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
