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
import ssl
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
            if "id" in answer:  # else it tells of progress
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

    def failure(self, name, **params):
        """The error of a name that must not come whole, at once or in its pull."""
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        client.ask(1, "resolve", name=name, **params)
        answer = client.hear(1)[1]
        if "error" in answer:
            return answer["error"]["data"]
        self.assertEqual(answer["result"]["state"], "arriving", name)
        return self.chunks(answer["result"]["pull"])["error"]

    def assert_fails(self, path, expected, http_status=None):
        """Asking for path fails with this error, and nothing of it stays."""
        error = self.failure(f"cdn.example{path}")
        self.assertEqual(error["id"], f"ARO-{expected}", error)
        self.assertEqual(error.get("http_status"), http_status, error)
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

    def test_nobody_falls_between_the_end_of_a_pull_and_its_name(self):
        self.start()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        for n in range(10):
            self.origin.at[f"/{n}"] = file(content(70000, n))
            for number in range(200):
                client.ask(number, "resolve", name=f"cdn.example/{n}")
            client.hear(200)
            self.assertEqual(self.origin.count(f"/{n}"), 1)

    def test_chunks_are_served_while_the_rest_is_still_on_its_way(self):
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)
        body, gate = content(1 << 20, 2), threading.Event()

        def serve(request):
            request.head(200, f"Content-Length: {len(body)}", 'ETag: "2"')
            slowly(request, body, gate, 3 * 65536 + 100)
        self.origin.at["/film"] = serve
        self.start(device=namespace.WIRE)
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


    def test_an_answer_in_http_chunks_without_a_length_is_taken(self):
        body = content(200000, 3)

        def serve(request):
            request.head(200, "Transfer-Encoding: chunked", "Content-Type: text/plain")
            for at in range(0, len(body), 30011):
                piece = body[at:at + 30011]
                request.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            request.send(b"0\r\nTrailer: x\r\n\r\n")
        self.origin.at["/live"] = serve
        self.origin.at["/empty"] = lambda request: request.answer(200)
        self.start()
        answer = self.node.call("resolve", name="cdn.example/live")
        self.assertIsNone(answer["bytes"])
        self.assertEqual(self.whole("cdn.example/live")["digest"], sha256(body))
        self.assertEqual(self.whole("cdn.example/empty")["bytes"], 0)

    def test_names_are_still_there_after_a_restart_and_sqlite3_reads_them(self):
        self.origin.at["/a"] = file(content(100000, 4), '"4"', "Cache-Control: max-age=600",
                                    "Content-Type: image/png")
        node = self.start()
        here = self.whole("cdn.example/a")
        node.call("name", name="mine", id=here["object"], type="image/jpeg")
        self.assertEqual(self.error("name", name="x", id=here["object"], type="a\r\nb"), 8012)
        rows = subprocess.run(["sqlite3", os.path.join(self.folder, "store", "names.db"),
                               "SELECT name, content_type FROM names ORDER BY name"],
                              capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(rows, ["cdn.example/a|image/png", "mine|image/jpeg"])
        node.process.kill()
        node.process.wait()
        self.origin.close()
        self.start()
        again = self.node.call("resolve", name="cdn.example/a")
        self.assertEqual((again["state"], again["object"], again["type"], again["etag"]),
                         ("here", here["object"], "image/png", '"4"'))
        self.assertGreater(again["ttl_s"], 500)
        mine = self.node.call("resolve", name="mine")
        self.assertEqual((mine["object"], mine["ttl_s"]), (here["object"], None))
        self.node.call("evict", id=here["object"])
        self.assertEqual(self.error("resolve", name="mine"), 8001)
        self.assertEqual(self.error("resolve", name="cdn.example/a"), 8003)
        self.assertEqual(self.node.stop(), 0)

    def test_an_expired_name_is_renewed_by_304_and_pulled_anew_when_it_changed(self):
        first, second = content(100000, 5), content(120000, 6)
        self.origin.at["/a"] = file(first, '"5"', "Cache-Control: no-cache")
        self.start()
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(first))
        before = self.stats()
        self.assertEqual(self.node.call("resolve", name="cdn.example/a")["state"], "here")
        after = self.stats()
        self.assertEqual(after["renewed"], before["renewed"] + 1)
        self.assertEqual(after["bytes"], before["bytes"])
        self.origin.at["/a"] = file(second, '"6"', "Cache-Control: max-age=100")
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(second))
        self.assertGreater(self.node.call("resolve", name="cdn.example/a")["ttl_s"], 90)
        self.origin.at.clear()
        self.assertEqual(self.node.call("resolve", name="cdn.example/a")["state"], "here")
        self.assertEqual(self.error("pull", url=self.origin.url + "a"), 8002)
        self.assertEqual(self.error("resolve", name="cdn.example/a"), 8002)
        self.assertEqual(self.node.call("names")["names"], [], "what vanished has no name")

    def test_while_the_origin_is_down_warm_names_go_on_and_cold_ones_fail(self):
        body = content(70000, 7)
        self.origin.at["/warm"] = file(body, '"7"')
        self.origin.at["/strict"] = file(body, '"8"', "Cache-Control: max-age=0, must-revalidate")
        self.origin.at["/cold"] = lambda request: request.answer(200, b"cold")
        self.start('ttl = "0"', 'stale = "1h"')
        self.whole("cdn.example/warm")
        self.whole("cdn.example/strict")
        port = self.origin.port
        self.origin.close()
        warm = self.node.call("resolve", name="cdn.example/warm")
        self.assertEqual((warm["state"], warm["stale"], warm["digest"]), ("here", True, sha256(body)))
        self.assertEqual(self.error("resolve", name="cdn.example/cold"), 8003)
        self.assertEqual(self.error("resolve", name="cdn.example/strict"), 8003)
        self.assertGreater(self.stats()["hits_stale"], 0)
        at = self.origin.at
        self.origin = Origin(port)
        self.addCleanup(self.origin.close)
        self.origin.at = at
        self.origin.at["/warm"] = lambda request: request.answer(503)
        self.assertTrue(self.node.call("resolve", name="cdn.example/warm")["stale"])
        wait_until("it heals by itself", lambda: "error" not in self.ask_once("cdn.example/cold"), 5)

    def ask_once(self, name):
        client = Pipelined(self.node)
        client.ask(1, "resolve", name=name)
        answer = client.hear(1)[1]
        client.close()
        return answer

    def test_names_of_one_url_share_its_pull(self):
        body, gate = content(100000, 17), threading.Event()

        def serve(request):
            gate.wait(20)
            file(body, '"1"')(request)
        self.origin.at["/film"] = serve
        self.start(f'}}\norigin "other" {{ url = "{self.origin.url}" prefix = "www.example/" ')
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        client.ask(1, "resolve", name="cdn.example/film")
        client.ask(2, "resolve", name="www.example/film")
        client.ask(3, "pull", url=self.origin.url + "film", name="mine")
        wait_until("all wait", lambda: self.stats()["lookups"] == 3, 5)
        gate.set()
        client.hear(2)
        wait_until("names kept", lambda: self.stats()["names_now"] == 3, 5)
        self.assertEqual(self.origin.count("/film"), 1)
        for name in "cdn.example/film", "www.example/film", "mine":
            self.assertEqual(self.node.call("resolve", name=name)["digest"], sha256(body))

    def test_a_purge_in_the_middle_of_a_pull_keeps_its_result_from_getting_a_name(self):
        old, new, gate = content(200000, 18), content(200000, 19), threading.Event()

        def serve(request):
            request.head(200, f"Content-Length: {len(old)}")
            slowly(request, old, gate)
        self.origin.at["/a"] = serve
        self.start()
        pull = self.node.call("resolve", name="cdn.example/a")["pull"]
        self.node.call("purge", prefix="cdn.example/")
        self.origin.at["/a"] = file(new)
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(new))
        gate.set()
        self.assertEqual(self.chunks(pull)["state"], "done")
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(new))

    def test_an_object_that_was_evicted_is_pulled_again_without_asking_whether_it_changed(self):
        self.origin.at["/a"] = file(content(100000, 20), '"20"')
        self.start()
        here = self.whole("cdn.example/a")
        self.node.call("evict", id=here["object"])
        self.assertFalse(self.node.call("names")["names"][0]["here"])
        self.assertEqual(self.whole("cdn.example/a")["object"], here["object"])
        self.assertNotIn("if-none-match", self.origin.asked[-1].fields)

    def test_a_client_that_reads_late_gets_all_its_lists_of_chunks(self):
        body = content(4 << 20, 21)
        self.origin.at["/a"] = file(body)
        self.start()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        client.ask(0, "pull", url=self.origin.url + "a", chunk_bytes=4096)
        wait_until("a pull", lambda: self.stats()["pulls"] == 1, 5)
        self.node.call("resolve", name="cdn.example/a")
        pull = 1
        wait_until("all chunks", lambda: self.node.call("chunks", pull=pull)["next"] == 1024, 10)
        for number in range(1, 101):  # 7 MB of answers: more than a client may leave unread
            client.ask(number, "chunks", pull=pull, wait_ms=number % 2 * 5000)
        time.sleep(0.2)
        answers = client.hear(101)
        self.assertEqual({len(answers[n]["result"]["chunks"]) for n in range(1, 101)}, {1024})
        self.assertEqual(self.node.call("stats")["control"]["clients_dropped"], 0)

    # ---- what does not arrive ----

    def test_an_origin_that_lies_about_lengths_leaves_nothing(self):
        body = content(300000, 9)

        def short(request):
            request.head(200, "Content-Length: 400000")
            request.send(body)
            request.hang_up()

        def long(request):
            request.head(200, "Content-Length: 200000")
            request.send(body)

        def cut(request):
            request.head(200, "Transfer-Encoding: chunked")
            request.send(b"40000\r\n" + body[:100000])
            request.hang_up()

        def endless(request):
            request.head(200, "Transfer-Encoding: chunked")
            while True:
                request.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")

        def unknown_end(request):
            request.head(200)
            request.send(body)
            request.hang_up()
        self.origin.at.update({
            "/short": short, "/long": long, "/cut": cut, "/endless": endless, "/end": unknown_end,
            "/two": lambda r: r.head(200, "Content-Length: 5", "Content-Length: 6"),
            "/part": lambda r: r.answer(206, body, "Content-Range: bytes 0-299999/300000"),
            "/gzip": lambda r: r.answer(200, body, "Content-Encoding: gzip"),
            "/huge": lambda r: r.head(200, f"Content-Length: {1 << 40}")})
        self.start('max_object = "1MiB"')
        self.assert_fails("/short", 8007, 200)
        self.assert_fails("/long", 8007, 200)
        self.assert_fails("/cut", 8007, 200)
        self.assert_fails("/endless", 8010, 200)
        self.assert_fails("/huge", 8010, 200)
        for path in "/two", "/part", "/gzip", "/end":
            self.assertEqual(self.failure(f"cdn.example{path}")["id"], "ARO-8004", path)
        self.assert_nothing_kept()
        stats = self.stats()
        self.assertEqual((stats["failed_length"], stats["failed_too_large"]), (3, 2))

    def test_an_origin_that_refuses_stalls_or_talks_nonsense_fails_in_time(self):
        def nonsense(request):
            request.send(b"\x16\x03\x01 hello\r\n\r\n")
            request.hang_up()

        def silent(request):
            time.sleep(3)

        def slow(request):
            request.head(200, "Content-Length: 100000")
            drip(request, 5)

        def large_header(request):
            request.head(200, *(f"X-{n}: {'x' * 1000}" for n in range(100)), "Content-Length: 0")
        self.origin.at.update({
            "/401": lambda r: r.answer(401), "/403": lambda r: r.answer(403, b"x" * 200000),
            "/500": lambda r: r.answer(500), "/429": lambda r: r.answer(429),
            "/304": lambda r: r.head(304), "/nonsense": nonsense, "/silent": silent, "/slow": slow,
            "/header": large_header})
        self.start()
        for path, expected, status in (("/401", 8004, 401), ("/403", 8004, 403), ("/500", 8003, 500),
                                       ("/429", 8003, 429), ("/304", 8004, 304),
                                       ("/header", 8004, 200), ("/nonsense", 8004, None)):
            self.assert_fails(path, expected, status)
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        began = time.monotonic()
        client.ask(1, "resolve", name="cdn.example/silent")
        self.assert_fails("/slow", 8003, 200)
        self.assertEqual(client.hear(1)[1]["error"]["data"]["id"], "ARO-8003")
        self.assertLess(time.monotonic() - began, 5)

    def test_404_is_remembered_for_a_while_and_forgotten_by_purge(self):
        self.start('negative_ttl = "1h"')
        self.assert_fails("/late", 8002, 404)
        self.assert_fails("/late", 8002, 404)
        self.assertEqual(self.origin.count("/late"), 1)
        self.assertEqual(self.stats()["hits_negative"], 1)
        self.origin.at["/late"] = file(b"now")
        self.node.call("purge", name="cdn.example/late")
        self.assertEqual(self.whole("cdn.example/late")["digest"], sha256(b"now"))

    def test_redirects_are_followed_within_the_origins_only(self):
        foreign = Origin()
        self.addCleanup(foreign.close)
        foreign.at["/x"] = file(b"secret")
        body = content(5000, 10)

        def to(location):
            return lambda request: request.answer(302, b"", f"Location: {location}")
        self.origin.at.update({
            "/a/b": to("../secret"), "/a": to("/b?x=1"), "/b?x=1": to(self.origin.url + "c"),
            "/c": file(body), "/circle": to("/circle"), "/out": to(foreign.url + "x"),
            "/user": to(self.origin.url.replace("//", "//me@") + "c"), "/file": to("file:///etc/passwd"),
            "/far": to("/1"), **{f"/{n}": to(f"/{n + 1}") for n in range(1, 9)}})
        self.start()
        for path in "/circle", "/out", "/user", "/file", "/far", "/a/b":
            self.assert_fails(path, 8009, 302)
        self.assertEqual(foreign.asked, [])
        self.assertEqual(self.origin.count("/circle"), 6)
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(body))

    def test_nothing_outside_the_configured_origins_is_asked_for(self):
        self.start()
        for url in ("http://127.0.0.2/x", self.origin.url.replace("localhost", "127.0.0.1") + "x",
                    self.origin.url.replace("http", "https") + "x"):
            self.assertEqual(self.error("pull", url=url), 8006, url)
        self.assertEqual(self.error("resolve", name="elsewhere/x"), 8001)
        self.assertEqual(self.error("resolve", name="cdn.example/a/%2e%2E/x"), 8012)
        self.assertEqual(self.origin.asked, [])

    # ---- broken connections ----

    def breaking(self, body, etags, piece=100000):
        """Hangs up after each piece; the validator of each answer comes from etags."""
        def serve(request):
            etag = etags.pop(0) if len(etags) > 1 else etags[0]
            first = int(request.fields.get("range", "bytes=0-")[6:-1])
            lines = [f"ETag: {etag}", "Accept-Ranges: bytes", f"Content-Length: {len(body) - first}"]
            if first:
                lines.append(f"Content-Range: bytes {first}-{len(body) - 1}/{len(body)}")
            request.head(206 if first else 200, *lines)
            request.send(body[first:first + piece])
            if first + piece < len(body):
                request.hang_up()
        return serve

    def test_a_broken_transfer_goes_on_where_it_was(self):
        body = content(450000, 11)
        self.origin.at["/a"] = self.breaking(body, ['"1"'])
        self.start()
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(body))
        ranges = [request.fields.get("range") for request in self.origin.asked]
        self.assertEqual(ranges, [None] + [f"bytes={n}00000-" for n in range(1, 5)])
        self.assertEqual({request.fields.get("if-range") for request in self.origin.asked[1:]},
                         {'"1"'})
        self.assertEqual(self.stats()["resumed"], 4)

    def test_content_that_changes_while_it_is_fetched_is_never_mixed(self):
        body = content(450000, 12)
        self.origin.at["/a"] = self.breaking(body, ['"1"', '"1"', '"2"'])
        honest = file(content(450000, 13), '"2"')

        def restart(request):
            if "range" in request.fields:
                honest(request)
            else:
                self.breaking(body, ['"1"'])(request)
        self.origin.at["/b"] = restart
        self.start()
        self.assert_fails("/a", 8008, 206)
        self.assert_fails("/b", 8008, 200)

    def test_a_transfer_that_makes_no_progress_is_given_up(self):
        body = content(300000, 14)
        serve = self.breaking(body, ['"1"'])

        def once(request):
            if "range" in request.fields:
                request.hang_up()
            else:
                serve(request)
        self.origin.at["/a"] = once
        self.start()
        error = self.failure("cdn.example/a")
        self.assertEqual(error["id"], "ARO-8003", error)
        self.assertEqual(self.origin.count("/a"), 5)
        self.assert_nothing_kept()

    # ---- budgets, operators ----

    def test_pulls_wait_for_a_connection_and_bytes_for_their_rate(self):
        body, now, most = content(100000, 15), [], []

        def serve(request):
            now.append(request)
            most.append(len(now))
            time.sleep(0.02)
            now.remove(request)
            file(body)(request)
        for n in range(10):
            self.origin.at[f"/{n}"] = serve
        self.start("connections = 2", 'rate = "16Mbit"')
        began = time.monotonic()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        for n in range(10):
            client.ask(n, "resolve", name=f"cdn.example/{n}")
        client.hear(10)
        for n in range(10):
            self.whole(f"cdn.example/{n}")
        self.assertLessEqual(max(most), 2)
        self.assertGreater(time.monotonic() - began, 0.4, "a million bytes at 2 MB/s, less a burst")

    def test_a_full_store_fails_the_pull_and_says_of_what(self):
        store = (f'store "main" {{ path = "{self.folder}/store" size = "64MiB" '
                 'segment = "16MiB" }\n')
        node = self.start(store=False, names=store)
        self.origin.at["/large"] = file(content(70 << 20, 26))
        with self.assertRaises(AssertionError) as caught:
            node.call("pull", url=self.origin.url + "large")
        self.assertIn("ARO-6026", str(caught.exception))
        self.assertIn(f"{self.origin.url}large: ", str(caught.exception))
        self.assertEqual(node.call("ls")["objects"], [])

    def test_a_pull_can_be_cancelled_and_then_leaves_nothing(self):
        body, gate = content(300000, 16), threading.Event()
        self.addCleanup(gate.set)

        def serve(request):
            request.head(200, f"Content-Length: {len(body)}")
            slowly(request, body, gate, 200000)
        self.origin.at["/a"] = serve
        self.start()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        client.ask(1, "pull", url=self.origin.url + "a")
        wait_until("chunks stored", lambda: self.node.call("stats")["store"]["chunks_now"] > 0, 5)
        self.node.call("cancel", job=self.node.call("job")["jobs"][0]["job"])
        wait_until("no job", lambda: self.node.call("job")["jobs"] == [], 5)
        self.assert_nothing_kept()
        self.assertEqual(self.stats()["failed_here"], 1)

    def test_cancelling_a_pull_that_others_joined_takes_nothing_from_them(self):
        body, gate = content(300000, 22), threading.Event()
        self.addCleanup(gate.set)

        def serve(request):
            request.head(200, f"Content-Length: {len(body)}")
            slowly(request, body, gate, 100000)
        self.origin.at["/a"] = serve
        self.start()
        pull = self.node.call("resolve", name="cdn.example/a")["pull"]
        client = Pipelined(self.node)
        client.ask(1, "pull", url=self.origin.url + "a")
        wait_until("joined", lambda: self.stats()["joined"] == 1, 5)
        client.close()
        wait_until("no job", lambda: self.node.call("job")["jobs"] == [], 5)
        gate.set()
        self.assertEqual(self.chunks(pull)["state"], "done")
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(body))

    def test_the_daemon_stops_cleanly_in_the_middle_of_pulls(self):
        gate = threading.Event()
        self.addCleanup(gate.set)

        def serve(request):
            request.head(200, "Content-Length: 1000000")
            slowly(request, bytes(1000000), gate, 100000)
        self.origin.at.update({"/a": serve, "/b": lambda request: gate.wait(10)})
        self.start()
        client = Pipelined(self.node)
        self.addCleanup(client.close)
        pull = self.node.call("resolve", name="cdn.example/a")["pull"]
        client.ask(1, "resolve", name="cdn.example/b")
        client.ask(2, "chunks", pull=pull, after=1, wait_ms=60000)
        wait_until("both wait", lambda: self.stats()["held_now"] == 2, 5)
        self.assertEqual(self.node.stop(), 0, self.node.log_text())
        self.start()
        self.assert_nothing_kept()

    def test_a_url_that_is_none_is_a_wrong_parameter_and_says_why(self):
        self.start()
        for url, why in (("file:///etc/passwd", "neither http"), ("ftp://a.example/x", "neither http"),
                         (self.origin.url + "../x", "segment"), (self.origin.url + "%2e%2e/x", "segment"),
                         (self.origin.url + "x#f", "fragment"), (self.origin.url + "a b", "percent-encoded"),
                         (self.origin.url.replace("//", "//u:p@"), "user")):
            for method in "pull", "purge":
                with self.assertRaises(AssertionError, msg=url) as caught:
                    self.node.call(method, url=url)
                for text in ("ARO-6012", "-32602", why):
                    self.assertIn(text, str(caught.exception))
        self.assertEqual(self.origin.asked, [])

    def test_a_pull_that_its_origin_failed_says_with_what_status(self):
        self.start()

        def cut(request):
            request.head(200, "Content-Length: 400000")
            request.send(b"x" * 100000)
            request.hang_up()
        self.origin.at["/200"] = cut
        for status in 404, 403, 200:
            if status != 200:
                self.origin.at[f"/{status}"] = lambda request, status=status: request.answer(status)
            with self.assertRaises(AssertionError) as caught:
                self.node.call("pull", url=self.origin.url + str(status))
            self.assertIn(f"'http_status': {status}", str(caught.exception))

    def test_operators_pull_list_purge_and_see_what_failed(self):
        self.origin.at["/a"] = file(b"a" * 70000, '"a"', "Content-Type: text/plain")
        self.origin.at["/b?x=1"] = file(b"b", '"b"')
        self.start()

        def aroctl(*words, code=0):
            done = subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", *words],
                                  capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, code, done)
            return done.stdout + done.stderr
        self.assertIn("durable", aroctl("pull", self.origin.url + "a"))
        self.assertIn("unchanged", aroctl("pull", self.origin.url + "a"))
        self.assertIn("alias", aroctl("pull", self.origin.url + "a", "--name", "alias"))
        aroctl("pull", self.origin.url + "b?x=1")
        self.assertIn("text/plain", aroctl("resolve", "cdn.example/a"))
        listed = [json.loads(line)["name"] for line in aroctl("-j", "names").splitlines()]
        self.assertEqual(listed, ["alias", "cdn.example/a", "cdn.example/b?x=1"])
        self.assertIn("1 names", aroctl("purge", "--prefix", "cdn.example/b"))
        self.assertIn("2 names", aroctl("purge", "--url", self.origin.url + "a"))
        self.assertIn("ARO-6012", aroctl("purge", code=2))
        self.assertIn("ARO-8006", aroctl("pull", "http://example.org/", code=4))
        self.assertIn("ARO-8002", aroctl("pull", self.origin.url + "none", code=1))
        self.assertEqual(len(self.node.call("ls")["objects"]), 2, "objects stay")

    def test_only_a_certificate_that_verifies_is_believed(self):
        key, cert = os.path.join(self.folder, "key"), os.path.join(self.folder, "cert")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        self.origin.close()
        self.origin = Origin(tls=tls)
        self.addCleanup(self.origin.close)
        self.origin.at["/a"] = file(b"tls")
        self.start()
        self.assert_fails("/a", 8011)
        self.node.stop()
        self.start(f'ca_file = "{cert}"')
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(b"tls"))

    def test_a_damaged_table_is_set_aside_and_names_come_back_from_the_origin(self):
        self.origin.at["/a"] = file(b"a" * 1000)
        self.start()
        self.whole("cdn.example/a")
        self.node.stop()
        path = os.path.join(self.folder, "store", "names.db")
        with open(path, "r+b") as table:
            table.write(b"this is no database at all")
        self.start()
        self.whole("cdn.example/a")
        self.assertTrue(os.path.exists(path + ".damaged"))
        self.assertIn("names-damaged", self.node.log_text())

    def test_without_a_store_names_and_objects_live_in_memory(self):
        self.origin.at["/a"] = file(b"a" * 100000)
        self.start(store=False)
        self.assertEqual(self.whole("cdn.example/a")["digest"], sha256(b"a" * 100000))
        self.node.call("flush", force=True)
        self.assertEqual(self.node.call("resolve", name="cdn.example/a")["state"], "arriving")


if __name__ == "__main__":
    namespace.enter()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
