#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""arogate over real sockets, content by name and digest: single flight, content that arrives,
validators of the origin, nodes that fail. The control sockets are played by the test.

test_gateway_names.py AROGATE MODEL_SERVER
"""
import hashlib
import http.client
import os
import random
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

AROGATE, MODEL_SERVER = map(os.path.abspath, sys.argv[1:3])
CHUNK = 65536
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"


class Names(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.content = random.Random(1).randbytes(20 * CHUNK + 777)
        path = os.path.join(self.folder, "content")
        with open(path, "wb") as file:
            file.write(self.content)
        self.source = rig.Source(MODEL_SERVER, "--file", path)
        self.addCleanup(self.source.kill)
        pieces = [self.content[at:at + CHUNK] for at in range(0, len(self.content), CHUNK)]
        self.chunks = [f"{rig.sha256(piece)}:{len(piece)}" for piece in pieces]

    def control(self, name="a", **methods):
        path = os.path.join(self.folder, name)
        control = rig.Control(path, **methods)
        self.addCleanup(control.stop)
        return control, path

    def gateway(self, *controls, keys=""):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        gateway = rig.Gateway(AROGATE, folder.name,
                              [(f"127.0.0.1:{self.source.port}", path) for path in controls], keys)
        self.addCleanup(self.stop_well, gateway)
        return gateway

    def stop_well(self, gateway):
        code, said = gateway.stop()
        self.assertEqual(code, 0, said)
        self.assertNotRegex(said, "ERROR: |WARNING: ThreadSan")

    def here(self, **more):
        return {"state": "here", "object": self.source.object, "bytes": len(self.content),
                "type": "video/mp4", "etag": '"5f-1"', "last_modified": MODIFIED, "age_s": 7,
                "ttl_s": 60, "stale": False} | more

    def arriving(self, **more):
        return {"state": "arriving", "pull": 7, "bytes": len(self.content), "type": "video/mp4",
                "etag": '"5f-1"', "last_modified": None, "chunk_bytes": CHUNK} | more

    def slowly(self, gate, upto=None, end="done"):
        """A chunks method that tells one chunk at a time, each after gate.acquire()."""
        known, lock = [0], threading.Lock()

        def chunks(params):
            with lock:
                if known[0] < (upto or len(self.chunks)) and params["after"] == known[0]:
                    gate.acquire()
                    known[0] += 1
                told = self.chunks[params["after"]:known[0]]
                over = known[0] == (upto or len(self.chunks))
                answer = {"pull": 7, "state": end if over else "arriving", "chunks": told,
                          "next": known[0], "bytes": len(self.content)}
                if over and end == "done":
                    answer["object"] = self.source.object
                if over and end == "failed":
                    answer["error"] = {"id": "ARO-8007", "message": "the origin hung up"}
                return answer
        return chunks

    def test_a_name_is_served_with_what_the_origin_said_of_it(self):
        control, path = self.control(resolve=lambda params: self.here())
        gateway = self.gateway(path)
        status, head, body = gateway.ask("/film.mp4?q=1", host="Media.Test:80")
        self.assertEqual((status, body), (200, self.content))
        self.assertEqual(control.asked[0][1]["name"], "media.test/film.mp4?q=1")
        for name, value in (("content-type", "video/mp4"), ("etag", '"5f-1"'), ("age", "7"),
                            ("last-modified", MODIFIED), ("cache-control", "max-age=67"),
                            ("accept-ranges", "bytes")):
            self.assertEqual(head[name], value)
        self.assertEqual(gateway.ask("/n/media.test/film.mp4%3Fq=1")[2], self.content)
        self.assertEqual(control.count("resolve"), 1)  # known for a while
        for headers, expected in (({"If-None-Match": '"5f-1"'}, 304), ({"If-Modified-Since": MODIFIED}, 304),
                                  ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}, 412),
                                  ({"Range": "bytes=0-9", "If-Range": MODIFIED}, 206),
                                  ({"Range": "bytes=0-9", "If-Range": '"5f-2"'}, 200)):
            self.assertEqual(gateway.ask("/n/media.test/film.mp4?q=1", headers)[0], expected, headers)

    def test_what_the_origin_said_wrong_is_not_passed_on(self):
        control, path = self.control(resolve=lambda params: self.here(
            type="text/html\r\nX-Evil: 1", etag='"a\r\nb"', last_modified="yesterday", ttl_s=None))
        _, head, _ = self.gateway(path).ask("/x")
        self.assertEqual((head["content-type"], head["etag"]),
                         ("application/octet-stream", f'"{self.source.object}"'))
        self.assertNotIn("last-modified", head)
        self.assertNotIn("x-evil", head)

    def test_many_clients_of_a_cold_name_ask_its_node_once_and_all_see_it_arrive(self):
        gate, firsts, wrong = threading.Semaphore(0), [], []
        control, path = self.control(resolve=lambda params: self.arriving(), chunks=self.slowly(gate))
        gateway = self.gateway(path, keys="workers = 2")

        def client():
            link = gateway.connect(60)
            link.request("GET", "/cold", headers={"Host": "media.test"})
            answer = link.getresponse()
            body = answer.read(1)
            firsts.append(time.monotonic())
            body += answer.read()
            if body != self.content:
                wrong.append(len(body))
            link.close()

        threads = [threading.Thread(target=client) for _ in range(200)]
        for thread in threads:
            thread.start()
        gate.release()
        rig.wait_until("everybody's first byte", lambda: len(firsts) == 200, 20)
        gate.release(len(self.chunks) - 1)  # only now the rest
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(control.count("resolve"), 1)

    def test_a_range_of_what_arrives_is_served_as_soon_as_it_is_there(self):
        gate = threading.Semaphore(0)
        control, path = self.control(resolve=lambda params: self.arriving(), chunks=self.slowly(gate))
        gateway = self.gateway(path)
        gate.release(4)
        status, head, body = gateway.ask("/cold", {"Range": "bytes=131000-131200"})
        self.assertEqual((status, body), (206, self.content[131000:131201]))
        self.assertEqual(head["content-range"], f"bytes 131000-131200/{len(self.content)}")
        self.assertEqual(gateway.ask("/cold", method="HEAD")[1]["content-length"], str(len(self.content)))
        gate.release(len(self.chunks))

    def test_without_a_length_it_comes_in_pieces_and_ends_well(self):
        gate = threading.Semaphore(100)
        control, path = self.control(resolve=lambda params: self.arriving(bytes=None),
                                     chunks=self.slowly(gate))
        gateway = self.gateway(path)
        status, head, body = gateway.ask("/cold", {"Range": "bytes=0-9"})
        self.assertEqual((status, head["transfer-encoding"], body), (200, "chunked", self.content))
        self.assertNotIn("accept-ranges", head)

    def test_what_is_told_while_the_header_is_made_is_not_lost(self):
        asked, wrong = [0], []

        def chunks(params):
            asked[0] += 1
            until = time.perf_counter() + asked[0] % 50 * 4e-6  # some moment will be the bad one
            while time.perf_counter() < until:
                pass
            return {"pull": 7, "state": "done", "chunks": self.chunks, "next": len(self.chunks),
                    "bytes": len(self.content), "object": self.source.object}

        control, path = self.control(resolve=lambda params: self.arriving(), chunks=chunks)
        gateway = self.gateway(path, keys="workers = 1")

        def client(number):
            for i in range(700):
                link = gateway.connect(5)
                try:
                    if gateway.ask(f"/cold-{number}-{i}", {"Range": "bytes=0-9"}, link=link)[2] != self.content[:10]:
                        wrong.append(f"{number}-{i}")
                except OSError as error:
                    wrong.append(f"{number}-{i}: {error}")
                link.close()
                if wrong:
                    return

        threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def fails_midway(self, total, name):
        gate = threading.Semaphore(0)
        control, path = self.control(name, resolve=lambda params: self.arriving(bytes=total),
                                     chunks=self.slowly(gate, upto=5, end="failed"))
        return self.gateway(path), gate

    def test_what_fails_on_its_way_is_cut(self):
        for total in len(self.content), None:
            gateway, gate = self.fails_midway(total, f"s{total}")
            link = gateway.connect()
            link.request("GET", "/cold")
            gate.release(1)
            answer = link.getresponse()
            answer.read(1)
            gate.release(9)
            with self.assertRaises(http.client.IncompleteRead):
                answer.read()
            link.close()

    def test_what_fails_on_its_way_does_not_look_whole_to_http_1_0_either(self):
        gateway, gate = self.fails_midway(None, "s")
        with socket.create_connection(("127.0.0.1", gateway.port), 20) as link:
            link.sendall(b"GET /cold HTTP/1.0\r\nHost: x\r\n\r\n")
            gate.release(1)
            got = link.recv(65536)
            self.assertIn(b" 200 ", got)
            self.assertNotIn(b"Content-Length", got)
            gate.release(9)
            with self.assertRaises(ConnectionResetError):  # its end would mean: that was all
                while link.recv(65536):
                    pass

    def test_every_refusal_has_its_status(self):
        refusals = {"unknown": ("ARO-8001", 404), "absent": ("ARO-8002", 404), "down": ("ARO-8003", 504),
                    "wrong": ("ARO-8004", 502), "busy": ("ARO-8005", 503), "bad": ("ARO-8012", 400)}

        def resolve(params):
            tag, _ = refusals[params["name"].rpartition("/")[2]]
            raise rig.Refusal(tag, "because of http://10.0.0.5/inside")

        control, path = self.control(resolve=resolve)
        gateway = self.gateway(path)
        for name, (tag, expected) in refusals.items():
            status, head, body = gateway.ask("/" + name)
            self.assertEqual(status, expected, name)
            self.assertRegex(body, rb"^" + tag.encode() + rb": [A-Z].*\.\n$")
            self.assertNotIn(b"inside", body)  # what strangers need not know stands in the log
            self.assertEqual("retry-after" in head, status == 503)
        rig.wait_until("all are logged", lambda: len(gateway.log_lines()) == len(refusals))
        lines = "\n".join(gateway.log_lines())
        for tag, _ in refusals.values():
            self.assertIn(f'error={tag} "because of http://10.0.0.5/inside', lines)

    def test_what_nobody_has_is_remembered_for_a_moment(self):
        def resolve(params):
            raise rig.Refusal("ARO-8002", "no")

        control, path = self.control(resolve=resolve)
        gateway = self.gateway(path)
        for _ in range(20):
            self.assertEqual(gateway.ask("/absent")[0], 404)
        self.assertLessEqual(control.count("resolve"), 2)

    def test_the_next_node_is_asked_when_one_does_not_know_or_is_gone(self):
        def resolve(params):
            raise rig.Refusal("ARO-8001", "never heard of it")

        one, one_path = self.control("one", resolve=resolve)
        two, two_path = self.control("two", resolve=lambda params: self.here())
        gateway = self.gateway("/no/such/socket", one_path, two_path)
        for i in range(10):  # the order depends on the name
            self.assertEqual(gateway.ask(f"/film{i}")[2], self.content)
        self.assertEqual(two.count("resolve"), 10)
        self.assertGreater(one.count("resolve"), 0)

    def test_no_node_at_all_is_504(self):
        gateway = self.gateway("/no/such/socket")
        status, _, body = gateway.ask("/film")
        self.assertEqual(status, 504)
        self.assertIn(b"ARO-6030", body)
        self.assertNotIn(b"/no/such", body, "a local path is nobody's business")
        rig.wait_until("it is logged", gateway.log_lines)
        self.assertIn('error=ARO-6030 "node \\x22n0\\x22 ', gateway.log_lines()[0])

    def test_a_node_that_hangs_up_is_named_and_not_its_socket(self):
        path = os.path.join(self.folder, "rude")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def hang_up():
                with listener.accept()[0] as link:
                    link.recv(65536)  # whoever hangs up before it was asked is not there
            threading.Thread(target=hang_up, daemon=True).start()
            gateway = self.gateway(path)
            status, _, body = gateway.ask("/film")
        self.assertEqual(status, 502)
        self.assertNotIn(self.folder.encode(), body)
        rig.wait_until("it is logged", gateway.log_lines)
        self.assertRegex(gateway.log_lines()[0], r'error=ARO-6031 "node \\x22n0\\x22 ')
        self.assertNotIn(self.folder, gateway.log_lines()[0])

    def test_a_node_that_never_answers_is_504_in_time(self):
        release = threading.Event()
        control, path = self.control(resolve=lambda params: release.wait(30))
        gateway = self.gateway(path, keys="timeout = 1s")
        self.assertEqual(gateway.ask("/film")[0], 504)
        release.set()

    def test_nonsense_from_a_node_is_502(self):
        answers = [{}, {"state": "here"}, {"state": "here", "object": "c-" + "1" * 64}, {"state": "gone"},
                   {"state": "arriving", "pull": 0, "chunk_bytes": 1},
                   {"state": "arriving", "pull": 1, "chunk_bytes": 1 << 30}, [], 7]
        control, path = self.control(resolve=lambda params: answers[int(params["name"].rpartition("/")[2])])
        gateway = self.gateway(path)
        for i in range(len(answers)):
            self.assertEqual(gateway.ask(f"/{i}")[0], 502, answers[i])

    def test_nonsense_about_chunks_ends_the_body_and_nothing_else(self):
        for i, wrong in enumerate(("x", "1" * 64 + ":0", "1" * 64 + f":{CHUNK + 1}", "z" * 64 + ":5", 5)):
            control, path = self.control(f"wrong{i}", resolve=lambda params: self.arriving(),
                                         chunks=lambda params: {"state": "arriving", "chunks": [wrong]})
            gateway = self.gateway(path)
            try:
                self.assertEqual(gateway.ask("/cold")[0], 502)  # it was known in time
            except http.client.IncompleteRead:
                pass
            self.assertEqual(gateway.ask(f"/o/{self.source.object}")[0], 200)

    def test_a_blob_is_found_by_its_digest(self):
        def stat(params):
            if params["id"] != "sha256:" + self.source.sha256:
                raise rig.Refusal("ARO-6020", "not here")
            return {"id": self.source.object, "kind": "object", "bytes": len(self.content)}

        control, path = self.control(stat=stat)
        gateway = self.gateway(path)
        at = f"/v2/library/thing/blobs/sha256:{self.source.sha256}"
        status, head, body = gateway.ask(at)
        self.assertEqual((status, rig.sha256(body)), (200, self.source.sha256))
        self.assertEqual(head["docker-content-digest"], f"sha256:{self.source.sha256}")
        self.assertEqual(head["content-type"], "application/octet-stream")
        self.assertIn("immutable", head["cache-control"])
        self.assertEqual(gateway.ask(at, method="HEAD")[1]["content-length"], str(len(self.content)))
        self.assertEqual(gateway.ask(at, {"Range": "bytes=-5"})[2], self.content[-5:])
        status, _, body = gateway.ask("/v2/x/blobs/sha256:" + "1" * 64)
        self.assertEqual(status, 404)
        self.assertIn(b"BLOB_UNKNOWN", body)
        self.assertEqual(control.count("stat"), 2)

    def test_a_name_whose_object_nobody_has_any_more_is_asked_for_again_once(self):
        gone, told = "o-" + "1" * 64, []

        def resolve(params):
            told.append(params["name"])
            return self.here(object=gone if told.count(params["name"]) == 1 or "lost" in params["name"]
                             else self.source.object)

        control, path = self.control(resolve=resolve)
        gateway = self.gateway(path)
        self.assertEqual(gateway.ask("/film")[::2], (200, self.content))
        self.assertEqual(control.count("resolve"), 2)
        self.assertEqual(gateway.ask("/lost")[0], 404)
        self.assertEqual(control.count("resolve"), 4)

    def test_names_past_their_time_are_asked_for_again(self):
        control, path = self.control(resolve=lambda params: self.here(ttl_s=0))
        gateway = self.gateway(path)
        for _ in range(3):
            self.assertEqual(gateway.ask("/film")[0], 200)
        self.assertEqual(control.count("resolve"), 3)

    def test_clients_that_go_away_leave_nothing_behind(self):
        gate = threading.Semaphore(0)
        control, path = self.control(resolve=lambda params: self.arriving(), chunks=self.slowly(gate))
        gateway = self.gateway(path)
        links = [gateway.connect() for _ in range(20)]
        for link in links:
            link.request("GET", "/cold", headers={"Host": "gate.test"})
        rig.wait_until("all wait", lambda: control.count("chunks") > 0)
        for link in links:
            link.close()
        gate.release(len(self.chunks) - 1)  # sending it shows that they are gone
        rig.wait_until("all are gone", lambda: len(gateway.log_lines()) == 20)
        gate.release(1 + len(self.chunks))  # the end is told when nobody wants it any more
        self.assertEqual(gateway.ask("/cold")[2], self.content)


unittest.main(argv=sys.argv[:1], verbosity=2)
