#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A store on a block device: made, filled, killed, checked, damaged; and what is refused.

    test_device.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

The device is a loop device over a file. Exit code 77: not root, or no loop device can be had.
"""
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import namespace
from node import Node, wait_until

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
MIB = 1 << 20
LAYOUT = struct.Struct("<QIIII")  # docs/disk-format.md: behind the superblock
BLOCK = 4096


def config(device, extra=""):
    return (f'cache {{ memory = "64MiB" }}\nhttp {{ listen = "127.0.0.1:9501" }}\n'
            f'limits {{ ceiling = 0 ceiling_net = 0 }}\n'
            f'store "main" {{ path = "{device}" size = "1TiB" segment = "16MiB" {extra} }}\n'
            f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')


def loop_attach(path):
    said = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True)
    return said.stdout.strip() if said.returncode == 0 else None


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


class Device(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-device-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder, self.image, self.node = folder.name, f"{folder.name}/image", None
        with open(self.image, "wb") as file:
            file.truncate(200 * MIB)
        self.device = loop_attach(self.image)
        self.assertIsNotNone(self.device)
        self.addCleanup(subprocess.run, ["losetup", "--detach", self.device], check=True)
        with open(f"{self.folder}/node.conf", "w", encoding="utf-8") as file:
            file.write(f'runtime_dir = "{self.folder}/run"\nprofile_dir = "{PROFILES}"\n'
                       + config(self.device))

    def offline(self, *words):
        return subprocess.run([AROCACHED, "-c", f"{self.folder}/node.conf", *words],
                              capture_output=True, text=True, timeout=60)

    def refused(self, error, code, *words):
        before = digest(self.image)
        said = self.offline(*words)
        self.assertEqual(said.returncode, code, said.stderr)
        self.assertIn(error, said.stderr)
        self.assertEqual(digest(self.image), before)

    def make(self, *words):
        made = self.offline("--make-store", self.device, *words)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        return made.stdout

    def start(self):
        self.node = Node(AROCACHED, PROFILES, self.folder, config(self.device))
        self.addCleanup(self.node.destroy)

    def kill(self):
        self.node.process.kill()
        self.node.process.wait()
        self.node.destroy()

    def aroctl(self, *words):
        return subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", *words],
                              capture_output=True, text=True, timeout=60)

    def put(self, name, size, content=None):
        content = content or os.urandom(size)
        with open(f"{self.folder}/{name}", "wb") as file:
            file.write(content)
        return self.node.call("put", path=f"{self.folder}/{name}")["id"], content

    def get(self, name):
        out = f"{self.folder}/got"
        subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", out, name], check=True, timeout=60)
        with open(out, "rb") as file:
            return file.read()

    def place_of_segment(self, number):
        """Where its payloads begin on the device: docs/disk-format.md."""
        with open(self.image, "rb") as file:
            file.seek(64)
            _, slots, table, data, log = LAYOUT.unpack(file.read(LAYOUT.size))
            heads_end = MIB // BLOCK + 2 * (slots + 2)
            slots_at = -(-(-(-heads_end // 256) * 256 + 2 * log) // 256) * 256
            for slot in range(slots):
                file.seek(MIB + (2 + slot) * 2 * BLOCK)
                magic, held = struct.unpack("<8sI", file.read(12))
                if (magic, held) == (b"AROHEAD1", number):
                    return (slots_at + slot * (table + data) + table) * BLOCK
        raise AssertionError(f"no segment {number}")

    def recovery(self):
        return self.node.call("status")["store"]["recovery"]

    def table_bytes(self):
        with open(self.image, "rb") as file:
            file.seek(64)
            return LAYOUT.unpack(file.read(LAYOUT.size))[2] * BLOCK

    def test_a_store_on_a_device_survives_a_kill_and_tells_its_damage(self):
        self.assertIn("segments of 16.0 MiB", self.make())
        self.start()
        kept = [self.put(f"file{n}", 3_000_000) for n in range(3)]
        self.kill()
        checked = self.offline("--check-store")
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)
        self.assertIn("3 objects, 0 problems", checked.stdout)
        self.start()
        for name, content in kept:
            self.assertEqual(self.get(name), content)
        self.assertTrue(self.node.call("status")["store"]["direct"])
        self.assertEqual(self.aroctl("store", "scrub").returncode, 0)
        self.node.stop()
        at = self.place_of_segment(1) + 5 * 65536 + 1234
        with open(self.device, "r+b") as file:  # a page of one chunk
            file.seek(at)
            file.write(bytes(BLOCK))
        self.start()
        scrub = self.aroctl("store", "scrub")
        self.assertEqual(scrub.returncode, 6, scrub.stdout)
        self.assertIn("; quarantined", scrub.stdout)
        self.assertIn("ARO-5015 object o-", self.aroctl("store", "check").stdout)  # it lacks that chunk now
        for _, content in kept:
            self.put("again", 0, content)
        self.assertEqual(self.aroctl("store", "scrub").returncode, 0)

    def test_a_start_reads_the_disk_and_not_what_the_kernel_remembers_of_it(self):
        self.make()
        self.start()
        self.put("file", 6_000_000)
        with open(self.device, "rb") as held:  # so that the kernel forgets nothing
            self.kill()
            at = self.place_of_segment(1) - self.table_bytes()
            held.seek(at)
            self.assertEqual(held.read(1), b"\x01")  # a chunk's record
            with open(self.image, "r+b") as file:  # what a write that failed leaves behind: nothing
                file.seek(at)
                file.write(bytes(BLOCK))
            held.seek(at)
            self.assertEqual(held.read(1), b"\x01", "the kernel has no copy of its own")
            self.start()
        wait_until("the index whole", lambda: not self.recovery()["under_way"], 10)
        self.assertEqual(self.recovery()["torn"], BLOCK // 64)

    def test_a_full_device_refuses_and_its_whole_size_was_used(self):
        self.make()
        self.start()
        with self.assertRaisesRegex(AssertionError, "6026"):
            for _ in range(30):
                self.put("file", 15_000_000)
        status = self.node.call("status")["store"]
        self.assertLessEqual(status["used_bytes"], 200 * MIB)
        self.assertGreaterEqual(status["used_bytes"], 150 * MIB)
        self.assertEqual(self.aroctl("store", "check").returncode, 0)

    def test_what_is_not_ours_is_never_written(self):
        self.refused("ARO-5021", 78)                  # a daemon makes no store
        self.refused("ARO-5021", 78, "--check-store")
        self.refused("ARO-5025", 78, "--make-store", "/dev/null")
        subprocess.run(["mkfs.ext4", "-q", self.device], check=True)
        self.refused("ARO-5022", 78, "--make-store", self.device)
        self.assertIn("ext4", self.offline("--make-store", self.device).stderr)
        self.refused("ARO-5021", 78)
        os.mkdir(f"{self.folder}/mount")
        subprocess.run(["mount", self.device, f"{self.folder}/mount"], check=True)
        try:
            said = self.offline("--make-store", self.device, "--overwrite")
            self.assertEqual(said.returncode, 69, said.stderr)
            self.assertIn("ARO-5023", said.stderr)
        finally:
            subprocess.run(["umount", f"{self.folder}/mount"], check=True)
        self.make("--overwrite")
        said = subprocess.run(["blkid", "-p", self.device], capture_output=True, text=True)
        self.assertNotIn("ext4", said.stdout)
        self.refused("ARO-5022", 78, "--make-store", self.device)  # it holds a store now
        self.start()
        said = self.offline("--make-store", self.device, "--overwrite")
        self.assertEqual(said.returncode, 69, said.stderr)
        said = self.offline("--check-store")
        self.assertEqual(said.returncode, 69, said.stderr)
        self.assertIn("ARO-5004", said.stderr)


namespace.enter()
if not namespace.is_root() or not os.path.exists("/dev/loop-control"):
    print("skipped: needs root and loop devices")
    sys.exit(77)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
namespace.wire()
unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
