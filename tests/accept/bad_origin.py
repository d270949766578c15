#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An origin that misbehaves on demand: bad_origin.py HOST:PORT LOG. The path says how.

    /good/N      N bytes, all in order              /slow        headers, then a byte per second
    /silent      nothing at all                     /endless     no length, never ends
    /flood       chunked, never ends
    /short       half of what its length promises   /long        more than its length promises
    /circle      redirects to itself                /away        redirects to a foreign host
    /changes     another validator for each request, breaks off in the middle
    /once/X      404 the first time, content then   /error       500
Each request is a line of LOG."""

import hashlib
import socketserver
import sys
import threading
import time

LOCK, SEEN = threading.Lock(), {}


def content(length, seed=b"origin"):
    block = b"".join(hashlib.sha256(seed + bytes([n])).digest() for n in range(128))
    return (block * (length // len(block) + 1))[:length]


class Handler(socketserver.StreamRequestHandler):
    def head(self, status, *lines):
        self.wfile.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode())

    def whole(self, body, *lines):
        self.head("200 OK", f"Content-Length: {len(body)}", "Content-Type: text/x-test", *lines)
        self.wfile.write(body)

    def handle(self):
        words = self.rfile.readline().decode("latin-1").split()
        while self.rfile.readline().strip():
            pass
        if len(words) < 2:
            return
        path = words[1]
        with LOCK:
            SEEN[path] = SEEN.get(path, 0) + 1
            turn = SEEN[path]
            with open(sys.argv[2], "a", encoding="ascii") as log:
                log.write(path + "\n")
        try:
            getattr(self, path.split("/")[1], self.nothing)(path, turn)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def nothing(self, _path, _turn):
        self.head("404 Not Found", "Content-Length: 0")

    def good(self, path, _turn):
        self.whole(content(int(path.split("/")[2])))

    def slow(self, _path, _turn):
        self.head("200 OK", "Content-Length: 100000")
        for _ in range(60):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(1)

    def silent(self, _path, _turn):
        time.sleep(60)

    def endless(self, _path, _turn):
        self.head("200 OK")
        while True:
            self.wfile.write(content(65536))

    def flood(self, _path, _turn):
        self.head("200 OK", "Transfer-Encoding: chunked")
        while True:
            self.wfile.write(b"10000\r\n" + content(65536) + b"\r\n")

    def short(self, _path, _turn):
        self.head("200 OK", "Content-Length: 400000")
        self.wfile.write(content(200000))

    def long(self, _path, _turn):
        self.head("200 OK", "Content-Length: 100000")
        self.wfile.write(content(300000))

    def circle(self, path, _turn):
        self.head("302 Found", f"Location: {path}", "Content-Length: 0")

    def away(self, _path, _turn):
        self.head("302 Found", "Location: http://127.0.0.1:1/elsewhere", "Content-Length: 0")

    def changes(self, _path, turn):
        self.head("200 OK", "Content-Length: 20000000", "Accept-Ranges: bytes", f'ETag: "v{turn}"')
        self.wfile.write(content(1000000, str(turn).encode()))

    def once(self, _path, turn):
        if turn == 1:
            self.nothing(None, None)
        else:
            self.whole(content(100000))

    def error(self, _path, _turn):
        self.head("500 Internal Server Error", "Content-Length: 0")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    Server((host, int(port)), Handler).serve_forever()
