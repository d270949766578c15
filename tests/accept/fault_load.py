# SPDX-License-Identifier: BSD-3-Clause
"""What goes on while a disk fails: somebody asks for chunks that memory holds, somebody for chunks
that only the disk has, somebody puts, somebody looks at the status. Everybody notes what came of it
and how long it took; every byte that comes is compared with what it must be."""

import os
import random
import socket
import sys
import threading
import time

import lib
import node

sys.path.append(os.path.join(lib.ROOT, "tests/e2e"))
from chunk_client import DATA, MASK, RIGHT, SLICE, STATUS, TOKEN, ChunkClient, WrongBytes  # noqa: E402
from crash_load import Content  # noqa: E402
import namespace  # noqa: E402

ANSWER_MAX_S = 10  # nobody waits longer for one answer
STATUS_NAMES = {0: "DATA", 1: "NOT_FOUND", 2: "RETRY_LATER", 3: "BUSY"}
COLD_BYTES, HOT_OBJECTS, AGAIN = 16 << 20, 3, 40


class Wire:
    """Both ends in this step's namespace, made by namespace.wire(): the client is a thread of the step."""
    kind, device = "local", namespace.WIRE


class Asker(ChunkClient):
    def once(self, chunk_id, content):
        """One question: (name of what answered it, or "silence"; seconds)."""
        began = time.monotonic()
        self.question(chunk_id, content)
        while (left := began + ANSWER_MAX_S - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                answer = self.socket.recv(4096)
            except socket.timeout:
                break
            code = self.meaning(answer, chunk_id, content)
            if code is not None:
                return STATUS_NAMES.get(code, f"status {code}"), time.monotonic() - began
        return "silence", time.monotonic() - began

    def question(self, chunk_id, content):
        count = min(MASK, -(-len(content) // SLICE))
        self.wanted = set(range(count))
        self.first_echo = self.echo + 1
        self.ask(chunk_id, 0, self.wanted)

    def meaning(self, answer, chunk_id, content):
        """0: the last slice that was asked for is here; a STATUS: its code; None: goes on."""
        if answer[0] == 5 and len(answer) > DATA.size:
            self.data(answer, self.wanted, set(), content)
            return None if self.wanted else 0
        if answer[0] == 6 and len(answer) == STATUS.size:
            fields = STATUS.unpack(answer)
            return fields[2] if fields[-1] == self.echo else None
        if answer[0] == 7 and len(answer) == TOKEN.size:
            old, self.token = self.token, TOKEN.unpack(answer)[5]
            if self.token != old and len(self.wanted) == min(MASK, -(-len(content) // SLICE)):
                self.question(chunk_id, content)
        return None


class Tally:
    """What came how often, and the longest time it took."""

    def __init__(self):
        self.counts, self.longest_s = {}, 0.0

    def add(self, what, seconds=0.0):
        self.counts[what] = self.counts.get(what, 0) + 1
        self.longest_s = max(self.longest_s, seconds)

    def total(self):
        return sum(self.counts.values())

    def share(self, what):
        return self.counts.get(what, 0) / max(1, self.total())

    def __str__(self):
        return f"{self.counts}, the longest {self.longest_s:.2f} s"


class Contents:
    """What was put and acknowledged; the first few are pinned, so that memory has them."""

    def __init__(self, context, daemon, seed):
        self.context, self.daemon, self.seed, self.number = context, daemon, seed, 0
        self.there, self.hot, self.refused = [], [], []

    def put(self):
        """Puts a new one: (error id or None, seconds)."""
        self.number += 1
        return self.put_this(Content(self.seed, self.number))

    def put_this(self, content):
        path = self.context.path("content")
        with open(path, "wb") as file:
            file.write(content.bytes)
        began = time.monotonic()
        try:
            content.id = self.daemon.put(path, chunk_bytes=content.chunk_bytes)["id"]
        except node.Refused as refused:
            self.refused.append(content)
            return refused.id, time.monotonic() - began
        self.there.append(content)
        return None, time.monotonic() - began

    def put_again(self):
        """What was refused: error ids. A part of it may be on the disk."""
        contents, self.refused = self.refused[-AGAIN:], []
        return [error for error, _ in map(self.put_this, contents) if error]

    def fill(self):
        while len(self.there) < HOT_OBJECTS or sum(len(one.bytes) for one in self.there) < COLD_BYTES:
            error, _ = self.put()
            if error:
                raise lib.Failure(f"a put is refused before anything failed: {error}")
        self.hot = sorted(self.there, key=lambda one: len(one.bytes))[:HOT_OBJECTS]
        for content in self.hot:
            self.daemon.call("pin", id=content.id)

    def cool(self):
        """Out of memory with all that is not pinned."""
        try:
            self.daemon.call("flush")
        except node.Refused:
            pass  # told so: the disk does not take what only memory has

    def wrong(self):
        """Everything acknowledged, chunk by chunk from the disk: sentences about what is not right."""
        self.cool()
        client, found = ChunkClient(), []
        for content in self.there:
            told = {client.get(*chunk) for chunk in content.chunks}
            if told != {RIGHT}:
                found.append(f"{content.id}: {', '.join(told)}")
        client.close()
        return found

    def chunk(self, dice, contents):
        return dice.choice(dice.choice(contents).chunks)


class Load:
    """with Load(contents, seed) as load: ... what is in its tallies afterwards."""

    def __init__(self, contents, seed):
        self.contents, self.daemon, self.over = contents, contents.daemon, threading.Event()
        self.hits, self.cold, self.puts, self.status = Tally(), Tally(), Tally(), Tally()
        self.wrong, self.unwritable = [], False
        self.threads = [threading.Thread(target=self.guard, args=(job, random.Random(f"{seed}/{job.__name__}")))
                        for job in (self.ask_hot, self.ask_cold, self.put, self.look)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def guard(self, job, dice):
        try:
            job(dice)
        except WrongBytes as wrong:
            self.wrong.append(f"WRONG BYTES: {wrong}")
        except Exception as error:  # a thread must not end unnoticed
            self.wrong.append(f"{job.__name__}: {type(error).__name__}: {error}")

    def ask_hot(self, dice):
        client = Asker()
        while not self.over.wait(0.001):
            self.hits.add(*client.once(*self.contents.chunk(dice, self.contents.hot)))
        client.close()

    def ask_cold(self, dice):
        client = Asker()
        while not self.over.wait(0.002):
            if dice.random() < 0.02:
                self.contents.cool()
            self.cold.add(*client.once(*self.contents.chunk(dice, self.contents.there)))
        client.close()

    def put(self, dice):
        while not self.over.wait(dice.uniform(0, 0.03)):
            error, seconds = self.contents.put()
            self.puts.add(error or "acknowledged", seconds)

    def look(self, _dice):
        while not self.over.wait(0.05):
            began = time.monotonic()
            self.unwritable |= not self.daemon.call("status")["store"]["writable"]
            self.status.add("answered", time.monotonic() - began)
