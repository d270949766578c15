#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""aroctl cache on a real daemon under real requests: what it says must agree with what was done.

    test_cache.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

Memory holds two thirds of the content, so chunks are evicted, missed, and come back while they are
remembered. Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import namespace
from node import Node, wait_until

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
MIB, CHUNK = 1 << 20, 65536
MEMORY, CONTENT = 16 * MIB, 20 * MIB
GET = struct.Struct(">BBHHHQQ16s32sHH")  # docs/protocol.md
NOWHERE = "c-" + 64 * "5"


class Client:
    """Asks for one slice of one chunk, as often as it is told."""

    def __init__(self):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.connect(("10.9.0.1", 9500))
        self.token = bytes(16)
        self.token = self.ask(bytes(32))[16:]

    def ask(self, chunk_id):
        self.socket.send(GET.pack(4, 1, 0, 1152, 0, 1, 7, self.token, chunk_id, 0, 0))
        return self.socket.recv(2048)

    def ask_often(self, chunk, times):
        for _ in range(times):
            self.ask(bytes.fromhex(chunk[2:]))


class Cache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-cache-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)

    def node(self, store=True):
        config = (f'cache {{ memory = "{MEMORY >> 20}MiB" }}\nhttp {{ listen = "" }}\n'
                  f'limits {{ ceiling = 0 ceiling_net = 0 }}\n'
                  f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        if store:
            config += f'store "main" {{ path = "{self.folder}/store" size = "256MiB" }}\n'
        node = Node(AROCACHED, PROFILES, self.folder, config)
        self.addCleanup(node.destroy)
        self.socket = f"{node.run}/control.sock"
        return node

    def client(self):
        client = Client()
        self.addCleanup(client.socket.close)
        return client

    def aroctl(self, *words):
        return subprocess.run([AROCTL, "-s", self.socket, *words], capture_output=True, text=True,
                              timeout=30)

    def seen(self, *words):
        """The answer as JSON, by way of aroctl."""
        done = self.aroctl("-j", "cache", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def put(self, node, bytes_, seed):
        path = os.path.join(self.folder, f"content-{seed}")
        with open(path, "wb") as file:
            file.write(random.Random(seed).randbytes(bytes_))
        return node.call("put", path=path, chunk_bytes=CHUNK)["id"]

    def fetch(self, object_id):
        subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", f"{self.folder}/out", object_id],
                       check=True, stdout=subprocess.DEVNULL, timeout=60)

    def assert_books(self, cache, stats):
        """The parts agree with each other, and with the counters of stats."""
        memory, disk, queues = cache["memory"], cache["disk"], cache["queues"]
        counters = stats["dataplane"]
        on_disk = sum(counters[f"misses_{how}"] for how in ("disk", "joined", "shed"))
        self.assertEqual((memory["hits"], memory["misses"]),
                         (counters["hits_memory"], on_disk + counters["misses_absent"]))
        self.assertEqual((disk["hits"], disk["misses"]), (on_disk, counters["misses_absent"]))
        looked_up = memory["hits"] + memory["misses"]
        self.assertAlmostEqual(memory["hit_ratio"], memory["hits"] / looked_up)
        self.assertEqual(memory["chunks_now"],
                         memory["admitted"] - memory["evicted"] - memory["removed"])
        for unit in "chunks_now", "bytes_now":
            self.assertEqual(memory[unit], sum(row[unit] for row in cache["sizes"]))
            self.assertEqual(memory[unit],
                             sum(queues[name][unit] for name in ("small", "main", "kept")))
        self.assertEqual(queues["ghosts"]["chunks_now"], stats["cache"]["ghosts_now"])
        for name in "admitted", "rejected", "ghost_hits", "promoted", "evicted", "evicted_unread":
            self.assertEqual(memory[name], stats["cache"][name], name)
        self.assertEqual(disk["chunks_now"], stats["store"]["chunks_now"])

    # ---- what happens to chunks ----

    def test_what_was_read_evicted_and_missed_is_told_by_tier(self):
        node = self.node()
        before = self.seen()
        self.assertIsNone(before["memory"]["hit_ratio"])
        self.assertEqual(before["top"], {"requests_now": 0, "sampled_every": 128, "chunks": []})
        large = self.put(node, CONTENT, 1)
        chunks = CONTENT // CHUNK + 1  # and the manifest
        unread = self.seen()["memory"]
        self.assertEqual(unread["admitted"], chunks)
        self.assertEqual(unread["evicted"], unread["evicted_unread"], "nobody read any yet")
        self.assertGreater(unread["evicted"], chunks - MEMORY // CHUNK - 1)
        for _ in range(2):
            self.fetch(large)
        stats, cache = node.at_rest(), self.seen()
        self.assert_books(cache, stats)
        self.assertGreater(cache["memory"]["ghost_hits"], 0, "it comes back while remembered")
        self.assertGreater(cache["disk"]["hits"], chunks)
        self.assertGreater(cache["disk"]["hit_ratio"], 0.99)
        self.assertEqual(cache["disk"]["admitted"], chunks)
        self.assertEqual(cache["queues"]["policy"], "s3fifo")
        self.assertGreater(cache["sizes"][4]["chunks_now"], 50, "of 64 KiB")
        self.assertGreater(cache["top"]["requests_now"], 0)
        for chunk in self.seen("top", "--limit", "100")["top"]["chunks"]:
            self.assertGreaterEqual(chunk["requests"], 2 * 128, "one sample proves nothing")
        self.assertEqual(node.stop(), 0)

    def test_a_small_hot_object_is_promoted_kept_and_flushed(self):
        node = self.node()
        small = self.put(node, 10 * CHUNK, 2)
        self.fetch(small)
        self.fetch(small)
        cache = self.seen()
        self.assertEqual(cache["queues"]["small"]["chunks_now"], 11)
        self.assertEqual(cache["memory"]["evicted"], 0)
        self.assertGreater(cache["memory"]["hit_ratio"], 0.99)
        self.put(node, CONTENT, 1)
        cache = self.seen()
        self.assertGreaterEqual(cache["memory"]["promoted"], 11, "what was hit twice stays")
        self.assertGreaterEqual(cache["queues"]["main"]["chunks_now"], 11)
        node.call("pin", id=small)
        self.assertEqual(self.seen("queues")["queues"]["kept"],
                         {"chunks_now": 11, "bytes_now": self.bytes_of(node, small)})
        node.call("flush")
        cache = self.seen()
        self.assertEqual(cache["memory"]["chunks_now"], 11)
        self.assertEqual(cache["queues"]["small"]["chunks_now"], 0)
        self.assert_books(cache, node.at_rest())
        removed = node.call("evict", id=self.put(node, 3 * CHUNK, 3))["removed_chunks"]
        self.assertEqual(self.seen("tiers")["disk"]["removed"], removed)

    def bytes_of(self, node, object_id):
        manifest = node.call("stat", id="c-" + object_id[2:])["bytes"]
        return node.call("stat", id=object_id)["bytes"] + manifest

    # ---- top chunks ----

    def test_the_chunks_asked_for_most_lead_the_list(self):
        node = self.node()
        hot, warm = self.put(node, CHUNK, 4), self.put(node, CHUNK, 5)
        hot, warm = ("c-" + object_id[2:] for object_id in (hot, warm))  # their manifests
        client = self.client()
        client.ask_often(hot, 6000)
        client.ask_often(warm, 2400)
        client.ask_often(NOWHERE, 600)  # two samples at least
        node.call("pin", id=hot)
        top = self.seen("top", "--limit", "2")
        self.assertEqual(set(top), {"top"})
        chunks = top["top"]["chunks"]
        self.assertEqual([chunk["id"] for chunk in chunks], [hot, warm])
        self.assertAlmostEqual(chunks[0]["share"], 2 / 3, delta=0.25)
        self.assertAlmostEqual(top["top"]["requests_now"], 9000, delta=3000)
        self.assertEqual((chunks[0]["in_memory"], chunks[0]["on_disk"], chunks[0]["pinned"]),
                         (True, True, True))
        self.assertFalse(chunks[1]["pinned"])
        last = self.seen("top")["top"]["chunks"][2]
        self.assertEqual((last["id"], last["bytes"], last["in_memory"], last["on_disk"]),
                         (NOWHERE, None, False, False))
        self.assertEqual(self.aroctl("-q", "cache", "top").stdout.split(), [hot, warm, NOWHERE])
        said = self.aroctl("cache", "top").stdout
        self.assertRegex(said, rf"(?m)^{hot} +\d+ +\d+\.\d% +100 B  memory, disk, pinned$")
        self.assertRegex(said, rf"(?m)^{NOWHERE} +\d+ +\d+\.\d% +-  nowhere$")
        self.assertIn("one of 128 was looked at", said)

    # ---- how it is said ----

    def test_people_get_a_table_for_each_part(self):
        node = self.node()
        self.fetch(self.put(node, 2 * MIB, 6))
        said = self.aroctl("cache").stdout
        titles = [line.split()[0] for line in said.splitlines() if line and line == line.upper()]
        self.assertEqual(titles, ["TIER", "QUEUE", "UP", "TOP"])
        self.assertRegex(said, r"(?m)^memory +100\.0% ")
        self.assertRegex(said, r"(?m)^disk +- +0 +0 +33 +0 +- +- +0 +33 +2\.0 MiB$")
        self.assertRegex(said, r"(?m)^policy s3fifo; 0 moved from small to main, 0 came back")
        self.assertRegex(said, r"(?m)^64\.0 KiB +32 +2\.0 MiB +99\.9%$")
        self.assertEqual(self.aroctl("cache", "sizes").stdout.split()[:2], ["UP", "TO"])

    def test_without_a_store_there_is_no_disk(self):
        node = self.node(store=False)
        self.fetch(self.put(node, 2 * MIB, 7))
        self.client()  # asks for what is nowhere
        cache = self.seen()
        self.assertIsNone(cache["disk"])
        self.assertNotIn("\ndisk ", self.aroctl("cache").stdout)
        self.assertEqual(cache["memory"]["misses"], 0, "a request without a token is no miss")

    def test_what_is_wrong_is_said(self):
        self.node()
        done = self.aroctl("cache", "tops")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no part 'tops', but tiers, queues, sizes and top (ARO-6012)", done.stderr)
        for words in (("--limit", "0"), ("--limit", "101"), ("top", "more")):
            self.assertEqual(self.aroctl("cache", *words).returncode, 2, words)

    def test_watching_tells_the_hit_ratio_of_now(self):
        node = self.node()
        object_id = self.put(node, MIB, 8)
        watch = subprocess.Popen([AROCTL, "-s", self.socket, "--watch", "-j", "cache", "tiers"],
                                 stdout=subprocess.PIPE)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        self.assertNotIn("per_second", json.loads(watch.stdout.readline()))
        self.fetch(object_id)
        self.assertGreater(json.loads(watch.stdout.readline())["per_second"]["memory"]["hits"], 0)
        human = subprocess.Popen([AROCTL, "-s", self.socket, "--watch", "cache", "tiers"],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(human.stdout.close)
        self.addCleanup(human.wait)
        self.addCleanup(human.kill)
        titles = [human.stdout.readline().split() for _ in range(4)][::3]
        self.assertEqual([("NOW" in line) for line in titles], [False, True])


if __name__ == "__main__":
    namespace.enter()
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
