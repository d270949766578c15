#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon on each wire that needs no NIC: tap, af_packet, memif, ring, null; two lcores at once.

    test_wires.py AROCACHED AROGET MEMIF_CLIENT PMD_CONFIG [unittest arguments]

Real content goes in through the control socket, out over the wire, and is compared by SHA-256;
counters must balance, the port must say whether it copies and why, the daemon must end cleanly.
Runs itself in a network namespace of its own (and, for an ordinary user, a user namespace), which
takes every interface with it. Exit code 77: none can be made here.
"""
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import namespace
from node import Node, links, wait_until

AROCACHED, AROGET, MEMIF_CLIENT, PROFILES = map(os.path.abspath, sys.argv[1:5])
FILE_BYTES = 24 << 20
CHUNK_BYTES = 65536
CHAINS = "external buffers: the device takes packets of several segments"
NO_CHAINS = "copy: the device does not take packets of several segments"
AF_XDP = "net_af_xdp{0},iface=va{0},start_queue=0,queue_count=1,busy_budget=0"
AF_PACKET = "net_af_packet{0},iface=va{0},framesz=2048,blocksz=65536,framecnt=4096"
is_root = namespace.is_root()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def real_file(path):
    """This machine's own libraries, as many bytes as are wanted."""
    wanted = FILE_BYTES
    folder = os.path.dirname(os.path.realpath("/lib64/ld-linux-x86-64.so.2"))
    with open(path, "wb") as out:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if wanted > 0 and entry.is_file(follow_symlinks=False):
                with open(entry.path, "rb") as file:
                    wanted -= out.write(file.read(wanted))
    return FILE_BYTES - wanted


