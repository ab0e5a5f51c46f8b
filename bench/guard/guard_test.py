#!/usr/bin/env python3
"""That the guard can fail: its arithmetic and its readers, on made-up measurements."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import baseline  # noqa: E402
import callgrind  # noqa: E402
import system_calls  # noqa: E402


def path(functions):
    return {"unit": "message", "instructions": sum(functions.values()), "bytes": 4096, "functions": functions}


class Paths(unittest.TestCase):
    recorded = {"message_data": path({"render": 600, "send": 400})}

    def test_a_regression_names_the_path_and_what_grew(self):
        worse, better = baseline.compare_paths({"message_data": path({"render": 600, "send": 451})}, self.recorded)
        self.assertIn("message_data", worse[0])
        self.assertIn("+5.1%", worse[0])
        self.assertEqual(worse[1:], ["    send: 400 -> 451"])
        self.assertEqual(better, [])

    def test_a_new_function_is_named(self):
        worse, _ = baseline.compare_paths({"message_data": path({"render": 600, "send": 400, "copy": 900})}, self.recorded)
        self.assertIn("    copy: not among the first -> 900", worse)

    def test_five_percent_is_fine(self):
        self.assertEqual(baseline.compare_paths({"message_data": path({"render": 650, "send": 400})}, self.recorded), ([], []))

    def test_progress_fails_until_it_is_recorded(self):
        worse, better = baseline.compare_paths({"message_data": path({"render": 540, "send": 400})}, self.recorded)
        self.assertEqual(worse, [])
        self.assertIn("-6.0%", better[0])
        lines, failed = baseline.verdict(worse, better, [])
        self.assertTrue(failed)
        self.assertIn("run bench/instructions --update and commit the record", lines[0])

    def test_other_work_than_recorded_fails(self):
        now = path({"render": 600, "send": 400})
        for made, said in ((4096 * 1.04, []), (4096 * 1.06, ["bytes"]), (4096 * 0.9, ["bytes"])):
            worse, _ = baseline.compare_paths({"message_data": {**now, "bytes": made}}, self.recorded)
            self.assertEqual(["bytes" for line in worse if "bytes per message" in line], said)

    def test_hints_alone_do_not_fail(self):
        self.assertEqual(baseline.verdict([], [], []), ([], False))
        self.assertFalse(baseline.verdict([], [], ["fewer"])[1])
        self.assertTrue(baseline.verdict(["more"], [], [])[1])

    def test_a_path_that_nobody_replays_is_no_progress(self):
        self.assertTrue(baseline.compare_paths({}, self.recorded)[0])
        self.assertTrue(baseline.compare_paths({"new": path({"f": 1})}, {})[0])

    def test_what_is_recorded_compares_equal(self):
        paths = {"message_data": path({"render": 600.04, "send": 400})}
        self.assertEqual(baseline.compare_paths(paths, baseline.record_paths(paths)), ([], []))


class Limits(unittest.TestCase):
    def test_a_margin_goes_on_top_and_some_have_a_floor(self):
        recorded = baseline.record_calls({"syncs": 0.1, "writes": 0.2}, {}, {"syncs": 2.0, "writes": 0.5}, {"writes": 1.05})
        self.assertEqual(recorded, {"syncs": {"per_message": 0.1, "limit": 0.3},
                                    "writes": {"per_message": 0.2, "limit": 1.05}})

    def test_noise_does_not_creep_into_the_record(self):
        before = {"reads": {"per_message": 1.03, "limit": 1.133}}
        for now, kept in ((1.09, 1.03), (1.01, 1.01), (2.0, 2.0)):
            recorded = baseline.record_calls({"reads": now}, before, {"reads": 0.1}, {})
            self.assertEqual(recorded["reads"]["per_message"], kept)


class Callgrind(unittest.TestCase):
    def test_costs_are_a_functions_own(self):
        text = ("fn=void volley::f<int>(std::vector<int> const&)\n0 100\ncfn=memcpy\ncalls=3 0 \n0 900\n0 5\n\n"
                "fn=volley::(anonymous namespace)::g[abi:cxx11]() [clone .part.0]\n0 7\n"
                "ob=/usr/lib/libre2.so.9\nfn=0x0000000000014e70\n0 3\nfn=0x0000000000014f00\n0 4\n")
        self.assertEqual(callgrind.self_costs(text), {"volley::f": 105, "volley::g": 7, "libre2.so.9": 7})

    def test_names_are_short(self):
        for long, short in (("std::function<void (int)>::operator()(int) const", "std::function::operator()"),
                            ("__memcpy_avx_unaligned_erms", "__memcpy_avx_unaligned_erms"),
                            ("volley::smtp::Client::feed(std::basic_string_view<char>, long)", "volley::smtp::Client::feed")):
            self.assertEqual(callgrind.short_name(long), short)


class SystemCalls(unittest.TestCase):
    def test_calls_are_told_apart_by_what_they_are_for(self):
        trace = ['14738 read(25<socket:[7332106]>,  <unfinished ...>',
                 '14738 <... read resumed>"250 2.0.0 Ok\\r\\n"..., 65536) = 79',
                 '14737 write(6</tmp/x/data/events.jsonl>, "{"..., 299) = 299',
                 '14738 write(9</tmp/x/data/journal/000001>, "x", 1) = 1',
                 '14738 writev(25<TCP:[127.0.0.1:1->127.0.0.1:2]>, [], 3) = 3',
                 '14738 epoll_wait(7<anon_inode:[eventpoll]>, [], 1024, 0) = 1',
                 '14738 futex(0x55cdc21c47bc, FUTEX_WAKE_PRIVATE, 1) = 0', '14737 +++ exited with 0 +++']
        self.assertEqual(system_calls.tally(trace), {"socket reads": 1, "event log writes": 1, "journal writes": 1,
                                                     "socket writes": 1, "epoll waits": 1, "futex": 1})

    def test_a_second_read_per_message_is_over_the_limit(self):
        recorded = {"socket reads": {"per_message": 1.03, "limit": 1.08}}
        self.assertEqual(baseline.over_limit({"socket reads": 1.07}, recorded), [])
        self.assertIn("socket reads", baseline.over_limit({"socket reads": 2.0}, recorded)[0])
        self.assertTrue(baseline.far_below({"socket reads": 0.2}, recorded, {}))
        self.assertEqual(baseline.far_below({"socket reads": 0.9}, recorded, {}), [])

    def test_every_way_to_read_and_write_counts(self):
        for call, way in [(c, "reads") for c in ("recvfrom", "recvmsg", "recvmmsg", "pread64", "preadv")] + \
                [(c, "writes") for c in ("sendto", "sendmsg", "sendmmsg", "pwrite64", "pwritev", "pwritev2")]:
            self.assertEqual(system_calls.tally([f"7 {call}(25<TCP:[127.0.0.1:1->127.0.0.1:2]>, 0x1, 5) = 5"]), {f"socket {way}": 1})
            self.assertEqual(system_calls.tally([f"7 {call}(9</tmp/x/journal/1>, 0x1, 5) = 5"]), {f"journal {way}": 1})

    def test_what_is_not_seen_any_more_fails(self):
        recorded = {"journal writes": {"per_message": 0.05, "limit": 0.1}, "syncs": {"per_message": 0.0005, "limit": 0.01}}
        self.assertEqual(baseline.unseen({"journal writes": 0.01}, recorded, system_calls.MAY_BE_NONE), [])
        self.assertIn("journal writes: none seen", baseline.unseen({"futex": 1}, recorded, system_calls.MAY_BE_NONE)[0])
        self.assertEqual(len(baseline.unseen({}, recorded, system_calls.MAY_BE_NONE)), 1)
        self.assertEqual(baseline.far_below({}, recorded, system_calls.AT_LEAST), [])

    def test_a_write_per_event_is_over_the_limit(self):
        recorded = baseline.record_calls({"event log writes": 0.0022}, {}, system_calls.TOLERANCE, system_calls.AT_LEAST)
        self.assertEqual(baseline.over_limit({"event log writes": 0.04}, recorded), [])
        self.assertIn("event log writes", baseline.over_limit({"event log writes": 0.3}, recorded)[0])


if __name__ == "__main__":
    unittest.main()
