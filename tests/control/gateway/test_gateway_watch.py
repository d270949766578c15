#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""arogate watched: metrics under real requests, health and readiness, the service manager.

test_gateway_watch.py AROGATE MODEL_SERVER
"""
import http.client
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

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../e2e")]
import rig  # noqa: E402
from stall import Stall  # noqa: E402

AROGATE, MODEL_SERVER = map(os.path.abspath, sys.argv[1:3])
GOLDEN = os.path.join(HERE, "metrics.golden")
DEFAULT = ("127.0.0.1", 9502)


class Manager:
    """The service manager's end; what it heard, in order."""

    def __init__(self, folder, watchdog_s=2):
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.link.bind(os.path.join(folder, "notify"))
        self.env = {"NOTIFY_SOCKET": os.path.join(folder, "notify"),
                    "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:  # the queue of such a socket is short
            self.lines += self.link.recv(4096).decode().split("\n")

    def wait(self, line, limit_s=10):
        rig.wait_until(line, lambda: line in self.lines, limit_s)


class Watch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.metrics = folder.name, rig.free_port()

    def source(self, *switches):
        source = rig.Source(MODEL_SERVER, *switches)
        self.addCleanup(source.kill)
        return source

    def gateway(self, *sources, keys="", manager=None, controls=(), metrics=None):
        nodes = [(f"127.0.0.1:{source.port}", controls[i] if i < len(controls) else None)
                 for i, source in enumerate(sources)]
        if metrics is None:
            metrics = f'metrics_listen = "127.0.0.1:{self.metrics}"'
        gateway = rig.Gateway(AROGATE, self.folder, nodes, keys, metrics,
                              manager.env if manager else None)
        self.addCleanup(self.stop_well, gateway)
        return gateway

    def stop_well(self, gateway):
        if gateway.process.poll() is None:
            code, said = gateway.stop()
            self.assertEqual(code, 0, said)
            self.assertNotRegex(said, "ERROR: |WARNING: ThreadSan")  # a sanitizer's

    def ask(self, path, method="GET", host="127.0.0.1", port=None):
        link = http.client.HTTPConnection(host, port or self.metrics, timeout=10)
        link.request(method, path)
        answer = link.getresponse()
        text = answer.read().decode()
        link.close()
        return answer.status, text

    def samples(self):
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in
                self.ask("/metrics")[1].splitlines() if line[0] != "#")}

    def ready(self, status=200):
        rig.wait_until(f"/readyz {status}", lambda: self.ask("/readyz")[0] == status)
        return self.ask("/readyz")[1]

    # ---- metrics ----

    def test_metrics_are_those_of_the_golden_file_and_of_what_was_asked(self):
        source = self.source("--bytes", 3_000_000)
        control = rig.Control(os.path.join(self.folder, "control"), resolve=self.refuse)
        self.addCleanup(control.stop)
        gateway = self.gateway(source, controls=[control.server_address], keys="workers = 2")
        at = f"/o/{source.object}"
        for path, headers, status in ((at, {}, 200), (at, {"Range": "bytes=5-9"}, 206),
                                      (at, {"Range": "bytes=9000000-"}, 416), ("/unknown", {}, 404),
                                      ("/unknown", {}, 404)):
            self.assertEqual(gateway.ask(path, headers)[0], status)
        time.sleep(0.6)  # numbers of nodes and memory are a quarter of a second old
        samples = self.samples()
        with open(GOLDEN, encoding="utf-8") as file:
            golden = {re.split(r"[{ ]", line)[0] for line in file}
        self.assertEqual({re.split(r"[{ ]", name)[0] for name in samples}, golden)
        for name, value in (("arogate_requests_total", 5), ('arogate_answers_total{status="200"}', 1),
                            ('arogate_answers_total{status="206"}', 1),
                            ('arogate_answers_total{status="404"}', 2),
                            ('arogate_answers_total{status="416"}', 1),
                            ('arogate_errors_total{id="ARO-9016"}', 1),
                            ('arogate_errors_total{id="ARO-8002"}', 2),
                            ("arogate_content_bytes_total", 3_000_005), ("arogate_requests", 0),
                            ("arogate_names_asked_total", 2), ("arogate_names_questions_total", 1),
                            ("arogate_names_known_total", 1), ("arogate_names_negative_total", 1),
                            ("arogate_names_failed_total", 1), ("arogate_names_entries", 1),
                            ('arogate_node_mismatches_total{node="n0"}', 0),
                            ('arogate_worker_advancing{worker="1"}', 1), ("arogate_ready", 1)):
            self.assertEqual(samples[name], value, name)
        self.assertGreaterEqual(samples['arogate_node_content_bytes_total{node="n0"}'], 3_000_000)
        self.assertGreater(samples['arogate_node_datagrams_total{node="n0"}'], 100)
        self.assertAlmostEqual(samples["arogate_start_time_seconds"], time.time(), delta=60)

    def refuse(self, params):
        raise rig.Refusal("ARO-8002", "no")

    def test_a_liar_and_slow_readers_are_seen(self):
        liar, honest = self.source("--bytes", 64 << 20, "--lie"), self.source("--bytes", 64 << 20)
        gateway = self.gateway(liar, honest, keys="workers = 1")
        with socket.create_connection(("127.0.0.1", gateway.port), 20) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            link.sendall(f"GET /o/{honest.object} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            self.assertTrue(link.recv(15).startswith(b"HTTP/1.1 200"))
            rig.wait_until("a slow reader", lambda: self.samples()["arogate_slow_readers"] == 1)
            samples = self.samples()
            self.assertGreater(samples["arogate_content_reserved_bytes"], 0)
            self.assertGreater(samples["arogate_content_buffers_bytes"], 0)
            self.assertEqual(samples["arogate_connections"], 1)
            self.assertGreaterEqual(samples['arogate_node_mismatches_total{node="n0"}'], 2)
            self.assertEqual(samples['arogate_node_left{node="n0"}'], 1)
            self.assertEqual(samples['arogate_node_mismatches_total{node="n1"}'], 0)
        rig.wait_until("nobody", lambda: self.samples()["arogate_slow_readers"] == 0)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool (package prometheus)")
    def test_promtool_finds_nothing_to_say(self):
        source = self.source("--bytes", 100_000)
        self.gateway(source).ask("/o/nonsense")
        said = subprocess.run(["promtool", "check", "metrics"], input=self.ask("/metrics")[1],
                              capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stdout + said.stderr), (0, ""))

    # ---- where it listens ----

    def test_paths_and_methods(self):
        self.gateway(self.source())
        self.ready()
        self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
        self.assertEqual(self.ask("/")[0], 404)
        self.assertEqual(self.ask("/metrics", "POST")[0], 405)
        self.assertEqual(self.ask("/metrics", "HEAD"), (200, ""))

    def test_a_taken_address_matters_only_when_the_file_names_it(self):
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind(DEFAULT)
                holder.listen()
            except OSError:
                pass  # somebody else has it: as good
            gateway = self.gateway(self.source(), metrics="")
            self.assertIn("warning metrics state=off", gateway.began[0])
            self.assertEqual(gateway.stop()[0], 0)
            with self.assertRaisesRegex(AssertionError, "(?s)ended with 69.*ARO-9001"):
                self.gateway(self.source(), metrics=f'metrics_listen = "{DEFAULT[0]}:{DEFAULT[1]}"')

    def test_another_address_or_none(self):
        self.gateway(self.source(), metrics=f'metrics_listen = "[::1]:{self.metrics}"')
        self.assertEqual(self.ask("/healthz", host="::1")[0], 200)
        self.gateway(self.source(), metrics='metrics_listen = ""')
        with self.assertRaises(ConnectionRefusedError):
            self.ask("/healthz")

    # ---- readiness ----

    def test_ready_while_a_node_answers_and_again_when_one_is_back(self):
        one, other = self.source(), self.source()
        gateway = self.gateway(one, other)
        self.ready()
        one.kill()
        time.sleep(5)
        self.assertEqual(self.ask("/readyz")[0], 200, "the other one answers")
        self.assertEqual(self.samples()['arogate_node_answering{node="n0"}'], 0)
        other.pause()
        self.assertEqual(self.ready(503), "no node answers\n")
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(self.samples()["arogate_ready"], 0)
        other.go_on()
        self.ready()
        said = gateway.stop()[1]
        for line in ("info node-answers node=n0", "warning node-silent node=n0",
                     "warning node-silent node=n1", "info node-answers node=n1"):
            self.assertIn(line, said)

    def test_a_node_that_never_answered_makes_nothing_ready(self):
        self.gateway(self.source("--silent"))
        self.assertEqual(self.ask("/readyz"), (503, "no node answers\n"))

    # ---- threads and the service manager ----

    def stuck(self, thread, reason, word):
        manager = Manager(self.folder)
        gateway = self.gateway(self.source(), manager=manager, keys="workers = 2")
        manager.wait("READY=1")
        manager.wait("WATCHDOG=1")
        self.ready()
        with Stall(gateway.process.pid, thread):
            self.assertEqual(self.ready(503), reason + "\n")
            self.assertEqual(self.ask("/healthz"), (503, reason + "\n"))
            manager.wait("STATUS=" + reason)
            manager.lines.clear()
            time.sleep(2.5)
            self.assertNotIn("WATCHDOG=1", manager.lines, "fed although a thread stands")
        self.ready()
        manager.wait("WATCHDOG=1")
        code, said = gateway.stop()
        self.assertEqual(code, 0)
        self.assertIn(f"error {word}-stuck", said)
        self.assertRegex(said, f"info {word}-advances?")
        manager.wait("STOPPING=1")

    def test_a_stuck_worker_turns_health_and_readiness_and_starves_the_watchdog(self):
        self.stuck("gate-worker-1", "worker 1 does not advance", "worker")

    def test_a_stuck_thread_of_the_names_does_the_same(self):
        self.stuck("gate-names", "the thread that asks for names does not advance", "names")

    def test_the_service_manager_hears_of_start_state_and_end(self):
        manager = Manager(self.folder, watchdog_s=1)
        source = self.source()
        gateway = self.gateway(source, manager=manager, keys="workers = 2")
        manager.wait("READY=1")
        manager.wait(f"STATUS=serving 127.0.0.1:{gateway.port}: 2 workers, 1 of 1 nodes answer")
        manager.lines.clear()
        time.sleep(2)
        self.assertGreaterEqual(manager.lines.count("WATCHDOG=1"), 3)
        source.kill()
        manager.wait(f"STATUS=serving 127.0.0.1:{gateway.port}: 2 workers, 0 of 1 nodes answer")
        self.assertEqual(gateway.stop()[0], 0)
        manager.wait("STOPPING=1")

    def test_while_it_stops_it_is_not_ready(self):
        source = self.source("--bytes", 64 << 20)
        gateway = self.gateway(source)
        self.ready()
        with socket.create_connection(("127.0.0.1", gateway.port), 20) as link:
            link.sendall(f"GET /o/{source.object} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            link.recv(100)
            gateway.process.terminate()
            self.assertEqual(self.ready(503), "stopping\n")
            self.assertEqual(self.ask("/healthz")[0], 200)

    def test_a_failed_start_says_why(self):
        manager = Manager(self.folder)
        with self.assertRaises(AssertionError):
            self.gateway(self.source(), manager=manager, metrics='metrics_listen = "192.0.2.1:1"')
        rig.wait_until("STATUS", lambda: any(line.startswith("STATUS=cannot listen on 192.0.2.1:1")
                                             for line in manager.lines))
        self.assertNotIn("READY=1", manager.lines)


unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
