#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""store { admit = second-hit }: a real daemon, a real origin, real clients, and kill -9.

    test_admission.py AROCACHED AROCTL AROGET PMD_CONFIG [unittest arguments]

The disk is left alone by what is asked for once; what is asked for again is on it, without the
origin. Runs itself in a network namespace of its own. Exit code 77: none can be made here.
"""
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest

import namespace
from node import Node, wait_until
from origin import Origin, file

AROCACHED, AROCTL, AROGET, PROFILES = map(os.path.abspath, sys.argv[1:5])
NULL = "net_null0,no-rx=1"
KILLS = 12


def content(size, seed):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Admission(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-admit-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.origin = Origin()
        self.addCleanup(self.origin.close)
        self.bodies = {}

    # ---- means ----

    def start(self, memory="64MiB", device=NULL, admit="second-hit", store='size = "256MiB"'):
        config = (f'cache {{ memory = "{memory}" }}\n'
                  f'store "main" {{ path = "{self.folder}/store" {store} '
                  f'segment = "16MiB" admit = {admit} }}\n'
                  f'origin "test" {{ url = "{self.origin.url}" prefix = "cdn.example/" '
                  f'timeout = "1s" ttl = "1h" }}\n'
                  f'port "p0" {{ device = "{device}" addresses = {{"10.9.0.1/24"}} }}\n')
        self.node = Node(AROCACHED, PROFILES, self.folder, config)
        self.addCleanup(self.node.destroy)
        wait_until("index whole",
                   lambda: not self.node.call("status")["store"]["recovery"]["under_way"], 10)

    def kill(self):
        self.node.process.kill()
        self.node.process.wait()

    def offer(self, name, size):
        body = content(size, name)
        self.bodies[name] = body
        self.origin.at["/" + name] = file(body, f'"{name}"')

    def ask(self, name):
        """One request for a name, until all of its content is here. Its object and digest."""
        answer = self.node.call("resolve", name=f"cdn.example/{name}")
        if answer["state"] == "here":
            self.assertEqual(answer["digest"], sha256(self.bodies[name]))
            return answer["object"]
        last = {"next": 0, "state": "arriving"}
        while last["state"] == "arriving":
            last = self.node.call("chunks", pull=answer["pull"], after=last["next"], wait_ms=10000)
        self.assertEqual(last["state"], "done", last)
        return last["object"]

    def stats(self, group):
        return self.node.call("stats")[group]

    def written(self):
        return self.stats("store")["bytes_written"]

    def tiers(self):
        """Object -> tier, of all that are listed."""
        listed, after = {}, 0
        while True:
            page = self.node.call("ls", after=after)
            listed.update((each["id"], each["tier"]) for each in page["objects"])
            after += len(page["objects"])
            if not page["more"]:
                return listed

    def wait_for_disk(self, thing):
        wait_until("on disk", lambda: self.tiers().get(thing) == "disk", 10)

    def fetch(self, thing):
        """By the chunk protocol; aroget verifies it."""
        path = os.path.join(self.folder, "got")
        subprocess.run([AROGET, "--from", "10.9.0.1", "-o", path, thing], check=True,
                       capture_output=True)
        with open(path, "rb") as got:
            return got.read()

    def wire(self):
        namespace.wire()
        self.addCleanup(subprocess.run, ["ip", "link", "del", "va0"], check=True)

    # ---- once, again, and after a crash ----

    def test_the_first_request_leaves_the_disk_alone_the_second_does_not_the_third_needs_no_origin(self):
        self.wire()
        self.offer("a", 1 << 20)
        self.start(device=namespace.WIRE)
        thing = self.ask("a")
        self.assertEqual(self.tiers(), {thing: "memory"})
        self.assertEqual(self.fetch(thing), self.bodies["a"])
        time.sleep(1.2)  # what nobody asked to sync is synced by now
        self.assertEqual((self.written(), self.stats("store")["writes"]), (0, 0))
        status = self.node.call("status")["admission"]
        self.assertEqual((status["admit"], status["objects_now"], status["bytes_now"]),
                         ("second-hit", 1, 1 << 20))
        shown = subprocess.run([AROCTL, "-s", self.node.run + "/control.sock", "store", "stat"],
                               check=True, capture_output=True, text=True).stdout
        self.assertIn("1 objects, 1.0 MiB, in memory until they are asked for again", shown)
        self.assertEqual(self.ask("a"), thing)
        self.wait_for_disk(thing)
        self.assertEqual(self.stats("store")["writes"], 17)
        self.assertEqual(self.origin.count("/a"), 1)
        self.kill()
        self.origin.close()
        self.start(device=namespace.WIRE)
        self.assertEqual(self.ask("a"), thing)
        self.assertEqual(self.fetch(thing), self.bodies["a"])
        self.assertGreater(self.node.counters()["misses_disk"], 0)
        self.assertEqual(self.node.stop(), 0)

    def test_kill_9_while_it_is_written_leaves_all_of_it_or_nothing(self):
        survived = 0
        for n in range(KILLS):
            self.offer(f"k{n}", 2 << 20)
            self.start()
            thing = self.ask(f"k{n}")
            self.ask(f"k{n}")
            time.sleep(0.002 * n)
            self.kill()
            self.start()
            survived += thing in self.tiers()
            verify = self.node.call("verify")
            self.assertTrue(verify["ok"], verify)
            self.assertEqual(self.ask(f"k{n}"), thing)
            self.assertEqual(self.origin.count(f"/k{n}"), 1 + (self.stats("origin")["pulls"] == 1))
            self.kill()
        print(f"{survived} of {KILLS} were on disk", file=sys.stderr)

    def test_kill_9_while_it_waits_or_arrives_leaves_nothing(self):
        self.offer("a", 1 << 20)
        for arriving in (False, True):
            self.start()
            if arriving:
                self.node.call("resolve", name="cdn.example/a")
            else:
                self.ask("a")
            self.kill()
            self.start()
            self.assertEqual(self.tiers(), {})
            self.assertEqual(self.stats("store")["chunks_now"], 0)
            self.assertTrue(self.node.call("verify")["ok"])
            self.kill()

    # ---- pressure ----

    def test_a_flood_of_what_is_asked_for_once_leaves_the_disk_alone(self):
        self.start()
        for n in range(120):
            self.offer(f"f{n}", 1 << 20)
            self.ask(f"f{n}")
        self.assertEqual(self.written(), 0)
        admission = self.stats("admission")
        self.assertEqual(admission["deferred"], 120)
        self.assertGreater(admission["dropped"], 30)
        self.assertEqual(admission["deferred"], admission["dropped"] + admission["objects_now"])
        self.assertEqual(set(self.tiers().values()), {"memory"})
        verify = [self.node.call("verify", id=thing) for thing in self.tiers()]
        self.assertTrue(all(each["ok"] for each in verify), "what is listed is whole")
        thing = self.ask("f5")  # pressed out meanwhile: pulled again, and written as it arrives
        self.assertEqual(self.origin.count("/f5"), 2)
        self.assertEqual(self.tiers()[thing], "disk")
        self.assertEqual(self.stats("admission")["recalled"], 1)
        self.assertEqual(self.node.stop(), 0)

    def test_what_clients_fetch_again_and_again_is_written_before_eviction_takes_it(self):
        self.wire()
        self.start(memory="16MiB", device=namespace.WIRE)
        things = []
        for n in range(60):  # 24 MiB, all of it popular
            self.offer(f"p{n}", 400 << 10)
            things.append(self.ask(f"p{n}"))
            for _ in range(3):
                self.fetch(things[-1])
        admission = self.stats("admission")
        self.assertGreater(admission["evict_writes"], 5)
        self.assertEqual(self.stats("store")["writes"], admission["evict_writes"])
        tiers = self.tiers()
        self.assertIn("disk", tiers.values())
        for thing, body in zip(things, self.bodies.values()):
            if thing not in tiers:
                continue
            try:
                self.assertEqual(self.fetch(thing), body)
            except subprocess.CalledProcessError:  # the others' reads pressed it out of memory
                self.assertEqual((tiers[thing], self.tiers().get(thing)), ("memory", None))
        self.assertGreaterEqual(len(tiers), 60 - admission["dropped"])
        self.kill()
        self.start(memory="16MiB", device=namespace.WIRE)
        for thing in (thing for thing, tier in tiers.items() if tier == "disk"):
            self.assertEqual(sha256(self.fetch(thing)), self.node.call("stat", id=thing)["digest"])
        self.assertEqual(self.node.stop(), 0)

    def test_a_full_store_that_recycles_takes_what_is_asked_for_again(self):
        self.start(store='size = "80MiB" recycle = on')
        for n in range(120):
            self.offer(f"r{n}", 1 << 20)
            thing = self.ask(f"r{n}")
            self.ask(f"r{n}")
            self.wait_for_disk(thing)
        self.assertEqual(self.stats("admission")["admitted"], 120)
        self.assertGreater(self.stats("store")["recycled"], 2)
        self.assertEqual(self.stats("admission")["failed"], 0)
        self.assertTrue(self.node.call("verify")["ok"])
        self.assertEqual(self.node.stop(), 0)

    # ---- by hand, and beyond memory ----

    def test_what_an_operator_asks_for_is_on_disk(self):
        for name in "abcd":
            self.offer(name, 100000)
        self.start()
        pulled = self.node.call("pull", url=self.origin.url + "a")
        self.assertTrue(pulled["durable"])
        self.assertEqual(self.tiers()[pulled["object"]], "disk")
        thing = self.ask("b")
        self.assertTrue(self.node.call("pull", url=self.origin.url + "b")["durable"], "a 304")
        self.assertEqual(self.tiers()[thing], "disk")
        thing = self.ask("c")
        self.node.call("pin", id=thing)
        self.wait_for_disk(thing)
        thing = self.ask("d")
        self.node.call("name", name="mine", id=thing)
        self.wait_for_disk(thing)
        self.kill()
        self.start()
        self.assertEqual(len(self.tiers()), 4)
        self.assertEqual(self.node.stop(), 0)

    def test_flush_says_what_it_would_lose_and_evict_takes_what_is_in_memory(self):
        self.offer("a", 100000)
        self.offer("b", 100000)
        self.start()
        first, second = self.ask("a"), self.ask("b")
        evicted = self.node.call("evict", id=first)
        self.assertEqual((evicted["removed_chunks"], evicted["kept_chunks"]), (3, 0))
        self.assertEqual(self.tiers(), {second: "memory"})
        with self.assertRaisesRegex(AssertionError, "ARO-6029"):
            self.node.call("flush")
        self.node.call("flush", force=True)
        self.assertEqual(self.tiers(), {})
        self.assertEqual(self.ask("b"), second)
        self.assertEqual(self.origin.count("/b"), 2)
        self.assertEqual(self.node.stop(), 0)

    def test_what_is_large_or_of_unknown_length_goes_to_disk_at_once(self):
        self.offer("large", (2 << 20) + 1)
        self.offer("fits", 2 << 20)
        body = self.bodies["live"] = content(100000, "live")

        def serve(request):
            request.head(200, "Transfer-Encoding: chunked")
            request.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        self.origin.at["/live"] = serve
        self.start()
        tiers = []
        for name in "large", "live", "fits":
            thing = self.ask(name)
            tiers.append(self.tiers()[thing])
        self.assertEqual(tiers, ["disk", "disk", "memory"])
        self.assertEqual(self.stats("admission")["large"], 2)

    def test_many_who_ask_at_once_have_asked_again(self):
        self.offer("a", 100000)
        self.start()
        first = self.node.call("resolve", name="cdn.example/a")
        second = self.node.call("resolve", name="cdn.example/a")
        self.assertIn(second["state"], ("arriving", "here"), first)
        self.wait_for_disk(self.ask("a"))
        self.assertEqual(self.origin.count("/a"), 1)

    def test_always_is_what_it_was(self):
        self.offer("a", 100000)
        self.start(admit="always")
        thing = self.ask("a")
        self.assertEqual(self.tiers(), {thing: "disk"})
        self.assertEqual(self.stats("admission")["deferred"], 0)


if __name__ == "__main__":
    namespace.enter()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2, exit=False).result
    print(f"{time.monotonic() - started:.1f} s")
    sys.exit(0 if result.wasSuccessful() else 1)
