# SPDX-License-Identifier: BSD-3-Clause
"""An HTTP origin for the end-to-end tests that can misbehave: every path is served as a test says.

A test sets `origin.at["/path"] = function`; the function gets the Request and writes what it likes.
What was asked is in `origin.asked`.
"""
import socket
import threading
import time


class Request:
    def __init__(self, connection, method, path, fields):
        self.connection, self.method, self.path, self.fields = connection, method, path, fields
        self.keep = True  # the connection, afterwards

    def send(self, data):
        self.connection.sendall(data)

    def head(self, status, *lines):
        text = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} x", *lines))
        self.send(text.encode("latin-1") + b"\r\n")

    def answer(self, status, body=b"", *lines):
        self.head(status, f"Content-Length: {len(body)}", *lines)
        self.send(body)

    def hang_up(self):
        self.keep = False


class Origin:
    """Listens on 127.0.0.1; one thread per connection."""

    def __init__(self, port=0, tls=None):
        """tls: an ssl.SSLContext with a certificate."""
        self.at, self.asked, self.tls = {}, [], tls
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while self.one(connection, lines):
                    pass
        except OSError:
            pass

    def one(self, connection, lines):
        words = lines.readline().decode("latin-1").split()
        fields = {}
        while (line := lines.readline().decode("latin-1").strip()):
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if len(words) != 3:
            return False
        request = Request(connection, words[0], words[1], fields)
        with self.lock:
            self.asked.append(request)
        self.at.get(words[1], lambda r: r.answer(404, b"no"))(request)
        return request.keep

    def count(self, path):
        with self.lock:
            return sum(request.path == path for request in self.asked)

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def file(body, etag=None, *lines):
    """A well-behaved resource: validators, one range."""
    fields = [f"ETag: {etag}"] if etag else []

    def serve(request):
        if etag and request.fields.get("if-none-match") == etag:
            request.head(304, *fields, *lines)
            return
        first = 0
        wanted = request.fields.get("range", "")
        if wanted.startswith("bytes=") and request.fields.get("if-range", etag) == etag:
            first = int(wanted[6:].split("-")[0])
        if first:
            request.answer(206, body[first:], *fields, *lines,
                           f"Content-Range: bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            request.answer(200, body, "Accept-Ranges: bytes", *fields, *lines)
    return serve


def slowly(request, body, gate, piece=65536):
    """Sends one piece, waits for the gate, sends the rest."""
    request.send(body[:piece])
    gate.wait(20)
    request.send(body[piece:])


def drip(request, seconds):
    """A byte now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        request.send(b"x")
        time.sleep(0.1)
