#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The start of a daemon on a large store, and the commands that look after a store.

    test_store.py AROCACHED AROCTL MAKE_STORE PMD_CONFIG [unittest arguments]
    test_store.py ... --starts 100        only measures: kill -9, start, first DATA of a random chunk

Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import glob
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import namespace
from node import Node, wait_until

AROCACHED, AROCTL, MAKE_STORE, PROFILES = map(os.path.abspath, sys.argv[1:5])
GET = struct.Struct(">BBHHHQQ16s32sHH")  # docs/protocol.md
DATA, STATUS, TOKEN, NOT_FOUND, RETRY_LATER = 5, 6, 7, 1, 2
CHUNKS, EVERY, LENGTH = 1_000_000, 1000, 4096  # every 1000th payload is there
NOWHERE = bytes(31) + b"\5"


def chunk(number):
    return struct.pack("<Q", number) + bytes(LENGTH - 8)


def wires():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    namespace.wire()
    link = json.loads(subprocess.run(["ip", "-j", "link", "show", "va0"], check=True,
                                     capture_output=True).stdout)
    mac = link[0]["address"]  # known: a start is not to be measured by ARP's time-outs
    subprocess.run(["ip", "neigh", "add", "10.9.0.1", "lladdr", mac, "dev", "vb0"], check=True)


