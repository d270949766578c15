#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Watching a real daemon: /metrics, /healthz, /readyz, the service manager's socket.

    test_watch.py AROCACHED AROCTL AROGET PMD_CONFIG GOLDEN [unittest arguments]

Runs itself in namespaces of its own (and, for an ordinary user, a user namespace). Exit code 77:
none can be made here.
"""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from node import Node, wait_until
from stall import Stall

INSIDE = "ARO_TEST_WATCH_INSIDE"
AROCACHED, AROCTL, AROGET, PROFILES, GOLDEN = map(os.path.abspath, sys.argv[1:6])
MIB = 1 << 20
PORT = ('port "p0" {{ device = "net_ring0" addresses = {{"10.9.0.1/24"}} }}\n'
        'cache {{ memory = "64MiB" }}\n{}')


def enter_namespace():
    """Replaces this process by itself inside; returns only when that is impossible."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    unshare += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        print(f"skipped: no namespace can be made: {tried.stderr.strip()}")
        sys.exit(77)
    os.environ[INSIDE] = "root" if os.geteuid() == 0 else "user"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


class Manager:
    """A service manager's end of the notification socket; what it heard, in order."""

    def __init__(self, folder, watchdog_s=None):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()
        os.environ["NOTIFY_SOCKET"] = self.path
        if watchdog_s is not None:
            os.environ["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))

    def listen(self):
        while True:  # the queue of such a socket is short
            self.lines += self.socket.recv(4096).decode().split("\n")

    def heard(self, line):
        return line in self.lines

    def close(self):
        os.environ.pop("NOTIFY_SOCKET", None)
        os.environ.pop("WATCHDOG_USEC", None)


class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-watch-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def node(self, more="", name="n0", device="net_ring0"):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        node = Node(AROCACHED, PROFILES, folder, PORT.format(more).replace("net_ring0", device))
        self.addCleanup(node.destroy)
        return node

    def manager(self, watchdog_s=None):
        manager = Manager(self.folder, watchdog_s)
        self.addCleanup(manager.close)
        return manager

    def ask(self, path, method="GET", port=9501):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        link.request(method, path)
        answer = link.getresponse()
        text = answer.read().decode()
        link.close()
        return answer.status, text, answer.headers

    def is_ready(self):
        return self.ask("/readyz")[0] == 200

    # ---- paths ----

    def test_paths_and_methods(self):
        self.node()
        self.assertEqual(self.ask("/healthz")[:2], (200, "ok\n"))
        self.assertEqual(self.ask("/readyz")[:2], (200, "ready\n"))
        status, text, headers = self.ask("/metrics", "HEAD")
        self.assertEqual((status, text), (200, ""))
        self.assertGreater(int(headers["Content-Length"]), 10000)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(self.ask("/")[0], 404)
        self.assertEqual(self.ask("/metrics/../etc/passwd")[0], 404)
        for method in "POST", "PUT", "DELETE", "OPTIONS":
            status, _, headers = self.ask("/metrics", method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))

    def test_metrics_are_those_of_the_golden_file_and_agree_with_stats(self):
        node = self.node(f'store "main" {{ path = "{self.folder}/store" size = "128MiB" '
                         'segment = "32MiB" }\n')
        text = self.ask("/metrics")[1]
        with open(GOLDEN, encoding="utf-8") as file:
            golden = {re.split(r"[{ ]", line)[0] for line in file}
        samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        self.assertEqual({re.split(r"[{ ]", name)[0] for name in samples}, golden)
        stats = node.call("stats")
        self.assertEqual(int(samples["arocache_cache_total_bytes"]), stats["cache"]["bytes_total"])
        self.assertEqual(int(samples["arocache_store_size_bytes"]), 128 * MIB)
        self.assertEqual(samples["arocache_store_writable"], "1")
        self.assertEqual(samples["arocache_ready"], "1")
        self.assertAlmostEqual(float(samples["arocache_start_time_seconds"]), time.time(), delta=60)
        self.assertGreater(float(samples['arocache_dataplane_idle_seconds_total{lcore="1"}']), 0)
        self.assertEqual(samples['arocache_port_link_up{port="p0"}'], "1")
        self.assertEqual(stats["control"]["http_requests"], 1)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool (package prometheus)")
    def test_promtool_finds_nothing_to_say(self):
        self.node(f'store "main" {{ path = "{self.folder}/store" size = "128MiB" '
                  'segment = "32MiB" }\n')
        said = subprocess.run(["promtool", "check", "metrics"], input=self.ask("/metrics")[1],
                              capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stdout + said.stderr), (0, ""))

    # ---- where it listens ----

    def test_a_second_node_goes_on_without_the_default_address(self):
        first, second = self.node(), self.node(name="n1")
        self.assertIn("warning http state=off", second.log_text())
        self.assertNotIn("warning http", first.log_text())
        self.assertEqual(self.ask("/readyz")[0], 200)

    def test_an_address_that_was_configured_must_work(self):
        self.node()
        folder = os.path.join(self.folder, "n1")
        os.makedirs(folder)
        with self.assertRaisesRegex(AssertionError, "(?s)ended with 69.*ARO-6040"):
            Node(AROCACHED, PROFILES, folder, PORT.format('http { listen = "127.0.0.1:9501" }\n'))

    def test_another_address_ipv6_or_none_at_all(self):
        self.node('http { listen = "[::1]:9777" }\n')
        link = http.client.HTTPConnection("::1", 9777, timeout=10)
        link.request("GET", "/healthz")
        self.assertEqual(link.getresponse().status, 200)
        link.close()
        self.node('http { listen = "" }\n', name="n1")
        with self.assertRaises(ConnectionRefusedError):
            self.ask("/healthz")

    def test_clients_that_say_nothing_do_not_disturb_the_node(self):
        node = self.node()
        silent = [socket.create_connection(("127.0.0.1", 9501)) for _ in range(40)]
        self.addCleanup(lambda: [one.close() for one in silent])
        for _ in range(20):
            node.call("status")
        rounds = node.call("stats")["control"]["rounds"]
        time.sleep(1)
        self.assertLess(node.call("stats")["control"]["rounds"] - rounds, 50, "the loop spins")
        self.assertEqual(node.stop(), 0)

    @unittest.skipUnless("root" == os.environ.get(INSIDE), "a veth wants real root")
    def test_an_interface_that_goes_down_takes_readiness_with_it(self):
        subprocess.run("ip link add va type veth peer name vb && ip link set va up && ip link set vb up",
                       shell=True, check=True)
        node = self.node(device="net_af_packet0,iface=va")
        self.assertTrue(self.is_ready())
        for link in ("va", "vb"):
            subprocess.run(["ip", "link", "set", link, "down"], check=True)
            wait_until("the kernel says so", lambda: not self.is_ready(), 5)
            self.assertEqual(self.ask("/readyz")[1], "no port has its link up\n")
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
            wait_until("the kernel says so", self.is_ready, 5)
        self.assertEqual(node.stop(), 0)

    # ---- the sampled request log ----

    @unittest.skipUnless("root" == os.environ.get(INSIDE), "a tap wants real root")
    def test_every_request_leaves_a_line_when_one_of_one_is_sampled(self):
        log = f"{self.folder}/requests"
        node = self.node(f'store "main" {{ path = "{self.folder}/store" size = "128MiB" '
                         f'segment = "32MiB" }}\nlog {{ requests_sample = 1 request_log = "{log}" }}\n',
                         device="net_tap0,iface=aro0")
        subprocess.run("ip addr add 10.9.0.2/24 dev aro0 && ip link set aro0 up", shell=True,
                       check=True)
        object_id = node.call("put", path=AROCACHED)["id"]
        for _ in range(2):
            subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", f"{self.folder}/out", object_id],
                           check=True, stdout=subprocess.DEVNULL)
            node.call("flush")
        counters = node.at_rest()["dataplane"]
        self.assertEqual(node.stop(), 0)
        with open(log, encoding="ascii") as file:
            lines = [dict(word.split("=") for word in line.split()[1:]) for line in file]
        self.assertEqual(counters["samples_lost"], 0)
        self.assertEqual(len(lines), counters["answered"] + counters["refused"])
        self.assertEqual(sum(int(line["slices"]) for line in lines),
                         counters["slices_memory"] + counters["slices_disk"])
        self.assertEqual({line["from"].split(":")[0] for line in lines}, {"10.9.0.2"})
        self.assertLessEqual({"hit", "miss"}, {line["outcome"] for line in lines})

    # ---- aroctl --watch ----

    def test_aroctl_repeats_what_looks_as_lines_or_on_a_screen(self):
        node = self.node()
        aroctl = [AROCTL, "-s", f"{node.run}/control.sock"]
        lines = subprocess.Popen([*aroctl, "--watch", "-j", "stats"], stdout=subprocess.PIPE)
        self.addCleanup(lines.stdout.close)
        self.addCleanup(lines.wait)
        self.addCleanup(lines.kill)
        master, slave = os.openpty()
        screen = subprocess.Popen([*aroctl, "--watch=1", "stats"], stdout=slave)
        os.close(slave)
        self.addCleanup(screen.wait)
        self.addCleanup(screen.kill)
        first, second = json.loads(lines.stdout.readline()), json.loads(lines.stdout.readline())
        self.assertNotIn("per_second", first)
        rate = second["per_second"]["dataplane"]["loops"]
        grown = second["dataplane"]["loops"] - first["dataplane"]["loops"]
        self.assertAlmostEqual(rate, grown, delta=grown / 3)
        text = ""
        while text.count("\033[H") < 2 or not text.endswith("\033[J"):
            text += os.read(master, 65536).decode()
        os.close(master)
        self.assertIn("PER SECOND", text)
        self.assertEqual(node.stop(), 0)
        self.assertEqual(lines.wait(10), 3, "no daemon any more")
        refused = subprocess.run([*aroctl, "--watch", "stop"], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 2)

    # ---- readiness ----

    def test_a_stuck_lcore_turns_readiness_and_starves_the_watchdog(self):
        manager = self.manager(watchdog_s=2)
        node = self.node()
        wait_until("READY=1", lambda: manager.heard("READY=1"), 5)
        wait_until("WATCHDOG=1", lambda: manager.heard("WATCHDOG=1"), 5)
        self.assertTrue(self.is_ready())
        with Stall(node.process.pid, 1):
            wait_until("not ready", lambda: not self.is_ready(), 5)
            self.assertEqual(self.ask("/readyz")[1], "lcore 1 does not advance\n")
            self.assertEqual(self.ask("/healthz")[0], 200, "the process lives")
            self.assertIn('arocache_lcore_advancing{lcore="1"} 0', self.ask("/metrics")[1])
            wait_until("STATUS", lambda: manager.heard("STATUS=lcore 1 does not advance"), 5)
            manager.lines.clear()
            time.sleep(2.5)
            self.assertFalse(manager.heard("WATCHDOG=1"), "fed although an lcore is stuck")
        wait_until("ready again", self.is_ready, 5)
        wait_until("WATCHDOG=1", lambda: manager.heard("WATCHDOG=1"), 5)
        self.assertIn("error lcore-stuck lcore=1", node.log_text())
        self.assertIn("info lcore-advances lcore=1", node.log_text())
        self.assertEqual(node.stop(), 0)
        wait_until("STOPPING=1", lambda: manager.heard("STOPPING=1"), 5)

    def test_an_idle_node_feeds_the_watchdog_twice_per_interval(self):
        manager = self.manager(watchdog_s=0.4)
        self.node()
        wait_until("READY=1", lambda: manager.heard("READY=1"), 5)
        manager.lines.clear()
        time.sleep(2)
        self.assertGreaterEqual(manager.lines.count("WATCHDOG=1"), 6)

    def test_a_store_that_takes_no_writes_is_not_ready_until_it_heals(self):
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200M", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        filler, content = os.path.join(disk, "filler"), os.path.join(self.folder, "content")
        for path, size in (filler, 100 * MIB), (content, 120 * MIB):
            with open(path, "wb") as file:
                file.write(os.urandom(size))
        node = self.node(f'store "main" {{ path = "{disk}/store" size = "1GiB" '
                         'segment = "64MiB" }\n')
        self.assertTrue(self.is_ready())
        with self.assertRaisesRegex(AssertionError, "ARO-6026"):
            node.call("put", path=content)
        self.assertEqual(self.ask("/readyz")[:2], (503, "the store takes no writes\n"))
        os.unlink(filler)
        wait_until("healed", self.is_ready, 15)

    def test_a_failed_start_says_why_to_the_service_manager(self):
        manager = self.manager()
        with self.assertRaises(AssertionError):
            Node(AROCACHED, PROFILES, self.folder, PORT.format('http { listen = "192.0.2.1:1" }\n'))
        wait_until("STATUS", lambda: any(line.startswith("STATUS=http.listen 192.0.2.1:1:")
                                         for line in manager.lines), 5)
        self.assertNotIn("READY=1", manager.lines)


if __name__ == "__main__":
    if INSIDE not in os.environ:
        enter_namespace()
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[6:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
