#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A node with two disks, one of which dies and heals: what is taken out, what goes on meanwhile, what
comes back, and all of it without a restart.

    test_disk_out.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

The disk that dies is a loop device over nbdkit's error filter. Exit code 77: this machine lacks that.
"""
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import namespace
from chunk_client import ABSENT, RIGHT, ChunkClient
from failing_device import FailingDevice, missing
from node import Node, wait_until

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
MIB, CHUNK, CHUNKS = 1 << 20, 65536, 64


class DiskOut(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-disk-out-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)
        self.bad = FailingDevice(self.folder, 192 * MIB)
        self.addCleanup(self.bad.destroy)
        config = ('cache { memory = "16MiB" }\nhttp { listen = "127.0.0.1:9501" }\n'
                  'limits { ceiling = 0 ceiling_net = 0 }\n'
                  f'store "bad" {{ path = "{self.bad.path}" size = "1TiB" segment = "16MiB" }}\n'
                  f'store "good" {{ path = "{self.folder}/good" size = "128MiB" segment = "16MiB" }}\n'
                  f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        with open(f"{self.folder}/make.conf", "w", encoding="utf-8") as file:
            file.write(config)
        subprocess.run([AROCACHED, "-c", f"{self.folder}/make.conf", "--make-store", self.bad.path],
                       check=True, stdout=subprocess.DEVNULL, timeout=60)
        self.node = Node(AROCACHED, PROFILES, self.folder, config)
        self.addCleanup(self.node.destroy)
        self.client = ChunkClient()
        self.addCleanup(self.client.close)

    def put(self, seed):
        """An object of whole chunks; its id and the chunks."""
        content = random.Random(seed).randbytes(CHUNKS * CHUNK)
        path = os.path.join(self.folder, f"content-{seed}")
        with open(path, "wb") as file:
            file.write(content)
        self.paths[seed] = path
        return (self.node.call("put", path=path, chunk_bytes=CHUNK)["id"],
                [content[at:at + CHUNK] for at in range(0, len(content), CHUNK)])

    def put_on_both(self):
        """name of the disk -> (object id, chunks)"""
        self.paths, placed, seed = {}, {}, 0
        while set(placed) != {"bad", "good"}:
            seed += 1
            put = self.put(seed)
            where = {at["id"]: at["store"] for at in self.node.call("ls")["objects"]}
            placed[where[put[0]]] = put
        return placed

    def get(self, chunks, patience_s=5.0):
        return [self.client.get(hashlib.sha256(chunk).digest(), chunk, patience_s) for chunk in chunks]

    def state(self, name="bad"):
        return {at["name"]: at for at in self.node.call("disks")["disks"]}[name]

    def ask_until_out(self, chunks):
        """Cold chunks of the disk that dies, until the node gave it up."""
        end = time.monotonic() + 20
        while self.state()["state"] != "failing":
            self.assertLess(time.monotonic(), end, "not taken out")
            self.get(chunks[:16], 0.05)

    def test_a_disk_whose_reads_fail_is_taken_out_and_comes_back_by_itself(self):
        placed = self.put_on_both()
        self.node.call("flush")
        self.bad.fail()
        self.ask_until_out(placed["bad"][1])
        out = self.state()
        self.assertEqual((out["why"], out["times_out"]), ("its reads fail", 1))
        self.assertEqual(self.state("good")["state"], "serving")
        self.assertRegex(self.node.log_text(), 'disk-out store=bad use=away why="its reads fail"')
        # what was on it is nowhere now: told at once, and the disk is not asked; the rest is served
        reads = self.state()["reads"]
        self.assertEqual(set(self.get(placed["bad"][1])), {ABSENT})
        self.assertEqual(self.state()["reads"], reads)
        self.assertEqual(set(self.get(placed["good"][1])), {RIGHT})
        self.assertIn("bad: its reads fail", self.aroctl("disks").stdout)
        # writes go to the other one, and what was lost can be put again meanwhile
        object_id, chunks = self.put(7)
        self.assertEqual([at["store"] for at in self.node.call("ls")["objects"] if at["id"] == object_id], ["good"])
        # it answers again: found out by itself, nothing is lost
        self.bad.heal()
        healed = time.monotonic()
        wait_until("back", lambda: self.state()["state"] == "serving", 10)
        self.assertLess(time.monotonic() - healed, 5)
        self.assertIn("disk-back store=bad", self.node.log_text())
        self.node.call("flush")
        for _, chunks in placed.values():
            self.assertEqual(set(self.get(chunks)), {RIGHT})
        self.assertTrue(self.node.call("verify")["ok"])
        self.assertEqual(self.node.stop(), 0)

    def aroctl(self, *words):
        return subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", *words],
                              capture_output=True, text=True, timeout=60)

    def test_a_disk_whose_writes_fail_is_spared_and_nothing_acknowledged_is_lost(self):
        self.paths = {}
        placed = self.put_on_both()
        self.bad.fail()
        failed = done = 0
        for seed in range(100, 140):
            put = self.aroctl("-q", "put", self.content(seed))
            failed += put.returncode != 0
            done += put.returncode == 0
            if put.returncode != 0:
                self.assertRegex(put.stderr, "ARO-602[67]")
            if self.state()["state"] != "serving" and done >= 3:
                break
        self.assertGreaterEqual(done, 3, f"{failed} puts failed")
        self.assertIn(self.state()["state"], ("read-only", "failing"))
        self.bad.heal()
        wait_until("back", lambda: self.state()["state"] == "serving", 10)
        self.node.call("flush")
        for _, chunks in placed.values():
            self.assertEqual(set(self.get(chunks)), {RIGHT})
        self.assertTrue(self.node.call("verify")["ok"])
        self.assertEqual(self.node.stop(), 0)

    def test_an_operator_takes_a_disk_out_and_brings_it_back(self):
        placed = self.put_on_both()
        self.node.call("flush")
        said = self.aroctl("disks", "out", "good")
        self.assertEqual((said.returncode, said.stdout), (0, "good: out, an operator took it out\n"))
        self.assertEqual(set(self.get(placed["good"][1])), {ABSENT})
        self.assertEqual(set(self.get(placed["bad"][1])), {RIGHT})
        self.aroctl("disks", "out", "bad")
        refused = self.aroctl("-q", "put", self.content(1))
        self.assertIn("ARO-6047", refused.stderr)
        with self.assertRaises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen("http://127.0.0.1:9501/readyz", timeout=5)
        self.assertEqual(answer.exception.code, 503)
        answer.exception.close()
        for name in ("good", "bad"):
            self.assertEqual(self.aroctl("disks", "in", name).stdout, f"{name}: serving\n")
        for _, chunks in placed.values():
            self.assertEqual(set(self.get(chunks)), {RIGHT})
        # a disk that failed and works again is back at once, without waiting for probes
        self.node.call("flush")
        self.bad.fail()
        self.ask_until_out(placed["bad"][1])
        self.bad.heal()
        self.assertEqual(self.aroctl("disks", "in", "bad").stdout, "bad: serving\n")
        self.assertIn("no store is called 'ugly'", self.aroctl("disks", "out", "ugly").stderr)
        self.assertTrue(self.node.call("verify")["ok"])
        self.assertEqual(self.node.stop(), 0)

    def content(self, seed):
        path = os.path.join(self.folder, f"small-{seed}")
        with open(path, "wb") as file:
            file.write(random.Random(seed).randbytes(4 * CHUNK))
        return path


if __name__ == "__main__":
    LACKING = missing()
    if LACKING:
        print(f"skipped: {LACKING}")
        sys.exit(77)
    namespace.enter()
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]])