def config(store):
    return (f'cache {{ memory = "64MiB" }}\nhttp {{ listen = "127.0.0.1:9501" }}\n'
            f'limits {{ ceiling = 0 ceiling_net = 0 }}\n'
            f'store "main" {{ path = "{store}" size = "6GiB" }}\n'
            f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')


class Client:
    def __init__(self):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.settimeout(0.01)
        self.socket.connect(("10.9.0.1", 9500))
        self.token, self.echo = bytes(16), 0

    def answer(self):
        """What answers the last question; an earlier one's may come late."""
        while True:
            answer = self.socket.recv(2048)
            at = 8 if answer[0] == TOKEN else 16
            if answer[at:at + 8] == struct.pack(">Q", self.echo):
                return answer

    def ask(self, chunk_id):
        """One question: the answer's bytes, or b'' when none came."""
        self.echo += 1
        try:
            self.socket.send(GET.pack(4, 1, 0, 1152, 0, 1, self.echo, self.token, chunk_id, 0, 0))
            answer = self.answer()
        except OSError:
            return b""
        if answer[0] == TOKEN:
            self.token = answer[16:]
            return b""
        return answer

    def first_data(self, chunk_id):
        """Asks until DATA comes; every code of a STATUS on the way."""
        codes = []
        while True:
            answer = self.ask(chunk_id)
            if answer[:1] == bytes([DATA]):
                return codes, answer[24:]
            if answer[:1] == bytes([STATUS]):
                codes.append(answer[2])
                time.sleep(struct.unpack(">I", answer[4:8])[0] / 1e6)
            elif not answer:
                time.sleep(0.001)


def make_store(folder):
    subprocess.run([MAKE_STORE, folder, str(CHUNKS), str(LENGTH), str(EVERY)], check=True)


class Start(unittest.TestCase):
    def test_a_large_store_serves_while_its_index_is_built(self):
        with tempfile.TemporaryDirectory(prefix="aro-start-", dir="/var/tmp") as folder:
            make_store(f"{folder}/store")
            number = random.randrange(CHUNKS // EVERY) * EVERY
            node, client, unknown = None, Client(), set()
            try:
                node = Node(AROCACHED, PROFILES, folder, config(f"{folder}/store"))
                while node.call("status")["store"]["recovery"]["under_way"]:
                    answer = client.ask(NOWHERE)
                    # whole only now? then the answer may be the final one already
                    if node.call("status")["store"]["recovery"]["under_way"] and answer:
                        unknown.add((answer[0], answer[2]))
                self.assertEqual(unknown, {(STATUS, RETRY_LATER)})
                codes, data = client.first_data(hashlib.sha256(chunk(number)).digest())
                self.assertNotIn(NOT_FOUND, codes)
                self.assertEqual(data, chunk(number)[:1152])
                answer = client.ask(NOWHERE)
                self.assertEqual((answer[0], answer[2]), (STATUS, NOT_FOUND))
                recovery = node.call("status")["store"]["recovery"]
                self.assertEqual((recovery["chunks"], recovery["lost"], recovery["torn"]),
                                 (CHUNKS, 0, 0))
                self.assertEqual(recovery["segments_done"], recovery["segments"])
                if namespace.is_root():  # whose memory may be locked
                    wait_until("chunk memory is registered for reads",
                               lambda: node.call("lcores")["lcores"][0]["fixed_buffers"], 10)
                counters = node.counters()
                self.assertGreater(counters["misses_unknown"], 0)
                self.assertLess(node.call("stats")["control"]["longest_round_us"], 100_000)
            finally:
                client.socket.close()
                if node is not None:
                    node.destroy()

    def test_a_put_right_after_the_start_waits_and_succeeds(self):
        with tempfile.TemporaryDirectory(prefix="aro-start-", dir="/var/tmp") as folder:
            make_store(f"{folder}/store")
            with open(f"{folder}/file", "wb") as file:
                file.write(chunk(5) + os.urandom(100_000))
            node = Node(AROCACHED, PROFILES, folder, config(f"{folder}/store"))
            try:
                put = node.call("put", path=f"{folder}/file", chunk_bytes=4096)
                self.assertTrue(put["durable"])
                self.assertLess(put["new_bytes"], 4096 + 100_000 + 4096)  # chunk 5 is known
                self.assertFalse(node.call("status")["store"]["recovery"]["under_way"])
            finally:
                node.destroy()


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-store-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder, self.store = folder.name, f"{folder.name}/store"
        self.start()
        with open(f"{self.folder}/file", "wb") as file:
            file.write(os.urandom(3_000_000))
        self.object = self.node.call("put", path=f"{self.folder}/file")

    def start(self):
        self.node = Node(AROCACHED, PROFILES, self.folder, config(self.store))
        self.addCleanup(self.node.destroy)

    def aroctl(self, *words):
        return subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", *words],
                              capture_output=True, text=True, timeout=60)

    def offline(self):
        return subprocess.run([AROCACHED, "-c", f"{self.folder}/node.conf", "--check-store"],
                              capture_output=True, text=True, timeout=60)

    def flip(self, offset):
        with open(f"{self.store}/seg-00000001.data", "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0] ^ 4
            file.seek(offset)
            file.write(bytes([byte]))

    def test_stat_check_and_scrub(self):
        stat = json.loads(self.aroctl("-j", "store", "stat").stdout)
        self.assertEqual(stat["chunks"], self.object["chunks"] + 1)
        self.assertEqual(stat["live_bytes"], self.object["new_bytes"])
        self.assertEqual(stat["lost"], 0)
        self.assertGreaterEqual(stat["records"], stat["chunks"] + 1)
        for what in ("check", "scrub"):
            sound = self.aroctl("store", what)
            self.assertEqual((sound.returncode, sound.stderr), (0, ""), sound.stdout)
            self.assertIn("ok: 1 segments, 47 chunks", sound.stdout)
        for damaged in (3, 10):
            self.flip(damaged * 65536 + 1234)
        self.assertEqual(self.aroctl("store", "check").returncode, 0)
        scrub = self.aroctl("store", "scrub", "--bytes-per-s", "64MiB")
        self.assertEqual(scrub.returncode, 6, scrub.stdout)
        self.assertEqual(scrub.stdout.count("; quarantined"), 2)
        for block in (48, 160):
            self.assertIn(f"segment 1 record {block // 16} block {block} c-", scrub.stdout)
        self.assertEqual(self.node.log_text().count("quarantined=1"), 2)
        again = self.aroctl("store", "scrub")
        self.assertEqual(again.returncode, 6, again.stdout)  # the object lacks them now
        self.assertIn(f"ARO-5015 object {self.object['id']}: a chunk is not here: c-", again.stdout)
        self.assertIn(", and 1 more", again.stdout)
        self.assertIn("id=ARO-5015 store=main object=", self.node.log_text())
        self.node.call("evict", id=self.object["id"])
        self.assertEqual(self.aroctl("store", "scrub").returncode, 0)

    def test_a_scrub_keeps_its_rate_and_can_be_cancelled(self):
        began = time.monotonic()
        self.assertEqual(self.aroctl("store", "scrub", "--bytes-per-s", "2MiB").returncode, 0)
        self.assertGreater(time.monotonic() - began, 1.0)  # 3 MB
        with subprocess.Popen([AROCTL, "-s", f"{self.node.run}/control.sock", "store", "scrub",
                               "--bytes-per-s", "1MiB"], stderr=subprocess.PIPE) as slow:
            wait_until("the scrub runs", lambda: self.node.call("job")["jobs"], 5)
            self.node.call("cancel", job=self.node.call("job")["jobs"][0]["job"])
            self.assertEqual(slow.wait(5), 4)

    def test_check_store_offline(self):
        busy = self.offline()
        self.assertEqual(busy.returncode, 69)
        self.assertIn("ARO-5004", busy.stderr)
        self.node.stop()
        sound = self.offline()
        self.assertEqual((sound.returncode, sound.stderr), (0, ""))
        self.assertIn("ok: 1 segments, 47 chunks, 1 objects, 0 problems", sound.stdout)
        with open(f"{self.store}/seg-00000001.table", "r+b") as file:
            file.seek(5 * 64 + 30)
            file.write(b"!")
        damaged = self.offline()
        self.assertEqual(damaged.returncode, 6)
        self.assertIn("segment 1 record 5: a record of its table is damaged", damaged.stdout)
        self.assertIn(f"ARO-5015 object {self.object['id']}: a chunk is not here", damaged.stdout)
        os.unlink(glob.glob(f"{self.store}/*.data")[0])
        missing = self.offline()
        self.assertEqual(missing.returncode, 6)
        self.assertIn("one of its two files is missing", missing.stdout)
        self.assertIn(f"ARO-5015 object {self.object['id']}: a manifest is not here",
                      missing.stdout)


def log_text(folder):
    with open(f"{folder}/log", encoding="utf-8") as file:
        return file.read()


def ready_s(log):
    """From the program's first line to the whole index, as the log tells."""
    phases = [int(us) for us in re.findall(r" [a-z_]+_us=(\d+)", log)]  # elapsed_us among them
    return sum(phases) / 1e6


def measure(starts):
    first_s, whole_s, bad, slowest = [], [], 0, ""
    with tempfile.TemporaryDirectory(prefix="aro-start-", dir="/var/tmp") as folder:
        make_store(f"{folder}/store")
        path = f"{folder}/node.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'runtime_dir = "{folder}/run"\nprofile_dir = "{PROFILES}"\n'
                       + config(f"{folder}/store"))
        for _ in range(starts):
            number = random.randrange(CHUNKS // EVERY) * EVERY
            began = time.monotonic()
            with open(f"{folder}/log", "w", encoding="utf-8") as log:
                process = subprocess.Popen([AROCACHED, "-c", path], stderr=log)
            codes, _ = Client().first_data(hashlib.sha256(chunk(number)).digest())
            first_s.append(time.monotonic() - began)
            bad += NOT_FOUND in codes
            wait_until("the index whole", lambda: "state=whole" in log_text(folder), 30)
            whole_s.append(ready_s(log_text(folder)))
            if first_s[-1] == max(first_s):
                slowest = log_text(folder)
            process.send_signal(signal.SIGKILL)
            process.wait()
    for name, values in (("first DATA", sorted(first_s)), ("whole index", sorted(whole_s))):
        print(f"{name}: median {values[len(values) // 2]:.3f} s, p99 "
              f"{values[max(0, -(-len(values) * 99 // 100) - 1)]:.3f} s, max {values[-1]:.3f} s")
    print(f"the slowest start's log:\n{slowest}")
    print(f"{starts} starts after kill -9, {CHUNKS} chunks, {bad} with a NOT_FOUND")


namespace.enter()
wires()
if "--starts" in sys.argv:
    measure(int(sys.argv[sys.argv.index("--starts") + 1]))
else:
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