class Wires(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory(prefix="aro-wires-")
        cls.addClassCleanup(cls.shared.cleanup)
        cls.file = os.path.join(cls.shared.name, "file")
        cls.bytes = real_file(cls.file)
        cls.digest = sha256(cls.file)
        cls.chunks = -(-cls.bytes // CHUNK_BYTES)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-wires-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.links_before = links()
        self.addCleanup(lambda: self.assertEqual(links(), self.links_before))

    # ---- means ----

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True)

    def veth(self, number):
        """va<n> for the daemon, vb<n> with an address for the client."""
        near, far = f"va{number}", f"vb{number}"
        self.ip("link", "add", near, "type", "veth", "peer", "name", far)
        self.addCleanup(self.ip, "link", "del", near)
        self.ip("addr", "add", f"10.9.{number}.2/24", "dev", far)
        self.ip("link", "set", near, "up")
        self.ip("link", "set", far, "up")

    def node(self, *devices, idle="adaptive", lcores=None, store=True):
        """One port per device, each on an lcore of its own unless told: 10.9.<n>.1."""
        lcores = lcores or range(1, len(devices) + 1)
        config = (f'cache {{ memory = "64MiB" }}\n'
                  + (f'store "main" {{ path = "{self.folder}/store" size = "128MiB" '
                     f'segment = "32MiB" }}\n' if store else "") +
                  f'dataplane {{ lcores = {{{", ".join(str(n) for n in sorted(set(lcores)))}}} '
                  f'idle = {idle} }}\n')
        for n, (device, lcore) in enumerate(zip(devices, lcores)):
            config += (f'port "p{n}" {{ device = "{device}" addresses = {{"10.9.{n}.1/24"}} '
                       f'lcores = {{{lcore}}} }}\n')
        node = Node(AROCACHED, PROFILES, self.folder, config)
        self.addCleanup(node.destroy)
        return node

    def put(self, node):
        stored = node.call("put", path=self.file, chunk_bytes=CHUNK_BYTES)
        self.assertEqual(stored["digest"], f"sha256:{self.digest}")
        self.assertEqual(stored["chunks"], self.chunks)
        self.assertTrue(stored["durable"])
        return stored["id"]

    def aroget(self, object_id, number, output):
        return subprocess.Popen([AROGET, "-j", "-q", "--from", f"10.9.{number}.1", "-o", output,
                                 object_id], stdout=subprocess.PIPE, text=True)

    def fetched(self, process, output):
        """The summary of a fetch that must have brought the file."""
        summary = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 0)
        self.assertEqual(sha256(output), self.digest)
        return json.loads(summary)

    def fetch(self, object_id, number=0):
        output = os.path.join(self.folder, f"out{number}")
        return self.fetched(self.aroget(object_id, number, output), output)

    def assert_balance(self, node):
        """At rest: every packet and request accounted for, the port and we agree on what left."""
        stats = node.at_rest()
        for name in "rx_packets_unaccounted", "requests_unaccounted":
            self.assertEqual(stats["balance"][name], 0, stats)
        return stats["dataplane"]

    def assert_zero_copy(self, node, counters):
        for port in node.ports():
            self.assertTrue(port["zero_copy"])
            self.assertEqual(port["zero_copy_why"], CHAINS)
            self.assertFalse(port["checksum_device"])
        self.assertEqual(counters["slices_copied"], 0)
        self.assertEqual(counters["slices_zero_copy"],
                         counters["slices_memory"] + counters["slices_disk"])

    def assert_ports_agree(self, node, counters):
        ports = node.ports()
        self.assertEqual(sum(port["rx_packets"] for port in ports), counters["rx_packets"])
        self.assertEqual(sum(port["tx_packets"] for port in ports), counters["tx_packets"])
        self.assertEqual(sum(port["tx_errors"] for port in ports), 0)

    def assert_rest(self, node, *kinds):
        """What an idle lcore does besides polling: "waits" for a packet, "sleeps", or neither."""
        node.at_rest()
        if kinds:
            before = node.counters()
            wait_until(f"an idle lcore {' and '.join(kinds)}",
                       lambda: all(node.counters()[kind] > before[kind] + 5 for kind in kinds), 10)
        for _ in range(20):  # a packet in between restarts the steps
            before = node.counters()
            time.sleep(0.5)
            after = node.counters()
            if after["rx_packets"] == before["rx_packets"]:
                break
        self.assertEqual(after["rx_packets"], before["rx_packets"])
        self.assertGreater(after["loops"], before["loops"])
        for kind in {"waits", "sleeps"} - set(kinds):
            self.assertEqual(after[kind], before[kind], kind)

    def assert_clean_stop(self, node):
        self.assertEqual(node.stop(), 0, node.log_text())
        self.assertIn("stopped", node.log_text())
        self.assertFalse(os.path.exists(os.path.join(node.run, "control.sock")))

    def serve(self, device, idle, *rest, zero_copy=True):
        """Hot, then cold; over the kernel's end of the wire."""
        node = self.node(device, idle=idle)
        yield node
        object_id = self.put(node)
        first = self.fetch(object_id)
        self.assertEqual(first["slices_disk"], 0)
        node.call("flush")
        cold = self.fetch(object_id)
        self.assertGreater(cold["slices_disk"], 0)
        counters = self.assert_balance(node)
        self.assertGreater(counters["arp_replies"], 0)
        self.assertGreaterEqual(counters["disk_reads"], self.chunks)
        self.assertGreaterEqual(counters["slice_bytes"], 2 * self.bytes)
        if zero_copy:
            self.assert_zero_copy(node, counters)
        else:
            self.assertEqual(node.ports()[0]["zero_copy_why"], NO_CHAINS)
        self.assert_rest(node, *rest)
        self.assert_clean_stop(node)

    # ---- wires ----

    @unittest.skipUnless(is_root, "a tap wants real root")
    def test_tap_serves_from_memory_and_disk_and_takes_its_interface_along(self):
        steps = self.serve("net_tap0,iface=aro0", "adaptive", "waits")
        next(steps)
        self.ip("addr", "add", "10.9.0.2/24", "dev", "aro0")
        self.ip("link", "set", "aro0", "up")
        self.assertEqual(list(steps), [])
        self.assertEqual(links(), self.links_before)

    def test_af_packet_serves_from_memory_and_disk_while_polling(self):
        self.veth(0)
        steps = self.serve(AF_PACKET.format(0), "poll")
        node = next(steps)
        self.assertEqual(list(steps), [])
        self.assertNotIn("error", node.log_text())

    @unittest.skipUnless(is_root, "an XDP program wants real root")
    def test_af_xdp_serves_from_memory_and_disk(self):
        self.veth(0)
        steps = self.serve(AF_XDP.format(0), "adaptive", "waits", zero_copy=False)
        next(steps)
        self.assertEqual(list(steps), [])

    def test_idle_lcore_of_two_af_packet_ports_waits_on_both(self):
        self.veth(0)
        self.veth(1)
        node = self.node(AF_PACKET.format(0), AF_PACKET.format(1), lcores=(1, 1))
        object_id = self.put(node)
        self.assert_rest(node, "waits")
        for number in range(2):
            self.fetch(object_id, number)
        self.assert_balance(node)
        self.assert_rest(node, "waits")
        self.assert_clean_stop(node)

    def test_an_interface_that_is_down_does_not_keep_an_idle_lcore_busy(self):
        self.veth(0)
        node = self.node(AF_PACKET.format(0))
        self.assert_rest(node, "waits")
        self.ip("link", "set", "va0", "down")
        time.sleep(0.5)
        before = node.counters()["loops"]
        time.sleep(1)
        self.assertLess(node.counters()["loops"] - before, 20000)
        self.ip("link", "set", "va0", "up")
        object_id = self.put(node)
        self.fetch(object_id)
        self.assert_clean_stop(node)

    def test_two_ports_on_two_lcores_share_each_disk_read(self):
        self.veth(0)
        self.veth(1)
        node = self.node(AF_PACKET.format(0), AF_PACKET.format(1))
        object_id = self.put(node)
        self.assertGreaterEqual(node.call("flush")["removed_chunks"], self.chunks)
        outputs = [os.path.join(self.folder, f"out{n}") for n in range(2)]
        both = [self.aroget(object_id, n, output) for n, output in enumerate(outputs)]
        for process, output in zip(both, outputs):
            summary = self.fetched(process, output)
        counters = self.assert_balance(node)
        self.assertEqual(counters["disk_reads"], self.chunks + summary["manifests"])
        self.assert_zero_copy(node, counters)
        self.assert_ports_agree(node, counters)
        for lcore in node.call("lcores")["lcores"]:
            own = lcore["counters"]
            self.assertTrue(lcore["running"] and lcore["disk_ring"])
            self.assertGreaterEqual(own["slice_bytes"], self.bytes)
            self.assertGreater(own["requests"], 0)
        self.assert_clean_stop(node)

    # ---- memif ----

    def memif_client(self, object_id, *arguments):
        output = os.path.join(self.folder, "out")
        done = subprocess.run([MEMIF_CLIENT, "--socket", f"{self.folder}/memif.sock", "--server",
                               "10.9.0.1", "--client", "10.9.0.2", "--output", output, *arguments,
                               object_id], capture_output=True, text=True, timeout=60)
        return done, output

    def memif_fetch(self, object_id, *arguments):
        done, output = self.memif_client(object_id, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256(output), self.digest)
        report = json.loads(done.stdout)
        self.assertEqual(report["bytes"], self.bytes)
        self.assertEqual(report["bad_ip_checksum"] + report["bad_udp_checksum"], 0)
        return report

    def memif_node(self):
        return self.node(f"net_memif0,role=server,id=0,socket={self.folder}/memif.sock,"
                         "socket-abstract=no")

    def test_memif_serves_a_process_that_has_no_kernel_in_between(self):
        node = self.memif_node()
        object_id = self.put(node)
        copied = self.memif_fetch(object_id)
        node.call("flush")
        direct = self.memif_fetch(object_id, "--zero-copy")
        counters = self.assert_balance(node)
        sent = counters["slices_memory"] + counters["slices_disk"]
        self.assertGreaterEqual(sent, copied["slices"] + direct["slices"])
        self.assertGreaterEqual(counters["disk_reads"], self.chunks)
        self.assert_zero_copy(node, counters)
        self.assert_clean_stop(node)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "memif.sock")))

    def test_memif_content_outlives_peers_that_vanish_in_the_middle(self):
        """DPDK 22.11's driver may take the daemon along (see its profile), never the content."""
        node = self.memif_node()
        object_id = self.put(node)
        for die_after in 1, self.bytes // 3, self.bytes // 2:
            done, _ = self.memif_client(object_id, "--die-after", str(die_after))
            self.assertEqual(done.returncode, -9, done.stderr)
            if node.is_down_by(signal.SIGSEGV):
                node = self.memif_node()
            wait_until("link down", lambda: not node.ports()[0]["link_up"], 5)
        self.memif_fetch(object_id)
        self.assert_balance(node)
        pools = node.call("status")["pools"]
        self.assertEqual([pool["items_free_now"] for pool in pools],
                         [pool["items"] for pool in pools])
        self.assert_clean_stop(node)

    def test_memif_stops_cleanly_under_a_connected_peer(self):
        node = self.memif_node()
        peer = subprocess.Popen([MEMIF_CLIENT, "--socket", f"{self.folder}/memif.sock", "--server",
                                 "10.9.0.77", "--client", "10.9.0.2", f"c-{'0' * 64}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        wait_until("link up", lambda: node.ports()[0]["link_up"], 10)
        self.assert_clean_stop(node)

    # ---- one daemon per interface ----

    def refused(self, device, first):
        """A second daemon, alike but for its folder, does not start and says whose it is."""
        with tempfile.TemporaryDirectory(prefix="aro-wires-") as folder:
            with self.assertRaisesRegex(
                    AssertionError, r"ended with 69:(?s:.*)port p0: va0 is served by another "
                    rf"daemon \(pid {first.process.pid}\).*ARO-6006"):
                self.addCleanup(Node(AROCACHED, PROFILES, folder, 'cache { memory = "64MiB" }\n'
                                     f'port "p0" {{ device = "{device}" addresses = '
                                     '{"10.9.0.7/24"} }\nhttp { listen = "" }\n').destroy)

    def one_daemon(self, device):
        first = self.node(device, store=False)
        for _ in range(40):  # more than the lock's backlog: whoever asks is let go
            self.ask("va0")
            time.sleep(0.02)
        self.refused(device, first)
        first.process.kill()
        first.process.wait()
        self.assert_clean_stop(self.node(device, store=False))

    def ask(self, name):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(f"\0arocache/interface/{name}")

    @unittest.skipUnless(is_root, "af_packet wants the machine's root")
    def test_an_interface_has_one_daemon(self):
        self.veth(0)
        self.one_daemon(AF_PACKET.format(0))

    @unittest.skipUnless(is_root, "a tap wants real root")
    def test_a_tap_has_one_daemon(self):
        self.one_daemon("net_tap0,iface=va0")

    # ---- without a peer ----

    def test_ring_is_up_and_quiet_without_a_peer(self):
        node = self.node("net_ring0")
        self.put(node)
        port = node.ports()[0]
        self.assertTrue(port["link_up"] and port["zero_copy"])
        self.assert_rest(node, "sleeps")
        counters = self.assert_balance(node)
        self.assertEqual(counters["rx_packets"] + counters["tx_packets"], 0)
        self.assert_clean_stop(node)

    def test_flush_without_a_store_asks_before_everything_is_lost(self):
        node = self.node("net_ring0", store=False)
        node.call("put", path=self.file, chunk_bytes=CHUNK_BYTES)
        with self.assertRaisesRegex(AssertionError, "ARO-6029"):
            node.call("flush")
        self.assertGreaterEqual(node.call("flush", force=True)["removed_chunks"], self.chunks)
        self.assertEqual(node.call("flush")["removed_chunks"], 0)
        self.assert_clean_stop(node)

    def null(self, device, reason):
        """Empty packets as fast as the lcore turns: every one dropped by that name."""
        node = self.node(device)
        port = node.ports()[0]
        self.assertFalse(port["zero_copy"])
        self.assertEqual(port["zero_copy_why"], NO_CHAINS)
        first, cpu_s = node.counters(), node.cpu_s()
        self.put(node)
        wait_until("a million packets", lambda: node.counters()[reason] > 1000000, 20)
        then = node.counters()
        self.assertGreater(then["loops"], first["loops"])
        self.assertGreater(node.cpu_s(), cpu_s)
        self.assertEqual([name for name, value in then.items()
                          if name.startswith("drop_") and value > 0], [reason])
        self.assertEqual(then["sleeps"] + then["requests"] + then["tx_packets"], 0)
        self.assert_clean_stop(node)

    def test_null_packets_of_zeros_have_no_sender(self):
        self.null("net_null0", "drop_frame_source")

    def test_null_packets_shorter_than_ethernet_are_too_short(self):
        self.null("net_null0,size=13", "drop_frame_short")


if __name__ == "__main__":
    namespace.enter()
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
