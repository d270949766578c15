#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""arogate over real sockets, content by id: what docs/http.md says.

test_gateway.py AROGATE MODEL_SERVER
"""
import base64
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

AROGATE, MODEL_SERVER = map(os.path.abspath, sys.argv[1:3])
SIZE = 3_000_001


def cid(digest, version=1, codec=0x55, code=0x12):
    body = bytes([version, codec, code, len(digest)]) + digest
    return "b" + base64.b32encode(body).decode().lower().rstrip("=")


class Case(unittest.TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def source(self, *switches):
        source = rig.Source(MODEL_SERVER, *switches)
        self.addCleanup(source.kill)
        return source

    def gateway(self, *sources, keys="", controls=()):
        nodes = [(f"127.0.0.1:{source.port}", controls[i] if i < len(controls) else None)
                 for i, source in enumerate(sources)]
        gateway = rig.Gateway(AROGATE, self.folder(), nodes, keys)
        self.addCleanup(self.stop_well, gateway)
        return gateway

    def stop_well(self, gateway):
        code, said = gateway.stop()
        self.assertEqual(code, 0, said)
        self.assertNotRegex(said, "ERROR: |WARNING: ThreadSan")  # a sanitizer's


class Content(Case):
    @classmethod
    def setUpClass(cls):
        cls.shared = rig.Source(MODEL_SERVER, "--bytes", SIZE)
        cls.place = tempfile.TemporaryDirectory()
        cls.gate = rig.Gateway(AROGATE, cls.place.name, [(f"127.0.0.1:{cls.shared.port}", None)])
        cls.whole = cls.gate.ask(f"/o/{cls.shared.object}")[2]

    @classmethod
    def tearDownClass(cls):
        code, said = cls.gate.stop()
        cls.shared.kill()
        cls.place.cleanup()
        assert code == 0, said

    def setUp(self):
        self.at = f"/o/{self.shared.object}"

    def test_an_object_comes_whole_and_its_header_says_what_it_is(self):
        status, head, body = self.gate.ask(self.at)
        self.assertEqual((status, rig.sha256(body)), (200, self.shared.sha256))
        self.assertEqual(head["content-length"], str(SIZE))
        self.assertEqual(head["content-type"], "application/octet-stream")
        self.assertEqual(head["etag"], f'"{self.shared.object}"')
        self.assertEqual(head["accept-ranges"], "bytes")
        self.assertEqual(head["cache-control"], "public, max-age=31536000, immutable")
        self.assertNotIn("connection", head)
        self.assertNotIn("transfer-encoding", head)

    def test_a_bare_id_is_as_good(self):
        self.assertEqual(self.gate.ask(f"/o/{self.shared.object[2:]}")[0], 200)
        self.assertEqual(self.gate.ask(f"/c/{self.shared.chunk[2:]}")[2], self.whole[:65536])

    def test_ranges_are_the_bytes_they_name(self):
        for text, first, last in (("0-0", 0, 0), ("0-99", 0, 99), ("65535-65536", 65535, 65536),
                                  ("1000000-2000000", 1000000, 2000000),
                                  (f"{SIZE - 1}-", SIZE - 1, SIZE - 1), ("-70000", SIZE - 70000, SIZE - 1),
                                  ("2999000-99999999999999999999", 2999000, SIZE - 1)):
            status, head, body = self.gate.ask(self.at, {"Range": "bytes=" + text})
            self.assertEqual(status, 206, text)
            self.assertEqual(body, self.whole[first:last + 1], text)
            self.assertEqual(head["content-range"], f"bytes {first}-{last}/{SIZE}")
            self.assertEqual(head["content-length"], str(last - first + 1))

    def test_a_range_outside_is_416_with_the_length(self):
        for text in (f"{SIZE}-", "-0", "9-8", "x", "99999999999999999999-"):
            status, head, body = self.gate.ask(self.at, {"Range": "bytes=" + text})
            self.assertEqual((status, head["content-range"]), (416, f"bytes */{SIZE}"), text)
            self.assertIn(b"ARO-9016", body)

    def test_several_ranges_or_another_unit_bring_the_whole(self):
        for text in ("bytes=0-9,20-29", "lines=0-9"):
            status, _, body = self.gate.ask(self.at, {"Range": text})
            self.assertEqual((status, len(body)), (200, SIZE), text)

    def test_conditions_follow_the_rfc(self):
        etag = f'"{self.shared.object}"'
        for headers, expected in (({"If-None-Match": etag}, 304),
                                  ({"If-None-Match": f'"x", W/{etag}'}, 304),
                                  ({"If-None-Match": '"x"'}, 200),
                                  ({"If-None-Match": etag, "Range": "bytes=0-9"}, 304),
                                  ({"If-Match": etag}, 200), ({"If-Match": '"x"'}, 412),
                                  ({"If-Match": '"x"', "If-None-Match": etag}, 412),
                                  ({"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"}, 200),
                                  ({"If-Range": etag, "Range": "bytes=0-9"}, 206),
                                  ({"If-Range": '"x"', "Range": "bytes=0-9"}, 200),
                                  ({"If-Range": '"x"', "Range": "bytes=9999999-"}, 200)):
            status, head, body = self.gate.ask(self.at, headers)
            self.assertEqual(status, expected, headers)
            if status == 304:
                self.assertEqual((head["etag"], body), (etag, b""))

    def test_head_says_what_get_would_without_a_body(self):
        for headers in {}, {"Range": "bytes=5-9"}, {"If-None-Match": f'"{self.shared.object}"'}, \
                {"Range": "bytes=9999999-"}:
            got = self.gate.ask(self.at, headers)
            head = self.gate.ask(self.at, headers, method="HEAD")
            self.assertEqual((head[0], head[2]), (got[0], b""), headers)
            for name in "etag", "content-length", "content-range", "cache-control":
                self.assertEqual(head[1].get(name), got[1].get(name), (headers, name))

    def test_a_connection_serves_one_request_after_the_other(self):
        link = self.gate.connect()
        link.connect()
        own = link.sock
        for path, expected in ((self.at, 200), ("/o/x", 400), (self.at, 200),
                               ("/c/" + "1" * 64, 404), (f"/c/{self.shared.chunk}", 200)):
            self.assertEqual(self.gate.ask(path, link=link)[0], expected)
            self.assertIs(link.sock, own, path)
        link.close()

    def test_requests_may_be_pipelined(self):
        one = f"GET {self.at} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-4\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.gate.port), 20) as link:
            link.sendall(one * 20)
            got = b""
            while got.count(b"HTTP/1.1 206") < 20 or not got.endswith(self.whole[:5]):
                got += link.recv(65536)

    def test_a_raw_block_is_found_under_its_cid(self):
        digest = bytes.fromhex(self.shared.chunk[2:])
        name = cid(digest)
        for path, headers in ((f"/ipfs/{name}?format=raw", {}),
                              (f"/ipfs/{name}", {"Accept": "application/vnd.ipld.raw"})):
            status, head, body = self.gate.ask(path, headers)
            self.assertEqual((status, hashlib.sha256(body).digest()), (200, digest))
            self.assertEqual(head["content-type"], "application/vnd.ipld.raw")
            self.assertEqual(head["etag"], f'"{name}.raw"')
            self.assertEqual(head["x-content-type-options"], "nosniff")
            self.assertEqual(head["x-ipfs-path"], f"/ipfs/{name}")
        for path in (f"/ipfs/{name}", f"/ipfs/{cid(digest, codec=0x70)}?format=raw",
                     f"/ipfs/{cid(digest, code=0x1e)}?format=raw", "/ipfs/x?format=raw"):
            status, _, body = self.gate.ask(path)
            self.assertEqual(status, 400)
            self.assertIn(b"ARO-9018", body)

    def test_what_is_not_there_is_404_and_who_resolves_no_names_says_so(self):
        self.assertEqual(self.gate.ask("/c/" + "1" * 64)[0], 404)
        self.assertEqual(self.gate.ask("/o/" + "1" * 64)[0], 404)
        self.assertEqual(self.gate.ask("/o/" + self.shared.chunk[2:])[0], 404)
        self.assertIn(b"ARO-9020", self.gate.ask("/film.mp4")[2])
        status, head, body = self.gate.ask("/v2/x/blobs/sha256:" + "1" * 64)
        self.assertEqual((status, head["content-type"]), (404, "application/json"))
        self.assertIn(b'"errors":[{"code":"BLOB_UNKNOWN"', body)
        status, head, _ = self.gate.ask("/v2/")
        self.assertEqual((status, head["docker-distribution-api-version"]), (200, "registry/2.0"))

    def test_other_methods_are_refused(self):
        for method in "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW":
            status, head, _ = self.gate.ask(self.at, method=method)
            self.assertEqual((status, head["allow"]), (405, "GET, HEAD"), method)
        self.assertIn(b" 405 ", self.gate.raw(b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"))

    def test_hostile_requests_get_a_clear_status_and_the_connection_ends(self):
        plain = f"GET {self.at} HTTP/1.1\r\nHost: x\r\n".encode()
        for what, data, statuses in (
                ("bare LF", plain.replace(b"\r\n", b"\n") + b"\n", (400,)),
                ("bare LF behind a field", plain + b"X: y\n\r\n", (400,)),
                ("bare LF at the end", plain + b"\n", (400,)),
                ("bare LF of the request line", plain.replace(b"\r\n", b"\n", 1) + b"\r\n", (400,)),
                ("CL and TE", plain + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
                ("TE", plain + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
                ("a body", plain + b"Content-Length: 5\r\n\r\nhello", (400,)),
                ("two lengths", plain + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", (400,)),
                ("two ranges fields", plain + b"Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n", (400,)),
                ("two Hosts", plain + b"Host: x\r\n\r\n", (400,)),
                ("no Host", plain.split(b"\r\n")[0] + b"\r\n\r\n", (400,)),
                ("a negative length", plain + b"Content-Length: -5\r\n\r\n", (400,)),
                ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (400,)),
                ("a bad Host", plain.replace(b"Host: x", b"Host: x/y") + b"\r\n", (400,)),
                ("folded", plain + b"X: a\r\n b\r\n\r\n", (400,)),
                ("space before the colon", plain + b"X : a\r\n\r\n", (400,)),
                ("no colon", plain + b"nonsense\r\n\r\n", (400,)),
                ("NUL in a value", plain + b"X: a\0b\r\n\r\n", (400,)),
                ("NUL in a name", plain + b"X\0Y: a\r\n\r\n", (400,)),
                ("NUL in the target", plain.replace(b" HTTP", b"\0x HTTP") + b"\r\n", (400,)),
                ("NUL in the method", plain.replace(b"GET", b"GET\0") + b"\r\n", (400,)),
                ("CR in a value", plain + b"X: a\rb\r\n\r\n", (400,)),
                ("two spaces", plain.replace(b"GET ", b"GET  ") + b"\r\n", (400,)),
                ("tab", plain.replace(b"GET ", b"GET\t") + b"\r\n", (400, None)),
                ("no version", f"GET {self.at}\r\n\r\n".encode(), (400, None)),
                ("HTTP/9.9", plain.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n", (400, 505)),
                ("64 KiB field", plain + b"X: " + b"a" * 65536 + b"\r\n\r\n", (431,)),
                ("64 KiB target", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
                ("10 KiB target", b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (414,)),
                ("10,000 fields", plain + b"X: y\r\n" * 10000 + b"\r\n", (431,)),
                ("foreign authority", b"GET http://evil/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (400,)),
                ("walking", b"GET /o/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (400,)),
                ("walking, encoded", b"GET /n/h/%2e%2e%2fx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (400,)),
                ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500 + b"\n", (400, None)),
                ("nothing", b"", (None,))):
            got = self.gate.raw(data)
            status = int(got.split()[1]) if got.startswith(b"HTTP/1.1 ") else None
            self.assertIn(status, statuses, (what, got[:200]))
            if what != "a negative length":  # libmicrohttpd 0.9.75 says its 400 twice
                self.assertEqual(got.count(b"HTTP/1.1 "), 1 if status else 0, (what, got[:400]))
            self.assertNotIn(self.whole[:16], got, what)
        self.assertEqual(self.gate.ask(self.at)[0], 200)

    def test_absolute_form_of_this_very_host_is_followed(self):
        got = self.gate.raw(f"GET http://x{self.at} HTTP/1.1\r\nHost: X\r\nRange: bytes=0-4\r\n"
                            "Connection: close\r\n\r\n".encode())
        self.assertTrue(got.endswith(b"\r\n\r\n" + self.whole[:5]), got[:200])

    def test_http_1_0_gets_the_content_too(self):
        got = self.gate.raw(f"GET {self.at} HTTP/1.0\r\nRange: bytes=0-4\r\n\r\n".encode())
        self.assertTrue(got.endswith(b"\r\n\r\n" + self.whole[:5]), got[:200])

    def test_many_clients_at_once_all_get_their_own_bytes(self):
        wrong = []

        def client(number):
            first = number * 10007 % (SIZE - 200_000)
            link = self.gate.connect()
            for _ in range(5):
                body = self.gate.ask(self.at, {"Range": f"bytes={first}-{first + 199_999}"}, link=link)[2]
                if body != self.whole[first:first + 200_000]:
                    wrong.append(number)
            link.close()

        threads = [threading.Thread(target=client, args=(n,)) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Trouble(Case):
    def test_an_empty_object_is_an_empty_body(self):
        source = self.source("--bytes", 0)
        gateway = self.gateway(source)
        status, head, body = gateway.ask(f"/o/{source.object}")
        self.assertEqual((status, head["content-length"], body), (200, "0", b""))
        self.assertEqual(gateway.ask(f"/o/{source.object}", {"Range": "bytes=0-"})[0], 200)
        self.assertEqual(gateway.ask(f"/o/{source.object}", {"Range": "bytes=1-"})[0], 416)

    def test_the_other_node_goes_on_when_one_dies_midway(self):
        one, other = self.source("--bytes", 30_000_000), self.source("--bytes", 30_000_000)
        gateway = self.gateway(one, other)
        link = gateway.connect(timeout=60)
        link.request("GET", f"/o/{one.object}")
        answer = link.getresponse()
        digest = hashlib.sha256(answer.read(5_000_000))
        one.kill()
        digest.update(answer.read())
        link.close()
        self.assertEqual(digest.hexdigest(), one.sha256)
        rig.wait_until("a log line", gateway.log_lines)
        self.assertRegex(gateway.log_lines()[-1], r' 200 30000000 ".*node=n0,n1 host=')

    def test_a_lying_node_is_left_and_not_a_wrong_byte_is_sent(self):
        liar, honest = self.source("--bytes", 5_000_000, "--lie"), self.source("--bytes", 5_000_000)
        gateway = self.gateway(liar, honest)
        status, _, body = gateway.ask(f"/o/{honest.object}")
        self.assertEqual((status, rig.sha256(body)), (200, honest.sha256))

    def test_with_only_a_liar_nothing_wrong_arrives(self):
        liar = self.source("--bytes", 5_000_000, "--lie")
        gateway = self.gateway(liar)
        status, _, body = gateway.ask(f"/o/{liar.object}")
        self.assertEqual((status, body[:9]), (502, b"ARO-7008:"))
        self.assertEqual(gateway.ask(f"/c/{liar.chunk}")[0], 502)

    def test_a_body_that_cannot_be_finished_is_cut_and_never_looks_whole(self):
        source = self.source("--bytes", 5_000_000, "--missing")
        gateway = self.gateway(source)
        with self.assertRaises(http.client.IncompleteRead) as caught:
            gateway.ask(f"/o/{source.object}")
        self.assertGreater(len(caught.exception.partial), 0)
        self.assertLess(len(caught.exception.partial), 5_000_000)

    def test_what_its_node_evicted_is_404_although_its_manifest_was_kept(self):
        source = self.source("--bytes", 300_000)
        gateway = self.gateway(source, keys="workers = 1")  # each has a memory of its own
        at = f"/o/{source.object}"
        self.assertEqual(gateway.ask(at)[0], 200)
        source.kill()
        other = self.source("--bytes", 5, "--seed", 99, "--port", source.port)
        for headers, method in (({"Range": "bytes=7-8"}, "GET"), ({}, "HEAD"), ({}, "GET")):
            status, head, _ = gateway.ask(at, headers, method)
            self.assertEqual((status, head["cache-control"]), (404, "no-store"), method)
        other.kill()
        self.source("--bytes", 300_000, "--port", source.port)
        self.assertEqual(gateway.ask(at, {"Range": "bytes=7-8"})[0], 206)

    def test_a_range_whose_first_chunk_nobody_has_is_404_and_the_rest_is_served(self):
        source = self.source("--bytes", 300_000, "--missing")
        gateway = self.gateway(source)
        for text, expected in (("-5", 404), ("0-9", 206), ("299000-", 404)):
            status, _, body = gateway.ask(f"/o/{source.object}", {"Range": "bytes=" + text})
            self.assertEqual(status, expected, text)
            self.assertEqual(b"ARO-7005" in body, expected == 404)

    def test_an_object_of_many_manifests_comes_whole_from_any_place(self):
        source = self.source("--bytes", 70_000_000, "--chunk", 4096)
        gateway = self.gateway(source, keys='timeout = "3s"')
        for text in ("69000000-69000009", "5-20000", "0-"):
            status, _, body = gateway.ask(f"/o/{source.object}", {"Range": "bytes=" + text})
            self.assertEqual(status, 206, text)
        self.assertEqual(rig.sha256(body), source.sha256)

    def test_a_client_that_half_closes_behind_its_request_is_answered(self):
        source = self.source("--bytes", 100_000)
        gateway = self.gateway(source)
        for path, expected in ((f"/o/{source.object}", 100_000), (f"/c/{source.chunk}", 65536)):
            source.pause()
            with socket.create_connection(("127.0.0.1", gateway.port), 20) as link:
                link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                link.shutdown(socket.SHUT_WR)
                source.go_on()
                got = b""
                while piece := link.recv(65536):
                    got += piece
            self.assertEqual(len(got.partition(b"\r\n\r\n")[2]), expected)

    def test_a_silent_node_is_504_in_time(self):
        source = self.source("--silent")
        gateway = self.gateway(source, keys="timeout = 1s")
        status, _, body = gateway.ask(f"/o/{source.object}")
        self.assertEqual(status, 504)
        self.assertIn(b"ARO-7002", body)

    def test_slow_readers_hold_neither_memory_nor_the_fast(self):
        source = self.source("--bytes", 128 << 20)
        gateway = self.gateway(source, keys="timeout = 60s\nworkers = 2")
        slow = []
        for _ in range(300):
            link = socket.create_connection(("127.0.0.1", gateway.port), 20)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            link.sendall(f"GET /o/{source.object} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(link)
            self.addCleanup(link.close)
        for link in slow:
            self.assertTrue(link.recv(15).startswith(b"HTTP/1.1 200"))
        status, _, body = gateway.ask(f"/o/{source.object}", {"Range": "bytes=1000000-20999999"})
        self.assertEqual((status, len(body)), (206, 20_000_000))
        self.assertLess(gateway.rss_bytes(), 512 << 20)

    def test_beyond_its_memory_a_request_is_told_to_come_back(self):
        source = self.source("--bytes", 64 << 20, "--chunk", 1 << 20)
        gateway = self.gateway(source, keys="workers = 1\nmemory = 16MiB\nrequest_memory = 4MiB")
        links, statuses = [], []
        for _ in range(12):
            link = socket.create_connection(("127.0.0.1", gateway.port), 20)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.sendall(f"GET /o/{source.object} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            links.append(link)
            self.addCleanup(link.close)
            statuses.append(link.recv(12)[-3:])
        self.assertEqual(set(statuses), {b"200", b"503"})
        status, head, body = gateway.ask(f"/o/{source.object}")
        self.assertEqual((status, head["retry-after"]), (503, "1"))
        self.assertIn(b"ARO-9031", body)
        for link in links:
            link.close()
        rig.wait_until("memory free again", lambda: gateway.ask(
            f"/o/{source.object}", {"Range": "bytes=0-9"})[0] == 206)

    def test_beyond_its_connections_a_client_is_told_so(self):
        source = self.source("--bytes", 100_000)
        gateway = self.gateway(source, keys="workers = 1\nconnections = 10")
        idle = [socket.create_connection(("127.0.0.1", gateway.port), 20) for _ in range(10)]
        for link in idle:
            self.addCleanup(link.close)
        status, head, body = gateway.ask(f"/o/{source.object}")
        self.assertEqual((status, head["retry-after"]), (503, "1"))
        self.assertIn(b"ARO-9030", body)
        idle[0].close()
        rig.wait_until("a free place", lambda: gateway.ask(f"/o/{source.object}")[0] == 200)

    def test_a_request_that_trickles_in_is_ended(self):
        source = self.source("--bytes", 100_000)
        gateway = self.gateway(source, keys="timeout = 1s")
        with socket.create_connection(("127.0.0.1", gateway.port), 0.2) as link:
            text = f"GET /o/{source.object} HTTP/1.1\r\nHost: x\r\nX: ".encode() + b"a" * 1000
            sent, closed = 0, False
            while sent < len(text) and not closed:
                try:
                    link.send(text[sent:sent + 1])
                    sent += 1
                    closed = link.recv(1) == b""
                except TimeoutError:
                    pass
                except OSError:
                    closed = True
            self.assertTrue(closed)
            self.assertLess(sent, 60)

    def test_stopping_finishes_what_is_under_way(self):
        source = self.source("--bytes", 20_000_000)
        gateway = rig.Gateway(AROGATE, self.folder(), [(f"127.0.0.1:{source.port}", None)])
        link = gateway.connect()
        link.request("GET", f"/o/{source.object}")
        answer = link.getresponse()
        digest = hashlib.sha256(answer.read(1_000_000))
        gateway.process.send_signal(15)
        digest.update(answer.read())
        link.close()
        self.assertEqual(digest.hexdigest(), source.sha256)
        self.assertEqual(gateway.stop()[0], 0)

    def test_the_log_counts_the_bytes_of_every_body(self):
        gateway = self.gateway(self.source("--bytes", 100_000))
        paths = "/v2/", "/o/" + "1" * 64, "/v2/x"
        bodies = {path: len(gateway.ask(path)[2]) for path in paths}
        rig.wait_until("all lines", lambda: len(gateway.log_lines()) == len(paths))
        logged = {line.split()[6]: int(line.split('"')[2].split()[1]) for line in gateway.log_lines()}
        self.assertEqual(logged, bodies)  # each worker writes its own lines: in any order

    def test_the_log_is_reopened_on_request(self):
        source = self.source("--bytes", 100_000)
        gateway = self.gateway(source)
        gateway.ask(f"/o/{source.object}")
        rig.wait_until("a line", gateway.log_lines)
        os.rename(gateway.log_path, gateway.log_path + ".1")
        gateway.process.send_signal(1)
        rig.wait_until("a new file", lambda: os.path.exists(gateway.log_path))
        rig.wait_until("a line in it", lambda: gateway.ask(f"/o/{source.object}") and
                       gateway.log_lines())

    def test_a_port_in_use_is_said_with_its_exit_code(self):
        source = self.source("--bytes", 100_000)
        gateway = self.gateway(source)
        config = os.path.join(gateway.folder, "arogate.conf")
        result = subprocess.run([AROGATE, "-c", config], capture_output=True, timeout=20)
        self.assertEqual(result.returncode, 69)
        self.assertIn(b"ARO-9001", result.stderr)
        self.assertNotIn(b"stopped", result.stderr)  # it never ran

    def test_the_command_line_answers(self):
        for words, code, text in ((["-h"], 0, b"usage"), (["-V"], 0, b"arogate"), (["-T"], 0, b"request_memory"),
                                  ([], 64, b"ARO-1001"), (["-c", "/no/such"], 78, b"ARO-2001"),
                                  (["-x"], 64, b"")):
            result = subprocess.run([AROGATE, *words], capture_output=True, timeout=20)
            self.assertEqual(result.returncode, code, words)
            self.assertIn(text, result.stdout + result.stderr)


unittest.main(argv=sys.argv[:1], verbosity=2)
