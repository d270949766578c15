#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The comparisons of arobench disk that start a daemon, small: what they count and what they leave.

    test_arobench_node.py AROBENCH AROCACHED [unittest arguments]

Figures of speed are not judged. A comparison that this machine has not the means for is skipped with
the reason that arobench gives.
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

AROBENCH, AROCACHED = map(os.path.abspath, sys.argv[1:3])
MEMBERS = ["name", "ours", "theirs", "ratio", "unit", "wire", "note"]


def gone(path, limit_s=10):
    end = time.monotonic() + limit_s
    while os.path.exists(path):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Node(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-bench-node-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def words(self, name, *words):
        return [AROBENCH, "disk", "compare", "--quick", "--only", name, "--daemon", AROCACHED,
                "--directory", self.folder, *map(str, words)]

    def line(self, name, unit, *words):
        """The line of a comparison, its samples, and the numbers of its note in order."""
        raw = os.path.join(self.folder, "raw")
        said = subprocess.run(self.words(name, "--raw", raw, *words), capture_output=True,
                              text=True, timeout=120)
        if said.returncode == 77:
            self.skipTest(said.stderr.strip())
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        line = json.loads(said.stdout)
        self.assertEqual((list(line), line["name"], line["unit"]), (MEMBERS, name, unit))
        with open(raw, encoding="utf-8") as samples:
            kept = [json.loads(sample) for sample in samples]
        os.unlink(raw)
        self.assertEqual(os.listdir(self.folder), [], "what it made is gone")
        return line, kept

    def test_one_read_for_many(self):
        line, kept = self.line("disk.one_read_for_many", "reads", "--rounds", 2)
        self.assertEqual((line["ours"], line["theirs"], line["ratio"]), (1, 1, 1))
        self.assertEqual(len(kept), 2)
        for sample in kept:
            self.assertEqual((sample["block_layer_reads"], sample["block_layer_sectors"]), (1, 128))
            self.assertEqual(sample["questions"], 1000)
            self.assertGreater(sample["waited"], 500)  # all, on a machine with time
        on_one, on_other = re.search(r"\((\d+) on one lcore, (\d+) on the other\)", line["note"]).groups()
        self.assertGreater(min(int(on_one), int(on_other)), 200)

    def test_restart_first_answer(self):
        line, kept = self.line("disk.restart_first_answer_s", "s", "--starts", 2)
        self.assertEqual((line["theirs"], len(kept)), (1, 2))
        for sample in kept:
            self.assertGreater(sample["eal_us"], 0, "the log says where the time went")
            self.assertLess(sample["eal_us"] / 1e6, sample["first_s"])
            self.assertLess(sample["eal_us"] / 1e6, sample["whole_s"])
        self.assertAlmostEqual(line["ours"], max(sample["first_s"] for sample in kept), places=3)

    def test_hits_under_misses(self):
        line, kept = self.line("disk.hits_under_misses", "1/s", "--rounds", 2)
        times = [sample for sample in kept if "hits" in sample]
        self.assertEqual([sample["hits"] for sample in times], ["flooded", "alone"] * 2)
        for sample in times:
            self.assertTrue(0 < sample["p50_us"] <= sample["p99_us"], sample)
            self.assertEqual(sample["reads_per_s"] > 0, sample["hits"] == "flooded")
        self.assertEqual(len([sample for sample in kept if sample.get("side") == "ours"]), 2)
        self.assertGreater(line["ours"], 0)

    def test_client_beside_fio(self):
        for what in "client_64k", "client_4k", "client_tmpfs_64k":
            line, kept = self.line(f"disk.{what}_vs_fio", "1/s", "--rounds", 2)
            self.assertEqual([sample["side"] for sample in kept], ["ours", "theirs"] * 2)
            for sample in kept:
                self.assertGreater(sample["operations"], 0)
            memory = re.search(r"([0-9.]+)% of the slices came out of memory", line["note"])
            self.assertLess(float(memory[1]), 50)  # cold: the cache holds an eighth

    def test_nothing_is_left_of_one_that_is_interrupted(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGKILL:
            with subprocess.Popen(self.words("disk.one_read_for_many", "--rounds", 9),
                                  stderr=subprocess.PIPE, text=True) as bench:
                made = []
                while not made and bench.poll() is None:
                    made = [os.path.join(self.folder, name, "run", "control.sock")
                            for name in os.listdir(self.folder)]
                    made = [path for path in made if os.path.exists(path)]
                    time.sleep(0.02)
                if bench.poll() == 77:
                    self.skipTest(bench.stderr.read().strip())
                self.assertIsNone(bench.poll(), "it runs")
                bench.send_signal(number)
                self.assertEqual(bench.wait(10), -number)
            self.assertTrue(gone(os.path.dirname(os.path.dirname(made[0]))), number)
            self.assertEqual(os.listdir(self.folder), [])
            with open("/proc/mounts", encoding="utf-8") as mounts:
                self.assertNotIn(self.folder, mounts.read())

    def test_without_a_daemon_its_lines_are_left_out_and_said(self):
        said = subprocess.run(self.words("disk.one_read_for_many", "--daemon", "/dev/null"),
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((said.returncode, said.stdout), (77, ""))
        self.assertIn("disk.one_read_for_many is left out: ", said.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
