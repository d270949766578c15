#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""arobench as a program: what it counts against obvious models, what it prints, what it refuses.

    test_arobench.py AROBENCH [unittest arguments]

Figures of speed are not judged. With AROCACHE_TRACE (see tests/cache/test_trace.c) the replay must
count what the published simulator counts.
"""
import collections
import json
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import unittest

AROBENCH = os.path.abspath(sys.argv[1])
POLICIES = "fifo", "lru", "sieve", "s3fifo"
COMPARISONS = {
    "cache.bytes_in_memory": "bytes", "cache.bytes_on_disk_only": "bytes",
    "cache.lookup_vs_rte_hash": "cycles", "cache.lookup_vs_lfht": "cycles",
    "cache.lookup_vs_floor": "cycles", "cache.lookup_under_writes": "cycles",
    "cache.insert_evict_vs_rte_hash": "1/s", "cache.scaling_two_cores": "1/s",
    "cache.s3fifo_vs_lru": "1/s", "cache.s3fifo_vs_lru_fetched": "1/s",
}
DISK_COMPARISONS = {  # unit, wire, needs fio
    "disk.random_64k_vs_fio": ("1/s", "disk", True), "disk.random_4k_vs_fio": ("1/s", "disk", True),
    "disk.tmpfs_64k_vs_fio": ("1/s", "tmpfs", True),
    "disk.read_amplification": ("bytes", "disk", False),
    "disk.put_vs_fio": ("B/s", "disk", True),
}
PUBLISHED = {  # policy: misses at 128, 512, 1024 MiB
    "fifo": (93403, 84025, 72140), "lru": (93374, 81722, 71704),
    "sieve": (91699, 76707, 64376), "s3fifo": (89307, 76791, 70355),
}
CPUS = len(os.sched_getaffinity(0))


def run(*words, **environment):
    return subprocess.run([AROBENCH, *map(str, words)], capture_output=True, text=True, timeout=110,
                          env={**os.environ, **environment})


def told(*words):
    """The one JSON object of a run that succeeds."""
    said = run(*words, "--json")
    assert said.returncode == 0 and said.stderr == "", said.stderr
    return json.loads(said.stdout)


def trace(requests):
    """oracleGeneral bytes of (object, size) requests."""
    following, records = {}, []
    for number in range(len(requests), 0, -1):
        thing, size = requests[number - 1]
        records.append(struct.pack("<IQIq", number // 7, thing, size, following.get(thing, -1)))
        following[thing] = number
    return b"".join(reversed(records))


def misses(requests, capacity, moves_on_hit):
    """FIFO, or LRU when a hit moves its object to the newest end: misses and bytes hit."""
    inside, held, missed, bytes_hit = collections.OrderedDict(), 0, 0, 0
    for thing, size in requests:
        if thing in inside:
            bytes_hit += inside[thing]
            if moves_on_hit:
                inside.move_to_end(thing)
            continue
        missed += 1
        while inside and held + size > capacity:
            held -= inside.popitem(last=False)[1]
        if held + size <= capacity:
            inside[thing] = size
            held += size
    return missed, bytes_hit


class WithFiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-bench-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, content):
        path = os.path.join(self.folder, "trace.bin")
        with open(path, "wb") as out:
            out.write(content)
        return path


class CommandLine(unittest.TestCase):
    def refused(self, *words, why, code=2, error="ARO-1001"):
        said = run(*words)
        self.assertEqual((said.returncode, said.stdout), (code, ""), words)
        self.assertIn(error, said.stderr)
        self.assertIn("\n  try: ", said.stderr)
        self.assertIn(why, said.stderr)

    def test_what_makes_no_sense_is_refused_with_the_word_that_does_not(self):
        self.refused(why="which tool")
        self.refused("cash", why="try: arobench cache")
        self.refused("cache", why="which subcommand")
        self.refused("cache", "lokup", why="try: arobench cache lookup")
        self.refused("cache", "lookup", "--wirtes", "3", why="--wirtes")
        self.refused("cache", "lookup", "--policy", "lru", why="no use for --policy")
        self.refused("cache", "lookup", "more", why="more")
        self.refused("cache", "zipf", "--policy", "clock", why="clock")
        self.refused("cache", "replay", why="trace file is missing")
        self.refused("cache", "compare", "--only", "cache.nothing", why="cache.lookup_vs_floor")
        self.refused("disk", why="try: arobench disk --help")
        self.refused("disk", "raed", why="try: arobench disk read")
        self.refused("disk", "read", "--burst", 3, why="no use for --burst")
        self.refused("disk", "compare", "--only", "disk.none", why="disk.random_4k_vs_fio")

    def test_numbers_out_of_range_are_refused_with_the_range(self):
        for option, value in (("entries", 63), ("entries", "1e9"), ("burst", 65), ("burst", 0),
                              ("burst", "3.5"), ("rounds", 100), ("seconds", "nan"),
                              ("seconds", ""), ("value-bytes", -1), ("requests", "ten")):
            self.refused("cache", "lookup", f"--{option}", value, why=f"--{option} wants a number")
        self.refused("cache", "zipf", "--value-bytes", 0, why="--value-bytes")
        self.refused("cache", "replay", "file", "--capacity", 7, why="--capacity")
        self.refused("cache", "lookup", "--threads", CPUS + 1, why=f": {CPUS}")
        for option, value in ("size", "1MiB"), ("size", "5GiB"), ("chunk-bytes", 4096), \
                ("chunk-bytes", "2MiB"), ("chunk-bytes", 0):
            self.refused("disk", "read", f"--{option}", value, why=f"--{option} wants bytes")
        self.refused("disk", "read", "--depth", 4, why="--depth wants a number")
        self.refused("disk", "read", "--depth", 24, why="power of two")

    def test_help_and_version_are_answers(self):
        for words in (("--help",), ("--version",), ("cache", "--help"), ("cache", "zipf", "--help"),
                      ("disk", "--help")):
            said = run(*words)
            self.assertEqual((said.returncode, said.stderr), (0, ""))
        for name in "lookup", "insert", "mixed", "replay", "zipf", "compare":
            self.assertIn(f"\n  {name} ", run("cache", "--help").stdout)
        self.assertNotIn("--policy", run("disk", "--help").stdout)


class Throughput(unittest.TestCase):
    def counted(self, name, **options):
        words = [part for option, value in options.items()
                 for part in ("--" + option.replace("_", "-"), value)]
        got = told("cache", name, "--requests", 20000, "--rounds", 3, *words)
        self.assertEqual(got["name"], f"cache.{name}")
        self.assertEqual((got["wrong"], got["refused"], got["rounds"]), (0, 0, 3))
        self.assertTrue(60000 <= got["operations"] <= 60000 + 3 * 2 * 64, got)
        self.assertTrue(0 < got["per_s_min"] <= got["per_s"] <= got["per_s_max"], got)
        self.assertGreater(got["cycles"], 0)
        for option, value in options.items():
            if option in got:
                self.assertEqual(got[option], value)
        return got

    def test_as_many_operations_as_asked_for_all_of_them_right(self):
        for threads in range(1, min(CPUS, 2) + 1):
            self.counted("lookup", entries=1000, threads=threads)
            self.counted("insert", entries=1000, threads=threads)
            self.counted("mixed", entries=1000, threads=threads)

    def test_values_are_written_read_and_checked(self):
        for value_bytes in 1, 8, 200:
            for name in "lookup", "mixed":
                self.counted(name, entries=1000, value_bytes=value_bytes)
            self.counted("insert", entries=64, value_bytes=value_bytes)

    def test_bursts_and_shares_of_writes(self):
        for burst in 1, 7, 64:
            self.counted("lookup", entries=64, burst=burst)
        for writes in 0, 1, 50, 100:
            self.counted("mixed", entries=1000, writes=writes)

    def test_a_round_of_seconds_ends(self):
        got = told("cache", "lookup", "--entries", 1000, "--seconds", 0.02, "--rounds", 1)
        self.assertGreater(got["operations"], 0)
        said = run("cache", "insert", "--entries", 1000, "--seconds", 0.02, "--rounds", 1)
        self.assertRegex(said.stdout, r"^insert: [0-9.]+ M/s, .* all of [0-9]+ right")


class Replay(WithFiles):
    def requests(self, seed, count=6000, objects=700):
        rng = random.Random(seed)
        sizes = {}
        return [(thing, sizes.setdefault(thing, rng.choice((1, 512, 4096, rng.randint(1, 9000)))))
                for thing in (min(int(rng.paretovariate(0.6)), objects) for _ in range(count))]

    def test_fifo_and_lru_miss_what_a_model_misses(self):
        for seed in range(3):
            requests = self.requests(seed)
            path = self.file(trace(requests))
            for capacity in 8 << 10, 100 << 10, 1 << 20, 1 << 30:
                for policy in "fifo", "lru":
                    missed, hit_bytes = misses(requests, capacity, policy == "lru")
                    got = told("cache", "replay", path, "--policy", policy,
                               "--capacity", f"{capacity}B")
                    self.assertEqual((got["requests"], got["misses"]), (len(requests), missed))
                    self.assertAlmostEqual(got["byte_hit_ratio"],
                                           hit_bytes / sum(size for _, size in requests), places=5)

    def test_bursts_decide_what_single_requests_decide(self):
        path = self.file(trace(self.requests(7)))
        for policy in POLICIES:
            counts = {told("cache", "replay", path, "--policy", policy, "--capacity", "60KiB",
                           "--burst", burst)["misses"] for burst in (1, 2, 32, 64)}
            self.assertEqual(len(counts), 1, policy)

    def test_requests_for_nothing_are_skipped_and_counted(self):
        got = told("cache", "replay", self.file(trace([(1, 5), (2, 0), (1, 5), (2, 0)])))
        self.assertEqual((got["requests"], got["misses"], got["skipped"]), (2, 1, 2))

    def test_published_counts(self):
        path = os.environ.get("AROCACHE_TRACE")
        if path is None:
            self.skipTest("AROCACHE_TRACE does not name the trace")
        for policy, published in PUBLISHED.items():
            for mib, expected in zip((128, 512, 1024), published):
                got = told("cache", "replay", path, "--policy", policy, "--capacity", f"{mib}MiB")
                self.assertEqual(got["misses"], expected, (policy, mib))

    def test_a_wrong_trace_is_refused_with_the_reason(self):
        good = trace(self.requests(1, 50))
        late = struct.pack("<I", 99) + good[4:]
        behind = good[:-8] + struct.pack("<q", 3)
        itself = good[:-8] + struct.pack("<q", 50)
        negative = good[:-8] + struct.pack("<q", -2)
        for content, why in ((b"", "whole records"), (good[:-1], "whole records"),
                             (late, "record 2: time goes back"),
                             (behind, "record 50: the object's next"),
                             (itself, "record 50: the object's next"),
                             (negative, "record 50: the object's next")):
            said = run("cache", "replay", self.file(content))
            self.assertEqual((said.returncode, said.stdout), (2, ""))
            self.assertIn("ARO-1003", said.stderr)
            self.assertIn(why, said.stderr)
        for path, why in ((self.folder, "not a file"), (self.folder + "/none", "No such file")):
            said = run("cache", "replay", path)
            self.assertEqual(said.returncode, 2)
            self.assertIn(why, said.stderr)


class Zipf(unittest.TestCase):
    @staticmethod
    def different(objects, alpha, requests):
        """How many objects are expected to be asked for at all, and the variance (at most)."""
        weights = [(k + 1) ** -alpha for k in range(objects)]
        total = sum(weights)
        never = [(1 - weight / total) ** requests for weight in weights]
        return objects - sum(never), sum(p * (1 - p) for p in never)

    def test_with_room_for_all_each_object_misses_once(self):
        for alpha in 0, 0.5, 0.99, 1.4:
            expected, variance = self.different(5000, alpha, 20000)
            got = told("cache", "zipf", "--objects", 5000, "--entries", 5000, "--alpha", alpha,
                       "--requests", 20000, "--policy", "lru")
            self.assertLess(abs(got["misses"] - expected), 5 * variance ** 0.5 + 1, alpha)
            self.assertEqual(got["requests"], 20000)

    def test_a_single_object_and_a_full_cache(self):
        got = told("cache", "zipf", "--objects", 1, "--entries", 64, "--requests", 1000)
        self.assertEqual((got["misses"], got["hit_ratio"]), (1, 0.999))
        for policy in POLICIES:
            got = told("cache", "zipf", "--objects", 2000, "--entries", 200, "--requests", 30000,
                       "--policy", policy, "--rounds", 2, "--value-bytes", 5)
            self.assertEqual(got["capacity_bytes"], 1000)
            self.assertTrue(0.4 < got["hit_ratio"] < 0.8, got)


@unittest.skipIf(CPUS < 2, "two CPUs are needed")
class Compare(WithFiles):
    def lines(self, *words):
        said = run("cache", "compare", "--quick", *words)
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        return [json.loads(line) for line in said.stdout.splitlines()]

    def judge(self, line, samples):
        """The line's form, and its figures as the medians of the samples kept."""
        self.assertEqual(list(line), ["name", "ours", "theirs", "ratio", "unit", "wire", "note"])
        self.assertEqual(line["unit"], COMPARISONS[line["name"]])
        self.assertEqual(line["wire"], "memory")
        self.assertGreater(len(line["note"]), 40)
        if line["unit"] == "bytes":
            self.assertAlmostEqual(line["ratio"], line["theirs"] / line["ours"], places=2)
            return
        figure = {"cycles": "cycles_each", "1/s": "per_s"}[line["unit"]]
        ours = [sample[figure] for sample in samples if sample["side"] == "ours"]
        theirs = [sample[figure] for sample in samples if sample["side"] == "theirs"]
        better = [b / a if line["unit"] == "cycles" else a / b for a, b in zip(ours, theirs)]
        for told_figure, expected in (("ours", ours), ("theirs", theirs), ("ratio", better)):
            self.assertAlmostEqual(line[told_figure] / statistics.median(expected), 1, delta=0.01)

    def test_every_comparison_is_told_and_its_samples_are_kept(self):
        raw = os.path.join(self.folder, "raw")
        lines = self.lines("--rounds", 3, "--raw", raw)
        self.assertEqual([line["name"] for line in lines], list(COMPARISONS))
        with open(raw, encoding="utf-8") as samples:
            kept = [json.loads(sample) for sample in samples]
        for line in lines:
            mine = [sample for sample in kept if sample["name"] == line["name"]]
            self.judge(line, mine)
            if line["unit"] == "bytes":
                self.assertEqual(len(mine), 1)
                continue
            self.assertEqual([(sample["round"], sample["side"]) for sample in mine],
                             [(i, side) for i in range(3) for side in ("ours", "theirs")])
            for sample in mine:
                self.assertTrue(0 <= sample["stolen"] <= 1 and sample["load"] >= 0, sample)
                self.assertGreater(sample["operations"], 0)

    def test_both_caches_of_the_contest_hit_what_the_replay_hits(self):
        for name in "cache.s3fifo_vs_lru", "cache.s3fifo_vs_lru_fetched":
            with self.subTest(name):
                self.hits_what_the_replay_hits(name)

    def hits_what_the_replay_hits(self, name):
        line, = self.lines("--only", name, "--rounds", 5)
        note = re.match(r"(\d+) Zipf.* over (\d+) objects, room for (\d+), .*; "
                        r"hit ratio ([0-9.]+), LRU ([0-9.]+)", line["note"])
        for policy, ratio in ("s3fifo", note[4]), ("lru", note[5]):
            got = told("cache", "zipf", "--requests", note[1], "--objects", note[2],
                       "--entries", note[3], "--policy", policy)
            self.assertEqual(f"{got['hit_ratio']:.4f}", ratio, policy)

    def test_one_alone(self):
        lines = self.lines("--only", "cache.lookup_vs_floor", "--rounds", 1)
        self.assertEqual([line["name"] for line in lines], ["cache.lookup_vs_floor"])

    def test_raw_samples_that_cannot_be_written_are_said(self):
        said = run("cache", "compare", "--quick", "--raw", self.folder)
        self.assertEqual((said.returncode, said.stdout), (4, ""))
        self.assertIn("ARO-1004", said.stderr)


