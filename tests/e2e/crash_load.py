# SPDX-License-Identifier: BSD-3-Clause
"""What test_crash.py does to a node until it dies, and what it knows of it: contents, who was
acknowledged, who was on the way. Nothing here looks at the disk."""
import hashlib
import json
import os
import random
import socket
import threading

from chunk_client import ABSENT, ChunkClient, WrongBytes

CHUNK_BYTES = (4096, 4096, 16384, 65536, 65536, 262144, 1 << 20)
LIVE_BYTES = 24 << 20  # so much is kept from round to round, more than memory holds; the oldest goes
TOLERATED = {"ARO-6042", "ARO-6043", "ARO-6041", "ARO-6025", "ARO-6020"}  # pinned, not pinned, limit, no memory, gone


class Content:
    """One object: its bytes follow from seed and number."""

    def __init__(self, seed, number, prefix=b""):
        dice = random.Random(f"{seed}/{number}")
        self.chunk_bytes = dice.choice(CHUNK_BYTES)
        size = min(int(2 ** dice.uniform(8, 23)), 200 * self.chunk_bytes)
        prefix = prefix[:len(prefix) // self.chunk_bytes * self.chunk_bytes]
        self.bytes = prefix + dice.randbytes(max(1, size))
        self.digest = "sha256:" + hashlib.sha256(self.bytes).hexdigest()
        self.chunks = [(hashlib.sha256(part).digest(), part) for part in
                       (self.bytes[at:at + self.chunk_bytes] for at in range(0, len(self.bytes), self.chunk_bytes))]
        self.id = None


class Known:
    """Who is where. Acknowledged: must survive. In flight: may be there or not, but never half."""

    def __init__(self, seed):
        self.seed, self.number = seed, 0
        self.lock = threading.Lock()
        self.there = {}      # digest -> content; acknowledged
        self.coming = {}     # a put without an answer
        self.going = {}      # an evict without an answer
        self.gone = set()    # digests; evicted, acknowledged
        self.counts = {}
        self.wrong = []

    def count(self, what, more=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + more

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)

    def next_content(self, dice):
        """A new content, in one of four with the beginning of one that is there."""
        with self.lock:
            self.number += 1
            other = dice.choice(list(self.there.values())) if self.there and dice.random() < 0.25 else None
        prefix = other.bytes[:min(len(other.bytes) // 2, 4 << 20)] if other else b""
        return Content(self.seed, self.number, prefix)

    def live_bytes(self):
        return sum(len(content.bytes) for content in list(self.there.values()))


class Link:
    """A control connection. Whatever was said before the node's death counts."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")

    def call(self, method, **params):
        """(result, None), (None, error), or (None, None): it died before it answered."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            for line in self.lines:
                if not line.endswith(b"\n"):
                    break
                answer = json.loads(line)
                if "result" in answer or "error" in answer:
                    return answer.get("result"), answer.get("error")
        except ConnectionError:
            pass
        return None, None

    def close(self):
        self.lines.close()
        self.socket.close()


def error_id(error):
    data = error.get("data")
    return data.get("id") if isinstance(data, dict) else str(error)


class Load:
    """Two who put, one who evicts, pins, unpins and flushes, two who get; until the node is killed."""

    def __init__(self, known, control_path, folder, dice):
        self.known, self.path, self.folder = known, control_path, folder
        self.over = threading.Event()
        jobs = [self.puts, self.puts, self.upkeep, self.gets, self.gets]
        self.threads = [threading.Thread(target=self.guard, args=(job, random.Random(dice.random()), number))
                        for number, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def join(self):
        """Once the node is dead."""
        self.over.set()
        for thread in self.threads:
            thread.join()

    def guard(self, job, dice, number):
        try:
            job(dice, number)
        except WrongBytes as wrong:
            self.known.complain(f"WRONG BYTES: {wrong}")
        except Exception as error:  # a thread must not end unnoticed
            self.known.complain(f"{job.__name__}: {type(error).__name__}: {error}")

    def link(self):
        try:
            return Link(self.path)
        except OSError:
            return None  # killed before anybody came

    def puts(self, dice, number):
        known, link, path = self.known, self.link(), os.path.join(self.folder, f"content-{number}")
        while link and not self.over.wait(dice.uniform(0, 0.03)):
            content = known.next_content(dice)
            with open(path, "wb") as file:
                file.write(content.bytes)
            with known.lock:
                known.coming[content.digest] = content
            result, error = link.call("put", path=path, chunk_bytes=content.chunk_bytes)
            if result is None and error is None:
                break
            with known.lock:
                del known.coming[content.digest]
                if result is not None:
                    content.id = result["id"]
                    known.there[content.digest] = content
            known.count("puts" if error is None else f"puts refused: {error_id(error)}")
        if link:
            link.close()

    def choose(self, dice):
        """An object that is there, the oldest when there is too much."""
        known = self.known
        too_much = known.live_bytes() > LIVE_BYTES
        with known.lock:
            names = list(known.there)
        if not names:
            return None, False
        return known.there[names[0] if too_much and dice.random() < 0.8 else dice.choice(names)], too_much

    def upkeep(self, dice, _number):
        known, link = self.known, self.link()
        while link and not self.over.is_set():
            content, too_much = self.choose(dice)
            if content is None:
                self.over.wait(0.005)
                continue
            what = "evict" if too_much else dice.choice(["pin", "unpin", "pin", "unpin", "evict", "stat", "flush"])
            if what == "evict":
                link.call("unpin", id=content.id)
                with known.lock:
                    known.going[content.digest] = known.there.pop(content.digest)
            result, error = link.call(what, **({} if what == "flush" else {"id": content.id}))
            if result is None and error is None:
                break
            if what == "evict":
                with known.lock:
                    del known.going[content.digest]
                    if error is None:
                        known.gone.add(content.digest)
                    else:
                        known.there[content.digest] = content
            known.count(what if error is None else f"{what} refused")
            if error is not None and error_id(error) not in TOLERATED:
                known.complain(f"{what} {content.id}: {error}")
        if link:
            link.close()

    def gets(self, dice, _number):
        known, client = self.known, ChunkClient()
        while not self.over.is_set():
            content, _ = self.choose(dice)
            if content is None:
                self.over.wait(0.005)
                continue
            chunk_id, part = dice.choice(content.chunks)
            told = client.get(chunk_id, part, patience_s=0.5)
            known.count(f"chunks {told}")
            if told == ABSENT and content.digest in known.there:
                known.complain(f"chunk c-{chunk_id.hex()} of an acknowledged object is absent")
        client.close()
