#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 again and again under mixed load: puts, evicts, pins, flushes, and chunks got by UDP that
memory does not hold. After each: a clean start, nothing acknowledged is lost, nothing is half there,
no wrong byte.

    test_crash.py AROCACHED AROGET PMD_CONFIG [--kills 10] [--seed N]

The last line is what was counted, as JSON. Exit code 1: a promise was broken; 77: no network namespace
can be made here. The seed decides contents, order and moments; when a thread runs it does not.
"""
import argparse
import hashlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time

import namespace
from chunk_client import RIGHT, ChunkClient
from crash_load import LIVE_BYTES, Known, Load
from node import Node, wait_until

AROCACHED, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:4])
LOAD_S, SAMPLE, WHOLE_EVERY = 0.6, 60, 10


class Crash:
    def __init__(self, folder, seed):
        self.folder, self.dice, self.known = folder, random.Random(seed), Known(seed)
        self.config = ('cache { memory = "16MiB" }\nhttp { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n'
                       f'store "main" {{ path = "{folder}/store" size = "1GiB" segment = "16MiB" recycle = off }}\n'
                       f'port "p0" {{ device = "{namespace.WIRE}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.node, self.starts_s, self.torn, self.where = None, [], 0, {}
        self.verified = set()  # digests

    def start(self):
        began = time.monotonic()
        self.node = Node(AROCACHED, PROFILES, self.folder, self.config)
        wait_until("the index whole", lambda: not self.recovery()["under_way"], 20)
        self.starts_s.append(time.monotonic() - began)

    def recovery(self):
        return self.node.call("status")["store"]["recovery"]

    def kill(self):
        self.node.process.send_signal(signal.SIGKILL)
        self.node.process.wait()

    def kill_while_it_starts(self, seconds):
        with open(f"{self.folder}/log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([AROCACHED, "-c", f"{self.folder}/node.conf"], stderr=log)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def round(self, number):
        """One kill and what came of it."""
        load = Load(self.known, f"{self.node.run}/control.sock", self.folder, self.dice)
        time.sleep(self.dice.uniform(0.02, LOAD_S))
        self.kill()
        load.join()
        self.node.destroy()
        under_way = [name for name, some in (("put", self.known.coming), ("evict", self.known.going)) if some]
        where = "during " + (" and ".join(under_way) or "neither put nor evict")
        self.where[where] = self.where.get(where, 0) + 1
        if self.dice.random() < 0.15:
            self.kill_while_it_starts(self.dice.uniform(0.0, 0.6))
            self.known.count("kills of a start")
        self.start()
        self.aftermath(number)

    def listed(self):
        """digest -> id of every object."""
        names, more = {}, True
        while more:
            page = self.node.call("ls", after=len(names), limit=256)
            names.update((entry["digest"], entry["id"]) for entry in page["objects"])
            more = page["more"]
        return names

    def aftermath(self, number):
        known, names, recovery = self.known, self.listed(), self.recovery()
        for digest in known.there.keys() - names.keys():
            known.complain(f"round {number}: acknowledged {known.there[digest].id} is lost")
        for digest in known.gone & names.keys():
            known.complain(f"round {number}: {names[digest]} was evicted, acknowledged, and is back")
        for digest in names.keys() - known.there.keys() - known.coming.keys() - known.going.keys() - known.gone:
            known.complain(f"round {number}: nobody ever put {names[digest]}")
        if recovery["lost"]:
            known.complain(f"round {number}: {recovery['lost']} segments set aside")
        self.torn += recovery["torn"]
        for digest, content in [*known.coming.items(), *known.going.items()]:
            if digest in names:
                content.id = names[digest]
                known.there[digest] = content
        known.coming, known.going = {}, {}
        self.verify(number)
        self.sample(number)
        self.trim()

    def verify(self, number):
        """No chunk is missing or damaged; SHA-256 of what is new, and now and then of all."""
        known, whole = self.known, number % WHOLE_EVERY == 0
        for content in list(known.there.values()):
            if self.node.call("stat", id=content.id)["chunks_missing"]:
                known.complain(f"round {number}: {content.id} lacks chunks")
            elif whole or content.digest not in self.verified:
                verdict = self.node.call("verify", id=content.id)
                if not verdict["ok"]:
                    known.complain(f"round {number}: verify {content.id}: {verdict['list'][:3]}")
                self.verified.add(content.digest)
        scrub = self.node.call("store_scrub", bytes_per_s=1 << 30)
        if not scrub["ok"]:
            known.complain(f"round {number}: scrub: {scrub['list'][:3]}")

    def trim(self):
        """The oldest go while there is too much."""
        while self.known.live_bytes() > LIVE_BYTES:
            digest = next(iter(self.known.there))
            self.node.call("evict", id=self.known.there.pop(digest).id)
            self.known.gone.add(digest)

    def sample(self, number):
        """Random chunks, as a client gets them."""
        client, contents = ChunkClient(), list(self.known.there.values())
        for _ in range(SAMPLE if contents else 0):
            chunk_id, part = self.dice.choice(self.dice.choice(contents).chunks)
            told = client.get(chunk_id, part)
            self.known.count(f"chunks {told} after a start")
            if told != RIGHT:
                self.known.complain(f"round {number}: c-{chunk_id.hex()} is {told} after the start")
        client.close()

    def fetch_all(self):
        """At the end every object as a whole, by the real client."""
        out = os.path.join(self.folder, "out")
        for content in self.known.there.values():
            fetched = subprocess.run([AROGET, "-q", "--from", "10.9.0.1", "-o", out, content.id], timeout=120,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            with open(out, "rb") as file:
                same = hashlib.sha256(file.read()).hexdigest() == content.digest.removeprefix("sha256:")
            if fetched.returncode != 0 or not same:
                self.known.complain(f"fetch of {content.id}: exit {fetched.returncode}, {fetched.stderr.strip()}")
            os.unlink(out)


def run(kills, seed):
    with tempfile.TemporaryDirectory(prefix="aro-crash-", dir="/var/tmp") as folder:
        crash = Crash(folder, seed)
        known = crash.known
        done, counters = 0, {}
        try:
            crash.start()
            for done in range(1, kills + 1):
                crash.round(done)
                print(f"kill {done}: {len(known.there)} objects, {known.live_bytes() >> 20} MiB, "
                      f"{'; '.join(known.wrong) or 'clean'}", flush=True)
                if known.wrong:
                    break
            crash.fetch_all()
            counters = crash.node.counters()
            code = crash.node.stop()
            if code != 0:
                known.complain(f"stop: exit {code}")
        except (AssertionError, OSError) as error:  # WrongBytes is one
            known.complain(f"after kill {done}: {error}")
        finally:
            if crash.node is not None:
                crash.node.destroy()
        starts = sorted(crash.starts_s) or [0]
        return {"kills": done, "seed": seed, "wrong": known.wrong[:20], "where": crash.where, "torn": crash.torn,
                "acknowledged": len(known.there), "counts": known.counts,
                "disk_mismatches": counters.get("disk_mismatches"),
                "start_median_s": round(starts[len(starts) // 2], 3), "start_max_s": round(starts[-1], 3)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="0: drawn, and printed")
    options = parser.parse_args(sys.argv[4:])
    seed = options.seed or 1 + secrets.randbelow(1 << 31)
    print(f"seed {seed}", flush=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    namespace.wire()
    told = run(options.kills, seed)
    print(json.dumps(told))
    sys.exit(1 if told["wrong"] or told["kills"] < options.kills else 0)


if __name__ == "__main__":
    namespace.enter()
    main()