class Disk(WithFiles):
    def read(self, *words):
        return told("disk", "read", "--directory", self.folder, "--size", "4MiB", *words)

    def lines(self, *words, code=0, **environment):
        said = run("disk", "compare", "--quick", "--directory", self.folder, *words,
                   "--daemon", "/dev/null", **environment)  # its rows: test_arobench_node.py
        self.assertEqual(said.returncode, code, said.stderr)
        self.assertEqual(os.listdir(self.folder), [], "what it made is gone")
        return [json.loads(line) for line in said.stdout.splitlines()], said.stderr

    def test_as_many_chunks_as_asked_for_read_in_whole_blocks(self):
        for length, rounded in ("4KiB", 4096), ("64KiB", 65536), ("70000B", 73728), ("1B", 4096):
            got = self.read("--chunk-bytes", length, "--requests", 301, "--rounds", 2)
            self.assertEqual((got["operations"], got["wrong"]), (602, 0))
            self.assertEqual(got["read_bytes"], 602 * rounded)
            self.assertEqual(got["delivered_bytes"], 602 * got["chunk_bytes"])
            self.assertTrue(0 < got["per_s_min"] <= got["per_s"] <= got["per_s_max"], got)
            for stage in "cycles", "find_cycles", "verify_cycles", "enters":
                self.assertGreater(got[stage], 0, stage)
            self.assertEqual(os.listdir(self.folder), [])

    def test_every_depth_and_a_round_of_seconds(self):
        for depth in 8, 64, 1024:
            got = self.read("--depth", depth, "--chunk-bytes", "4KiB", "--requests", 3000)
            self.assertEqual((got["operations"], got["depth"]), (15000, depth))
        self.assertGreater(self.read("--seconds", 0.02, "--rounds", 1)["operations"], 0)

    def test_a_directory_that_is_none_is_said(self):
        said = run("disk", "read", "--directory", os.path.join(self.folder, "none"))
        self.assertEqual((said.returncode, said.stdout), (4, ""))
        self.assertIn("ARO-1004", said.stderr)

    def judge(self, line, samples):
        unit, wire, _ = DISK_COMPARISONS[line["name"]]
        self.assertEqual(list(line), ["name", "ours", "theirs", "ratio", "unit", "wire", "note"])
        self.assertEqual((line["unit"], line["wire"]), (unit, wire))
        if unit == "bytes":
            self.assertAlmostEqual(line["ratio"], line["theirs"] / line["ours"], places=2)
            self.assertEqual(line["ours"], 1, line["note"])
            return
        sides = {side: [sample["per_s"] for sample in samples if sample["side"] == side]
                 for side in ("ours", "theirs")}
        self.assertEqual([len(side) for side in sides.values()], [3, 3])
        ratios = [a / b for a, b in zip(sides["ours"], sides["theirs"])]
        for figure, expected in (("ours", sides["ours"]), ("theirs", sides["theirs"]),
                                 ("ratio", ratios)):
            self.assertAlmostEqual(line[figure] / statistics.median(expected), 1, delta=0.01)

    @unittest.skipIf(shutil.which("fio") is None, "fio is not installed")
    def test_every_comparison_is_told_and_its_samples_are_kept(self):
        with tempfile.NamedTemporaryFile() as raw:
            lines, said = self.lines("--rounds", 3, "--raw", raw.name, code=77)
            kept = [json.loads(sample) for sample in raw.read().splitlines()]
        self.assertEqual([line["name"] for line in lines], list(DISK_COMPARISONS))
        self.assertNotIn("is left out: fio", said)
        for line in lines:
            self.judge(line, [sample for sample in kept if sample["name"] == line["name"]])
        for sample in kept:
            if sample.get("side") == "theirs" and sample["name"] != "disk.put_vs_fio":
                self.assertGreater(sample["cycles"], 0, "fio said what CPU it took")

    def test_without_fio_its_lines_are_left_out_and_said(self):
        lines, said = self.lines("--rounds", 1, code=77, PATH=self.folder)
        without = [name for name, (_, _, fio) in DISK_COMPARISONS.items() if not fio]
        self.assertEqual([line["name"] for line in lines], without)
        for name in set(DISK_COMPARISONS) - set(without):
            self.assertIn(f"{name} is left out: fio is not installed", said)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
