#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bits flipped, pages zeroed and swapped in the files of a store, while no daemon has them and under
one that runs. What must come of it is read from the files (store_files.py): the damaged chunks are
listed by a scrub, or counted by the start, and are not served; all others are; and the daemon starts.

    test_damage.py AROCACHED AROCTL PMD_CONFIG [--runs 6] [--flips 200] [--pages 10] [--seed N]

Every second run damages a running daemon's files; two of three flip so many bits, the others zero or
swap so many pages. The last line is what was counted, as JSON. Exit code 1: a promise was
broken; 77: no network namespace can be made here.
"""
import argparse
import collections
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

import namespace
import store_files
from chunk_client import RIGHT, ChunkClient
from node import Node, wait_until

AROCACHED, AROCTL, PROFILES = map(os.path.abspath, sys.argv[1:4])
WHERE = (("data", 70), ("table", 22), ("objects.log", 5), ("STORE", 3))  # of a hundred
SMALL, LARGE = 250, ((4 << 20, 4096), (4 << 20, 4096), (6 << 20, 65536), (5 << 20, 1 << 20), (3 << 20, 16384))


class Damage:
    """Changes files at random; remembers what was hit."""

    def __init__(self, dice, before):
        self.dice, self.before, self.hits = dice, before, collections.Counter()
        self.live = {number: store_files.Segment(number, before, before).live()
                     for number in store_files.segments(before)}
        self.lengths = {}  # by segment and block
        for number in self.live:
            records = store_files.Segment(number, before, before).records
            self.lengths[number] = {one.block: one.len for one in records if one.type == store_files.CHUNK}

    def choose_file(self, at_least=1):
        kind = self.dice.choices([name for name, _ in WHERE], [weight for _, weight in WHERE])[0]
        names = sorted(name for name, text in self.before.items() if name.endswith(kind) and len(text) >= at_least)
        return self.dice.choice(names) if names else self.choose_file(at_least)

    def what_is_at(self, name, offset):
        """In words, for the count of hits."""
        if name == "STORE":
            return "superblock" if any(at <= offset < at + store_files.COPY for at in store_files.COPIES) \
                else "nothing: between the superblocks"
        if name == "objects.log":
            return "object record"
        number = int(name[4:12])
        if name.endswith(".table"):
            kind = self.before[name][offset // store_files.RECORD * store_files.RECORD]
            return {1: "chunk record", 2: "removal record", 3: "commit record"}.get(kind, "void record")
        block = offset // store_files.BLOCK
        starts = [start for start in range(block, max(-1, block - 257), -1) if start in self.lengths[number]][:1]
        if not starts or offset - starts[0] * store_files.BLOCK >= self.lengths[number][starts[0]]:
            return "nothing: padding or free space"
        return "payload" if starts[0] in self.live[number] else "nothing: payload of a removed chunk"

    def flip(self, folder):
        name = self.choose_file()
        offset = self.dice.randrange(len(self.before[name]))
        with open(os.path.join(folder, name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0] ^ 1 << self.dice.randrange(8)
            file.seek(offset)
            file.write(bytes([byte]))
        self.hits[self.what_is_at(name, offset)] += 1

    def page(self, folder):
        """Zeroes one, or swaps two, wherever they are."""
        places = []
        for _ in range(self.dice.choice((1, 2))):
            name = self.choose_file(store_files.BLOCK)
            places.append((name, self.dice.randrange(len(self.before[name]) // store_files.BLOCK) * store_files.BLOCK))
            self.hits["page of " + (name if name in ("STORE", "objects.log") else name.rpartition(".")[2])] += 1
        pages = []
        for name, offset in places:
            with open(os.path.join(folder, name), "rb") as file:
                file.seek(offset)
                pages.append(file.read(store_files.BLOCK))
        new = [bytes(store_files.BLOCK)] if len(places) == 1 else pages[::-1]
        for (name, offset), page in zip(places, new):
            with open(os.path.join(folder, name), "r+b") as file:
                file.seek(offset)
                file.write(page)

    def some(self, folder, what, count):
        for _ in range(count):
            what(folder)
        for name in self.before:  # under a daemon that reads past the page cache
            with open(os.path.join(folder, name), "r+b") as file:
                os.fsync(file.fileno())


class Test:
    def __init__(self, folder, seed):
        self.folder, self.dice = folder, random.Random(seed)
        self.store, self.kept = f"{folder}/store", f"{folder}/kept"
        self.config = ('cache { memory = "64MiB" }\nhttp { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n'
                       f'store "main" {{ path = "{self.store}" size = "512MiB" segment = "16MiB" recycle = off }}\n'
                       f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.node, self.client, self.wrong, self.name = None, ChunkClient(), [], "filling"
        self.counts, self.damage = collections.Counter(), None

    def complain(self, text):
        self.wrong.append(f"{self.name}: {text}")

    def start(self):
        self.node = Node(AROCACHED, PROFILES, self.folder, self.config)
        wait_until("the index whole", lambda: not self.recovery()["under_way"], 20)

    def recovery(self):
        return self.node.call("status")["store"]["recovery"]

    def quarantined(self):
        return self.node.call("store_stat")["stores"][0]["quarantined"]

    def end(self, kill):
        if kill:
            self.node.process.kill()
        elif (code := self.node.stop()) != 0:
            self.complain(f"stop: exit {code}")
        self.node.destroy()

    # ---- a store, and copies of it ----

    def fill(self):
        """Chunks of every size, tails that do not fill their block, objects that are gone again."""
        self.start()
        sizes = [(self.dice.randint(1, 20000), 4096) for _ in range(SMALL)] + list(LARGE)
        names = []
        for size, chunk_bytes in sizes:
            with open(f"{self.folder}/content", "wb") as file:
                file.write(self.dice.randbytes(size + self.dice.randint(0, 4095)))
            names.append(self.node.call("put", path=f"{self.folder}/content", chunk_bytes=chunk_bytes)["id"])
        for name in self.dice.sample(names[:SMALL], SMALL // 10) + [names[-1]]:
            self.node.call("evict", id=name)
        self.end(kill=False)
        os.rename(self.store, self.kept)
        self.before = store_files.read(self.kept)
        self.sound = store_files.whole(self.before)
        self.damage = Damage(self.dice, self.before)

    def restore(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.kept, self.store)

    # ---- what a node says and serves ----

    def scrub(self, expected):
        """Its list against ours. What is said of whole segments comes on top."""
        said = subprocess.run([AROCTL, "-s", f"{self.node.run}/control.sock", "-j", "store", "scrub", "--bytes-per-s",
                               "1GiB"], capture_output=True, text=True, timeout=60, check=False)
        told = json.loads(said.stdout)
        if said.returncode != (6 if told["problems"] else 0):
            self.complain(f"aroctl store scrub: exit {said.returncode}, {told['problems']} problems")
        listed = {(item["segment"], item["record"]) for item in told["list"]
                  if "record" in item and "file" not in item}
        if told["problems"] != len(told["list"]):
            self.complain(f"scrub: {told['problems']} problems, {len(told['list'])} listed")
        for what, some in (("does not list", expected - listed), ("lists what is sound", listed - expected)):
            if some:
                self.complain(f"scrub {what}: {len(some)} of {len(expected)}: {sorted(some)[:4]}")
        self.counts["listed by scrub"] += len(listed & expected)
        self.scrub_of_objects(told["list"])

    def scrub_of_objects(self, listed):
        """Records of objects.log that are told are damaged; objects that are told lack that chunk."""
        log = store_files.read(self.store)["objects.log"]
        for item in listed:
            if item.get("file") == "objects.log" and "record" in item:
                at = item["record"] * store_files.OBJECT
                if log[at:at + store_files.OBJECT] == self.before["objects.log"][at:at + store_files.OBJECT]:
                    self.complain(f"scrub says of record {item['record']} of objects.log: {item['problem']}")
                self.counts["records of objects.log listed by scrub"] += 1
            elif "object" in item:
                name = bytes.fromhex(item["chunk"].removeprefix("c-"))
                if self.client.get(name, self.sound.chunks[name], patience_s=0.5) == RIGHT:
                    self.complain(f"scrub says of {item['object']}: {item['problem']}: and {item['chunk']} is served")
                self.counts["objects that lack a chunk listed by scrub"] += 1

    def gets(self, told):
        """Every chunk there ever was: right, or nothing."""
        for name, content in told.chunks.items():
            if (answer := self.client.get(name, content)) != RIGHT:
                self.complain(f"c-{name.hex()} is sound and {answer}")
        for name, content in told.absent.items():
            if name not in told.chunks and self.client.get(name, content, patience_s=0.5) == RIGHT:
                self.complain(f"c-{name.hex()} is damaged and was served")
        self.counts["served right"] += len(told.chunks)
        self.counts["damaged, not served"] += len(told.absent.keys() - told.chunks.keys())

    def objects(self):
        names, more = set(), True
        while more:
            page = self.node.call("ls", after=len(names), limit=256)
            names |= {bytes.fromhex(entry["id"].removeprefix("o-")) for entry in page["objects"]}
            more = page["more"]
        return names

    def start_damaged(self, told):
        """False: it must not start, and says so."""
        try:
            self.start()
        except AssertionError as error:
            if not told.refused or "ARO-5006" not in str(error) + self.log_text() and \
                    "ARO-5002" not in str(error) + self.log_text():
                self.complain(f"no start: {error}")
            self.counts["starts refused, both superblocks damaged"] += 1
            return False
        if told.refused:
            self.complain("both superblocks are damaged and it started")
        store = store_files.read(self.store)["STORE"]
        if any(store[at:at + store_files.COPY] != self.before["STORE"][at:at + store_files.COPY]
               for at in store_files.COPIES):
            self.complain("a damaged superblock was not rewritten from the other")
        return True

    def log_text(self):
        with open(f"{self.folder}/log", encoding="utf-8") as file:
            return file.read()

    # ---- runs ----

    def stopped(self, what, count, gets_first):
        self.damage.some(self.store, what, count)
        told = store_files.at_start(self.before, store_files.read(self.store))
        if not self.start_damaged(told):
            shutil.copy(f"{self.kept}/STORE", self.store)  # the remedy of that error
            told.refused = False
            self.start_damaged(told)
        recovery = self.recovery()
        if (recovery["torn"], recovery["lost"]) != (told.torn, 0):
            self.complain(f"the start counts {recovery['torn']} torn, {recovery['lost']} lost; torn are {told.torn}")
        if self.objects() != told.objects:
            self.complain(f"{len(self.objects())} objects are listed, {len(told.objects)} should be")
        self.counts["counted by the start"] += told.torn
        if gets_first:
            self.gets(told)
            self.wait_quarantined(told.quarantined)
            told.problems -= {(number, record) for number, record in told.problems if self.is_sound(number, record)}
        self.scrub(told.problems)
        if not gets_first:
            self.wait_quarantined(told.quarantined)
            self.gets(told)

    def is_sound(self, number, record):
        """Whether this record on disk is as it was: then only the payload is damaged."""
        now = store_files.read(self.store)[f"seg-{number:08d}.table"]
        at = record * store_files.RECORD
        return now[at:at + store_files.RECORD] == self.before[f"seg-{number:08d}.table"][at:at + store_files.RECORD]

    def running(self, what, count, gets_first):
        self.start()
        self.damage.some(self.store, what, count)
        told = store_files.while_running(self.before, store_files.read(self.store))
        if gets_first:
            self.gets(told)
            self.wait_quarantined(told.quarantined)
        else:
            self.scrub(told.problems)
            self.gets(told)

    def wait_quarantined(self, count):
        try:
            wait_until("what is damaged is quarantined", lambda: self.quarantined() >= count, 3)
        except AssertionError:
            pass
        if self.quarantined() != count:
            self.complain(f"{self.quarantined()} chunks are quarantined, {count} should be")

    def again(self):
        """After all that: it starts once more, and no wrong byte comes."""
        now = store_files.read(self.store)
        if all(now["STORE"][at:at + store_files.COPY] != self.before["STORE"][at:at + store_files.COPY]
               for at in store_files.COPIES):
            shutil.copy(f"{self.kept}/STORE", self.store)
        self.start()
        for name, content in self.dice.sample(sorted(self.sound.chunks.items()), 500):
            self.client.get(name, content, patience_s=0.2)
        self.end(kill=False)

    def run(self, number, flips, pages):
        running, by_page, gets_first = number % 2 == 1, number % 6 in (4, 5), number % 4 in (2, 3)
        what, count = (self.damage.page, pages) if by_page else (self.damage.flip, flips)
        self.name = (f"run {number}, {count} {'pages' if by_page else 'bits'}, "
                     f"{'running' if running else 'stopped'}, {'gets' if gets_first else 'scrub'} first")
        before, began = len(self.wrong), time.monotonic()
        self.restore()
        (self.running if running else self.stopped)(what, count, gets_first)
        self.end(kill=number % 3 == 0)
        self.again()
        self.counts["pages" if by_page else "flips"] += count
        self.counts["running" if running else "stopped"] += 1
        print(f"{self.name}: {'; '.join(self.wrong[before:]) or 'as expected'} ({time.monotonic() - began:.1f} s)",
              flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("runs", 6), ("flips", 200), ("pages", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args(sys.argv[4:])
    seed = options.seed or 1 + secrets.randbelow(1 << 31)
    print(f"seed {seed}", flush=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    namespace.wire()
    with tempfile.TemporaryDirectory(prefix="aro-damage-", dir="/var/tmp") as folder:
        test = Test(folder, seed)
        try:
            test.fill()
            print(f"{len(test.sound.chunks)} chunks, {len(test.sound.objects)} objects in "
                  f"{len(store_files.segments(test.before))} segments", flush=True)
            for number in range(options.runs):
                test.run(number, options.flips, options.pages)
        except (AssertionError, OSError) as error:  # WrongBytes is one
            test.complain(f"{type(error).__name__}: {error}")
        finally:
            if test.node is not None:
                test.node.destroy()
    hits = test.damage.hits if test.damage else {}
    print(json.dumps({"seed": seed, "wrong": test.wrong[:20], "hits": hits, "counts": test.counts}))
    sys.exit(1 if test.wrong or not test.damage else 0)


if __name__ == "__main__":
    namespace.enter()
    main()
