#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The disk tier of a real daemon, by io_uring and by threads: what is cold comes back whole, over a
restart too, and status says how it is read.

    test_disk.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import os
import random
import subprocess
import sys
import tempfile
import unittest

import namespace
from node import Node

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
REFUSED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no_io_uring.py")
CONTENT, CHUNK = 20 << 20, 65536


class Disk(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-disk-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)

    def node(self, program=AROCACHED, io="auto", poll="auto"):
        node = Node(program, PROFILES, self.folder,
                    'cache { memory = "16MiB" }\nhttp { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n'
                    f'store "main" {{ path = "{self.folder}/store" size = "256MiB" io = {io} poll = {poll} }}\n'
                    f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.addCleanup(node.destroy)
        return node

    def put(self, node):
        self.content = random.Random(1).randbytes(CONTENT)
        path = os.path.join(self.folder, "content")
        with open(path, "wb") as file:
            file.write(self.content)
        return node.call("put", path=path, chunk_bytes=CHUNK)["id"]

    def assert_cold_fetch(self, node, object_id):
        """Out of an empty memory, so every byte comes from the disk."""
        node.call("flush")
        before = node.call("stats")["dataplane"]["misses_disk"]
        out = os.path.join(self.folder, "out")
        subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", out, object_id], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        with open(out, "rb") as file:
            self.assertTrue(file.read() == self.content, "what came differs")
        self.assertGreaterEqual(node.call("stats")["dataplane"]["misses_disk"] - before, CONTENT // CHUNK)

    def round_trip(self, **how):
        node = self.node(**how)
        object_id = self.put(node)
        self.assert_cold_fetch(node, object_id)
        node.process.kill()  # acknowledged: it must survive
        node.process.wait()
        node = self.node(**how)
        self.assert_cold_fetch(node, object_id)
        store = node.call("status")["store"]
        said = subprocess.run([AROCTL, "-s", f"{node.run}/control.sock", "status"], check=True,
                              capture_output=True, text=True, timeout=30).stdout
        log = node.log_text()
        self.assertEqual(node.stop(), 0)
        return store, said, log

    def test_by_io_uring(self):
        store, said, log = self.round_trip()
        self.assertEqual((store["io"], store["io_refused"]), ("io_uring", None))
        self.assertIn("by io_uring", said)
        self.assertNotIn("io-uring-refused", log)

    def test_a_device_that_cannot_be_polled_is_said_and_read_all_the_same(self):
        device = os.stat(self.folder).st_dev
        at = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
        polls = [name for name in (f"{at}/queue/io_poll", f"{at}/../queue/io_poll") if os.path.exists(name)]
        with open(polls[0] if polls else os.devnull, encoding="ascii") as file:
            if file.read().strip() == "1":
                self.skipTest("this device has poll queues")
        store, said, log = self.round_trip(poll="on")
        why = "no poll queues" if polls else "no block device"
        self.assertFalse(store["disks"][0]["polled"])
        self.assertIn(why, store["disks"][0]["poll_refused"])
        self.assertRegex(log, f'disk-not-polled store=main why=".*{why}')
        self.assertIn("not polled: ", said)

    def test_by_threads_because_the_operator_says_so(self):
        store, said, log = self.round_trip(io="threads")
        self.assertEqual((store["io"], store["io_refused"]), ("threads", None))
        self.assertIn("by threads", said)
        self.assertNotIn("io-uring-refused", log)

    def test_by_threads_because_the_kernel_refuses_io_uring(self):
        os.environ["NO_IO_URING"] = AROCACHED
        self.addCleanup(os.environ.pop, "NO_IO_URING")
        store, said, log = self.round_trip(program=REFUSED)
        self.assertEqual((store["io"], store["io_refused"]), ("threads", "Operation not permitted"))
        self.assertIn('io-uring-refused error="Operation not permitted" instead=threads', log)


if __name__ == "__main__":
    namespace.enter()
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]])
