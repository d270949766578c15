#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real daemon on two disks: where content goes, that it comes back from both, and what the
commands, /metrics and the offline check say of each.

    test_disks.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import namespace
from node import Node

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
MIB = 1 << 20
CONTENT, CHUNK = 8 * MIB, 65536


class Disks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-disks-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)
        self.start()

    def stores(self, second="b"):
        return (f'store "one" {{ path = "{self.folder}/a" size = "128MiB" segment = "16MiB" }}\n'
                f'store "two" {{ path = "{self.folder}/{second}" size = "256MiB" segment = "16MiB" }}\n')

    def start(self):
        self.node = Node(AROCACHED, PROFILES, self.folder,
                         'cache { memory = "16MiB" }\nhttp { listen = "127.0.0.1:9501" }\n'
                         'limits { ceiling = 0 ceiling_net = 0 }\n' + self.stores() +
                         f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.addCleanup(self.node.destroy)

    def aroctl(self, *words):
        return subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", *words],
                              capture_output=True, text=True, timeout=60)

    def content(self, seed):
        path = os.path.join(self.folder, f"content-{seed}")
        with open(path, "wb") as file:
            file.write(random.Random(seed).randbytes(CONTENT))
        return path

    def put(self, seed):
        return self.node.call("put", path=self.content(seed), chunk_bytes=CHUNK)["id"]

    def where(self):
        return {at["id"]: at["store"] for at in self.node.call("ls")["objects"]}

    def disks(self):
        return {at["name"]: at for at in self.node.call("disks")["disks"]}

    def assert_cold_fetch(self, object_id, seed):
        self.node.call("flush")
        out = os.path.join(self.folder, "out")
        subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", out, object_id], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        with open(out, "rb") as file:
            self.assertTrue(file.read() == random.Random(seed).randbytes(CONTENT), "what came differs")

    def test_content_goes_where_room_is_and_comes_back_from_there(self):
        ids = [self.put(seed) for seed in range(6)]
        where = self.where()
        self.assertEqual(set(where.values()), {"one", "two"})
        # the larger disk has the larger part free
        self.assertGreater(list(where.values()).count("two"), list(where.values()).count("one"))
        self.node.process.kill()  # acknowledged: it must survive, on both
        self.node.process.wait()
        self.start()
        self.assertEqual(self.where(), where)
        for seed, object_id in enumerate(ids):
            before = self.disks()
            self.assert_cold_fetch(object_id, seed)
            after = self.disks()
            for name in ("one", "two"):
                read = after[name]["reads"] - before[name]["reads"]
                if where[object_id] == name:
                    self.assertGreaterEqual(read, CONTENT // CHUNK)
                else:
                    self.assertEqual(read, 0)
        self.assertTrue(self.node.call("verify")["ok"])
        gone = ids[0]
        evicted = self.node.call("evict", id=gone)
        self.assertEqual(evicted["removed_chunks"], CONTENT // CHUNK + 1)
        self.assertNotIn(gone, self.where())
        self.assertEqual(self.node.stop(), 0)

    def test_every_view_shows_each_disk(self):
        self.put(1)
        self.put(2)
        disks = self.disks()
        self.assertEqual({(at["state"], at["why"], at["path"], at["objects"]) for at in disks.values()},
                         {("serving", "", f"{self.folder}/{d}", 1) for d in "ab"})
        status = self.node.call("status")["store"]
        self.assertEqual([at["name"] for at in status["disks"]], ["one", "two"])
        self.assertEqual(status["size_bytes"], 384 * MIB)
        self.assertEqual(status["used_bytes"], sum(at["used_bytes"] for at in disks.values()))
        table = self.aroctl("disks").stdout
        for name in ("one", "two"):
            self.assertRegex(table, rf"(?m)^{name} +serving +io_uring ")
        lines = [json.loads(line) for line in self.aroctl("-j", "disks").stdout.splitlines()]
        self.assertEqual([at["name"] for at in lines], ["one", "two"])
        self.assertIn(f"disk    two at {self.folder}/b: serving", self.aroctl("status").stdout)
        with urllib.request.urlopen("http://127.0.0.1:9501/metrics", timeout=5) as page:
            metrics = page.read().decode()
        self.assertIn('\narocache_disk_serving{disk="one"} 1\n', metrics)
        self.assertIn(f'\narocache_disk_size_bytes{{disk="two"}} {256 * MIB}\n', metrics)
        self.assertIn(f"\narocache_store_size_bytes {384 * MIB}\n", metrics)

    def test_stores_are_checked_each_and_all(self):
        self.put(1)
        self.put(2)
        chunks = CONTENT // CHUNK + 1
        stats = self.node.call("store_stat")["stores"]
        self.assertEqual([(at["name"], at["chunks"]) for at in stats], [("one", chunks), ("two", chunks)])
        self.assertEqual(self.node.call("store_check")["chunks"], 2 * chunks)
        self.assertEqual(self.node.call("store_scrub", store="two")["chunks"], chunks)
        wrong = self.aroctl("store", "check", "three")
        self.assertIn("no store is called 'three'", wrong.stderr)
        with open(f"{self.folder}/b/seg-00000001.data", "r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([byte ^ 4]))
        scrub = self.node.call("store_scrub")
        self.assertEqual({at["store"] for at in scrub["list"]}, {"two"})  # a chunk, and so an object
        self.assertRegex(self.node.log_text(), r"store-damage store=two segment=1 ")
        self.assertEqual(self.disks()["two"]["quarantined"], 1)
        self.assertEqual(self.disks()["one"]["quarantined"], 0)
        self.assertEqual(self.node.stop(), 0)
        offline = subprocess.run([AROCACHED, "-c", f"{self.folder}/node.conf", "--check-store"],
                                 capture_output=True, text=True, timeout=60)
        self.assertEqual(offline.returncode, 6, offline.stdout + offline.stderr)
        self.assertRegex(offline.stdout, rf"(?s)store one at {self.folder}/a\nok: .*store two at .*DAMAGED: ")

    def test_evict_takes_every_copy_and_nothing_of_another_disks_object(self):
        filler, first = self.put(2), self.put(1)
        with open(f"{self.folder}/content-1", "r+b") as file:  # the same but for its first chunk
            head = file.read(CHUNK)
            file.seek(0)
            file.write(bytes(CHUNK))
        similar = self.node.call("put", path=f"{self.folder}/content-1", chunk_bytes=CHUNK)["id"]
        where = self.where()
        home, other = where[first], where[similar]
        self.assertEqual((home, other), ("one", "two"))
        # without its first chunk nothing tells that it is here: the same comes onto the other disk
        self.node.call("evict", id="c-" + hashlib.sha256(head).hexdigest(), force=True)
        self.assertEqual(self.put(1), first)
        copies = [at["store"] for at in self.node.call("ls")["objects"] if at["id"] == first]
        self.assertEqual(sorted(copies), ["one", "two"])
        self.node.call("evict", id=first)
        self.assertEqual(self.where(), {filler: other, similar: other})
        disks = self.disks()
        self.assertEqual((disks[home]["chunks"], disks[other]["chunks"]), (0, 2 * (CONTENT // CHUNK + 1)))
        self.node.call("flush")
        self.assertTrue(self.node.call("verify")["ok"])
        self.assertEqual(self.node.stop(), 0)

    def test_two_stores_in_one_directory_are_refused_before_the_start(self):
        path = os.path.join(self.folder, "twice.conf")
        for second in ("a", "../" + os.path.basename(self.folder) + "/a/"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.stores(second) + 'port "p" { device = "net_null0" addresses = {"10.9.0.1/24"} }\n')
            tested = subprocess.run([AROCACHED, "-c", path, "-t"], capture_output=True, text=True, timeout=60)
            self.assertEqual(tested.returncode, 78)
            self.assertIn('stores "one" and "two" have the same path', tested.stderr)


if __name__ == "__main__":
    namespace.enter()
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]])
