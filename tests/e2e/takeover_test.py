"""Two engines on one Redis: when one is killed the other goes on with its mail, and one that was frozen past its lease does no harm."""

import pathlib
import random
import sys
import unittest

from harness import *

sys.path.insert(0, str(SOURCE / "tests/chaos"))
from faults import PROGRESS, WIRE, KilledOneOfTwo  # noqa: E402
from pair import Pair  # noqa: E402

RECIPIENTS = 20_000

# All that one partition has in Redis, but for the time until which it is owned.
SNAPSHOT = """
local all = {}
for p = 0, 63 do
  local prefix = string.format('volley:{p%02d}:', p)
  local keys = redis.call('KEYS', prefix .. '*')
  table.sort(keys)
  for _, key in ipairs(keys) do
    if key == prefix .. 'own' then
      local own = redis.call('HMGET', key, 'owner', 'epoch', 'n')
      all[#all + 1] = key .. '=' .. table.concat({own[1] or '', own[2] or '', own[3] or ''}, '/')
    else
      all[#all + 1] = key .. '=' .. redis.sha1hex(redis.call('DUMP', key))
    end
  end
end
return table.concat(all, '\\n')
"""


@contextlib.contextmanager
def half_sent():
    """A pair of engines in the middle of a campaign."""
    with workdir() as where:
        pair = Pair(where, "always", RECIPIENTS, random.Random())
        try:
            pair.start()
            wait_until(lambda: pair.received() > RECIPIENTS * 0.3, "mail to arrive")
            yield pair
        finally:
            pair.stop()


class Takeover(unittest.TestCase):
    def test_one_is_killed(self):
        with half_sent() as pair:
            took = KilledOneOfTwo().strike(pair)
            lost, twice = pair.count(pair.finish())
            print(f"killed: taken over after {took:.1f} s, {lost} lost, {twice} twice (allowed {pair.allowed})")
            self.assertEqual(lost, 0)
            self.assertLessEqual(twice, pair.allowed)

    def test_one_is_frozen(self):
        with half_sent() as pair:
            victim = pair.busier()
            before = pair.epochs()
            pair.engines[victim].child.send_signal(signal.SIGSTOP)
            allowed = WIRE + pair.arrivals.lately(PROGRESS)
            try:
                wait_until(lambda: pair.owned()[victim] == 0, "the other engine to take over")
                wait_until(lambda: pair.state() == "finished", "the campaign to be sent")
                told = ("local n = 0 for p = 0, 63 do if redis.call('HGET', string.format('volley:{p%02d}:c:test', p), 'state') == 'running' "
                        "then n = n + 1 end end return n")
                wait_until(lambda: pair.queue.client("EVAL", told, "0").strip() == "0", "every partition to have heard of that")
                self.assertTrue(all(new > old for new, old in zip(pair.epochs(), before)))
                queue, sent = pair.queue.client("EVAL", SNAPSHOT, "0"), pair.received()
                self.assertIn("volley:{p00}:own=", queue)
            finally:
                pair.engines[victim].child.send_signal(signal.SIGCONT)
            pair.engines[victim].stop(seconds=60)  # it settles what it can, and ends
            gathered = pair.received() - sent
            self.assertEqual(pair.queue.client("EVAL", SNAPSHOT, "0"), queue)
            lost, twice = pair.count(pair.finish())
            print(f"frozen: sent {gathered} more (allowed {WIRE}), {lost} lost, {twice} twice (allowed {allowed + WIRE})")
            self.assertEqual(lost, 0)
            self.assertLessEqual(gathered, WIRE)
            self.assertLessEqual(twice, allowed + WIRE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
