#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Names, pulls and a misbehaving origin: a real daemon, a real wire, real clients.

    test_origin.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

What arrives whole must be the origin's bytes; what does not must leave nothing: no object, no name.
Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import hashlib
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import namespace
from node import Node, wait_until
from origin import Origin, drip, file, slowly

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
DEVICE = "net_af_packet0,iface=va0,framesz=2048,blocksz=65536,framecnt=4096"
NULL = "net_null0,no-rx=1"


def content(size, seed):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Pipelined:
    """One connection with many requests under way."""

    def __init__(self, node):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(os.path.join(node.run, "control.sock"))
        self.lines = self.socket.makefile("r")

    def ask(self, number, method, **params):
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def hear(self, count):
        answers = {}
        while len(answers) < count:
            answer = json.loads(self.lines.readline())
            answers[answer["id"]] = answer
        return answers

    def close(self):
        self.lines.close()
        self.socket.close()


class Origins(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-origin-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.origin = Origin()
        self.addCleanup(self.origin.close)

    # ---- means ----

    def start(self, *keys, device=NULL, store=True, names=""):
        """A node whose names cdn.example/* are the origin's; keys: more lines of the origin block."""
        config = ('cache { memory = "64MiB" }\n' + names
                  + (f'store "main" {{ path = "{self.folder}/store" size = "256MiB" '
                     f'segment = "32MiB" }}\n' if store else "")
                  + f'origin "test" {{ url = "{self.origin.url}" prefix = "cdn.example/" '
                    f'timeout = "1s" {" ".join(keys)} }}\n'
                  f'port "p0" {{ device = "{device}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.node = Node(AROCACHED, PROFILES, self.folder, config)
        self.addCleanup(self.node.destroy)
        return self.node

    def error(self, method, **params):
        """The error id of a call that must fail."""
        with self.assertRaises(AssertionError) as caught:
            self.node.call(method, **params)
        text = str(caught.exception)
        return int(text[text.index("'id': 'ARO-") + 11:][:4])

    def stats(self):
        return self.node.call("stats")["origin"]

    def whole(self, name):
        """Resolves until the object is here, whatever way it comes."""
        answer = self.node.call("resolve", name=name)
        if answer["state"] == "arriving":
            chunks = self.chunks(answer["pull"])
            self.assertEqual(chunks["state"], "done", chunks)
            answer = self.node.call("resolve", name=name)
        self.assertEqual(answer["state"], "here")
        return answer

    def chunks(self, pull):
        """The last answer to chunks; its list is that of all."""
        listed, answer = [], {"next": 0, "state": "arriving"}
        while answer["state"] == "arriving":
            answer = self.node.call("chunks", pull=pull, after=answer["next"], wait_ms=10000)
            listed += answer["chunks"]
        return {**answer, "chunks": listed}

    def assert_nothing_kept(self, *names):
        self.assertEqual(self.node.call("ls")["objects"], [])
        self.assertEqual(self.node.call("names")["names"], [])
        wait_until("chunks undone",
                   lambda: self.node.call("stats")["store"]["chunks_now"] == 0, 5)

    def fails(self, path, expected, http_status=None, counter=None):
        """Asking for path fails with this error, and nothing stays."""
        try:
            answer = self.node.call("resolve", name=f"cdn.example{path}")
            self.assertEqual(answer["state"], "arriving", path)
            error = self.chunks(answer["pull"])["error"]
        except AssertionError as caught:
            text = str(caught)
            self.assertIn("'data': ", text)
            error = eval(text[text.index("'data': ") + 8:-1])
        self.assertEqual(error["id"], f"ARO-{expected}", error)
        self.assertEqual(error.get("http_status"), http_status, error)
        if counter:
            self.assertGreater(self.stats()[counter], 0)
        self.assert_nothing_kept()

    # ---- what arrives ----

    def test_500_who_ask_for_an_unknown_name_cost_one_request(self):
        body, gate = content(300000, 1), threading.Event()

        def serve(request):
            gate.wait(20)
            file(body, '"1"', "Content-Type: video/mp4")(request)
        self.origin.at["/film"] = serve
        self.start()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        for number in range(500):
            client.ask(number, "resolve", name="cdn.example/film")
        wait_until("all wait", lambda: self.stats()["held_now"] == 500, 10)
        gate.set()
        answers = client.hear(500)
        for answer in answers.values():
            self.assertIn(answer["result"]["state"], ("arriving", "here"))
            self.assertEqual(answer["result"]["type"], "video/mp4")
        stats = self.stats()
        self.assertEqual((stats["pulls"], stats["joined"]), (1, 499))
        self.assertEqual(self.whole("cdn.example/film")["digest"], sha256(body))
        self.assertEqual(self.origin.count("/film"), 1)
        self.assertEqual(self.node.stop(), 0)

    def test_chunks_are_served_while_the_rest_is_still_on_its_way(self):
        subprocess.run(["ip", "link", "add", "va0", "type", "veth", "peer", "name", "vb0"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)
        for command in ("addr add 10.9.0.2/24 dev vb0", "link set va0 up", "link set vb0 up"):
            subprocess.run(["ip", *command.split()], check=True)
        body, gate = content(1 << 20, 2), threading.Event()

        def serve(request):
            request.head(200, f"Content-Length: {len(body)}", 'ETag: "2"')
            slowly(request, body, gate, 3 * 65536 + 100)
        self.origin.at["/film"] = serve
        self.start(device=DEVICE)
        answer = self.node.call("resolve", name="cdn.example/film")
        self.assertEqual((answer["state"], answer["bytes"]), ("arriving", len(body)))
        first = self.node.call("chunks", pull=answer["pull"], wait_ms=5000)
        for number, text in enumerate(first["chunks"]):
            chunk, length = text.split(":")
            path = os.path.join(self.folder, "chunk")
            subprocess.run([AROGET, "--from", "10.9.0.1", "-o", path, f"c-{chunk}"], check=True,
                           capture_output=True)
            with open(path, "rb") as got:
                self.assertEqual(got.read(), body[number * 65536:][:int(length)])
        self.assertGreater(len(first["chunks"]), 0)
        self.assertEqual(first["state"], "arriving")
        self.assertEqual(self.node.call("ls")["objects"], [], "nothing half is an object")
        gate.set()
        last = self.chunks(answer["pull"])
        self.assertEqual(len(last["chunks"]), 16)
        path = os.path.join(self.folder, "whole")
        subprocess.run([AROGET, "--from", "10.9.0.1", "-o", path, last["object"]], check=True,
                       capture_output=True)
        with open(path, "rb") as got:
            self.assertEqual(got.read(), body)
        self.assertEqual(self.node.stop(), 0)


if __name__ == "__main__":
    namespace.enter()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
