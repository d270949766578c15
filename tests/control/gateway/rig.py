# SPDX-License-Identifier: BSD-3-Clause
"""A gateway for the end-to-end tests: model servers as its nodes' data planes, and a control socket
played by the test."""
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time

START_S = 10


class Source:
    """A model server: content from a seed or a file, over the chunk protocol."""

    def __init__(self, program, *switches):
        self.process = subprocess.Popen([program, *map(str, switches)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        _, self.port, self.object, self.chunk, digest = self.process.stdout.readline().split()
        self.sha256 = digest.removeprefix("sha256:")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Control(socketserver.ThreadingUnixStreamServer):
    """The names' half of a node's control socket. methods: name -> function(params) -> result, or
    an Exception of (ARO id, sentence). Every request is kept in `asked`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path, **methods):
        self.methods, self.asked = methods, []
        super().__init__(path, Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def count(self, method):
        return sum(1 for name, _ in self.asked if name == method)

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.lock = threading.Lock()
        for line in self.rfile:  # a node answers in any order: each question has its thread
            threading.Thread(target=self.answer, args=(json.loads(line),), daemon=True).start()

    def answer(self, request):
        self.server.asked.append((request["method"], request["params"]))
        reply = {"jsonrpc": "2.0", "api": 1, "id": request["id"]}
        try:
            reply["result"] = self.server.methods[request["method"]](request["params"])
        except KeyError:
            reply["error"] = {"code": -32601, "message": "no such method",
                              "data": {"id": "ARO-6011"}}
        except Refusal as refusal:
            tag, text = refusal.args
            reply["error"] = {"code": -32000, "message": text, "data": {"id": tag}}
        with self.lock:
            try:
                self.wfile.write(json.dumps(reply).encode() + b"\n")
            except OSError:
                pass


class Refusal(Exception):
    """(ARO id, sentence)"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """arogate in front of sources: [(address, control path or None), ...]."""

    def __init__(self, program, folder, nodes, keys="", metrics='metrics_listen = ""', env=None):
        self.port, self.folder = free_port(), folder
        self.log_path = os.path.join(folder, "access.log")
        config = os.path.join(folder, "arogate.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f'listen = "127.0.0.1:{self.port}"\n{metrics}\n'
                       f'log = "{self.log_path}"\n{keys}\n')
            for i, (address, control) in enumerate(nodes):
                more = f' control = "{control}"' if control else ""
                file.write(f'node "n{i}" {{ address = "{address}"{more} }}\n')
        self.process = subprocess.Popen([program, "-c", config], stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(env or {})))
        self.began = []  # what it said until it was ready
        while "arogate ready" not in (self.began or [""])[-1]:
            self.began.append(self.process.stderr.readline())
            if not self.began[-1]:
                self.process.stderr.close()
                raise AssertionError(f"ended with {self.process.wait()}: {''.join(self.began)}")

    def stop(self):
        """SIGTERM; the exit code, and what it said."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        said = self.process.stderr.read()
        self.process.stderr.close()
        return code, said

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path, headers=None, method="GET", link=None, host=None):
        """Status, headers in lower case, body."""
        own = link or self.connect()
        try:
            own.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            own.putheader("Host", host or "gate.test")
            for name, value in (headers or {}).items():
                own.putheader(name, value)
            own.endheaders()
            answer = own.getresponse()
            body = answer.read()
        finally:
            if link is None:
                own.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    def raw(self, data, timeout=20):
        """What comes back for these bytes until the gateway closes; b"" for a plain close."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as link:
            got = b""
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it may have answered and closed already
            try:
                while piece := link.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
            except TimeoutError as error:
                raise AssertionError(f"neither answer nor end for {data[:200]!r}: {got!r}") from error
            return got

    def log_lines(self):
        with open(self.log_path, encoding="ascii") as file:
            return file.read().splitlines()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wait_until(what, condition, limit_s=START_S):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.01)
