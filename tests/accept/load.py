#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP clients for measurements, one JSON object on standard output.

load.py rate HOST:PORT PATH RATE SECONDS CONNECTIONS
    open loop: requests leave at their times whatever came before; the first byte of the body is
    timed from the intended moment; bodies are counted and their SHA-256 compared with the first
load.py slow HOST:PORT PATH COUNT BYTES_PER_S SECONDS
    slow readers of a long body, all at once
load.py many HOST:PORT PATH COUNT [HOST_HEADER]
    COUNT clients at once, each reads all; times of first and last byte since the start
"""

import hashlib
import json
import selectors
import socket
import sys
import time


def connect(address):
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host.strip("[]"), int(port)), 20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def request(path, host, close=False):
    more = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


class Answer:
    """Reads one answer of a known or chunked length out of a non-blocking socket."""

    def __init__(self, digest=False):
        self.head, self.body_bytes, self.length, self.status = b"", 0, None, None
        self.first_s = None
        self.digest = hashlib.sha256() if digest else None

    def feed(self, data):
        if self.status is None:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self.head[:end].decode("latin-1"), self.head[end + 4:]
            self.status = int(head.split()[1])
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    self.length = int(value)
        if data and self.first_s is None:
            self.first_s = time.perf_counter()
        self.body_bytes += len(data)
        if self.digest:
            self.digest.update(data)

    def done(self):
        return self.length is not None and self.body_bytes >= self.length


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def rate(address, path, per_s, seconds, connections):
    per_s, seconds, connections = float(per_s), float(seconds), int(connections)
    poll, free = selectors.SelectSelector(), []  # epoll's timeout is in whole milliseconds
    links = [connect(address) for _ in range(connections)]
    for link in links:
        link.setblocking(False)
        poll.register(link, selectors.EVENT_READ, None)
        free.append(link)
    text, waits, wrong, digests = request(path, address), [], 0, set()
    total, sent, queued, done = int(per_s * seconds), 0, [], 0
    begin = time.perf_counter() + 0.1
    busy = {}
    while done < total:
        now = time.perf_counter()
        while sent < total and begin + sent / per_s <= now:
            queued.append(begin + sent / per_s)
            sent += 1
        while queued and free:
            link = free.pop()
            link.sendall(text)
            busy[link] = (queued.pop(0), Answer(digest=done % 50 == 0))
        until = begin + sent / per_s - now if sent < total else 0.1
        for key, _ in poll.select(max(0, until)):
            link = key.fileobj
            data = link.recv(262144)
            if not data:
                sys.exit("the server closed a connection")
            planned, answer = busy[link]
            answer.feed(data)
            if answer.done():
                waits.append(answer.first_s - planned)
                wrong += answer.status != 200
                if answer.digest:
                    digests.add(answer.digest.hexdigest())
                free.append(link)
                done += 1
        if time.perf_counter() > begin + seconds + 20:
            sys.exit(f"only {done} of {total} answers came")
    took = time.perf_counter() - begin
    return {"requests": total, "wrong": wrong, "digests": sorted(digests), "rate": total / took,
            "p50_ms": percentile(waits, 0.5) * 1e3, "p99_ms": percentile(waits, 0.99) * 1e3,
            "max_ms": max(waits) * 1e3}


def slow(address, path, count, bytes_per_s, seconds):
    count, bytes_per_s, seconds = int(count), int(bytes_per_s), float(seconds)
    links, text, read = [], request(path, address), [0] * int(count)
    for _ in range(count):
        link = connect(address)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        link.sendall(text)
        link.setblocking(False)
        links.append(link)
    begin = time.perf_counter()
    print(json.dumps({"ready": count}), flush=True)
    while (passed := time.perf_counter() - begin) < seconds:
        for i, link in enumerate(links):
            want = int(passed * bytes_per_s) - read[i]
            if want <= 0:
                continue
            try:
                read[i] += len(link.recv(min(want, 65536)))
            except BlockingIOError:
                pass
        time.sleep(0.05)
    return {"readers": count, "least_bytes": min(read), "all_bytes": sum(read),
            "starved": sum(1 for n in read if n == 0)}


def many(address, path, count, host=None):
    count = int(count)
    poll, answers, last = selectors.DefaultSelector(), {}, {}
    text = request(path, host or address, close=True)
    begin = time.perf_counter()
    for _ in range(count):
        link = connect(address)
        link.sendall(text)
        link.setblocking(False)
        poll.register(link, selectors.EVENT_READ)
        answers[link] = Answer(digest=True)
    deadline = begin + 100
    while poll.get_map() and time.perf_counter() < deadline:
        for key, _ in poll.select(1):
            link = key.fileobj
            try:
                data = link.recv(262144)
            except ConnectionError:
                data = b""
            if data:
                answers[link].feed(data)
            if not data or answers[link].done():
                last[link] = time.perf_counter()
                poll.unregister(link)
    firsts = [answer.first_s - begin for answer in answers.values() if answer.first_s]
    return {"clients": count, "statuses": sorted({str(a.status) for a in answers.values()}),
            "bodies": len({a.digest.hexdigest() for a in answers.values()}),
            "digest": next(iter(answers.values())).digest.hexdigest(),
            "first_s": min(firsts, default=None), "first_max_s": max(firsts, default=None),
            "last_s": max(last.values(), default=begin) - begin, "unfinished": len(poll.get_map())}


if __name__ == "__main__":
    print(json.dumps({"rate": rate, "slow": slow, "many": many}[sys.argv[1]](*sys.argv[2:])))
