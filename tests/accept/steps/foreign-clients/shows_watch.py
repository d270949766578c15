# SPDX-License-Identifier: BSD-3-Clause
"""Whoever watches: Prometheus' own tool reads what node and gateway expose; an lcore that stands still
is seen by the load balancer's question and by the service manager."""

import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time

import foreign
import lib

sys.path.insert(0, os.path.join(lib.ROOT, "tests/e2e"))
from stall import Stall  # noqa: E402

PROM_LINE = "`promtool check metrics` is clean"
STUCK_LINE = "a stuck lcore turns /readyz and the watchdog"
GATE_LINE = "arogate speaks to the service manager, as its unit (Type=notify, WatchdogSec) demands"
WATCHDOG_S = 2


class Traffic:
    """Clients of the gateway, of all kinds, until stop()."""

    def __init__(self, rig, urls):
        self.process = lib.spawn(rig.inside("sh", "-c", 'while :; do curl -s -o /dev/null "$@"; done', "sh",
                                            *[word for url in urls for word in ("-r", "0-9", url, "--next", url)]),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()


def samples(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")


@lib.step("promtool", PROM_LINE, seconds=120)
def promtool(context):
    lib.require("promtool")
    rig = foreign.Rig(context, nodes=("a",), origin={}).start()
    path = lib.real_file(context, 64 * lib.MIB)
    name = rig.nodes["a"].put(path)["id"]
    traffic = Traffic(rig, [rig.url(f"/o/{name}"), rig.url("/n/unknown"), rig.url("/o/nonsense")])
    gate = f"http://{foreign.GATE_METRICS}/metrics"
    ask = {"the node's": lambda: foreign.http_get(rig.nodes["a"].http, "/metrics")[1],
           "the gateway's": lambda: rig.curl(gate, check=True).stdout.decode()}
    moved = {"the node's": "arocache_dataplane_slices_memory_total{lcore=\"1\"}", "the gateway's": None}
    for whose, scrape in ask.items():
        line, texts = f"{PROM_LINE}: {whose} /metrics, under traffic", []
        try:
            for _ in range(5):
                time.sleep(0.5)
                texts.append(scrape())
        except (OSError, lib.Failure) as failure:
            context.check(line, False, failure)
            continue
        said = [check_metrics(text) for text in texts]
        first, last = samples(texts[0]), samples(texts[-1])
        grown = [key for key in last if "_total" in key and float(last[key]) > float(first.get(key, 0))]
        shrunk = [key for key in first if "_total" in key and float(last.get(key, -1)) < float(first[key])]
        good = not any(said) and grown and not shrunk and (moved[whose] is None or moved[whose] in grown)
        context.check(line, good,
                      f"5 scrapes of {len(last)} samples; promtool: {next(filter(None, said), 'nothing to say')}; "
                      f"counters that grew meanwhile: {len(grown)}, that shrank: {shrunk or 'none'}")
    traffic.stop()
    for path, word in (("/healthz", "ok"), ("/readyz", "ready")):
        got = rig.curl("-w", " %{http_code}", f"http://{foreign.GATE_METRICS}{path}").stdout.decode()
        context.check(f"the gateway's {path}", got.split() == [word, "200"], got or "no answer", f"{word} 200")


def check_metrics(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip() or (f"exit {done.returncode}" if done.returncode else "")


class Manager:
    """The service manager's end: which words came when. Of whatever has an env for its process."""

    def __init__(self, context, watched):
        path = context.path("notify")
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.link.bind(path)
        watched.env |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}
        self.heard = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            now = time.monotonic()
            self.heard += [(now, word) for word in self.link.recv(4096).decode().split("\n")]

    def fed(self, since, until):
        return sum(since <= at < until and word == "WATCHDOG=1" for at, word in self.heard)

    def words(self):
        return [word for _, word in self.heard if word != "WATCHDOG=1"]


def turns(ready, want, seconds=10):
    """Seconds until /readyz answers so, and its body then."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        status, body = ready()
        if status == want:
            return time.monotonic() - began, body.strip()
        time.sleep(0.05)
    return None, body.strip()


@lib.step("stuck-lcore", STUCK_LINE, seconds=120)
def stuck_lcore(context):
    rig = foreign.Rig(context)
    daemon = rig.nodes["b"]
    manager = Manager(context, daemon)
    rig.start()
    body = os.urandom(4 * lib.MIB)
    with open(context.path("file"), "wb") as file:
        file.write(body)
    name = [each.put(context.path("file"))["id"] for each in rig.nodes.values()][0]
    began = time.monotonic()
    time.sleep(2 * WATCHDOG_S)
    before = foreign.http_get(daemon.http, "/readyz")
    stalled = time.monotonic()
    fed_before = manager.fed(began, stalled)
    with Stall(daemon.pid, 1):
        took, reason = turns(lambda: foreign.http_get(daemon.http, "/readyz"), 503)
        dark = time.monotonic()
        other = rig.curl(rig.url(f"/o/{name}"), timeout=60)
        health = foreign.http_get(daemon.http, "/healthz")[0]
        time.sleep(max(0, 2 * WATCHDOG_S - (time.monotonic() - dark)))
        fed_stuck = manager.fed(dark, time.monotonic())
        resumed = time.monotonic()
    healed, after = turns(lambda: foreign.http_get(daemon.http, "/readyz"), 200)
    time.sleep(2 * WATCHDOG_S)
    fed_after = manager.fed(resumed, time.monotonic())
    context.check(f"{STUCK_LINE}: /readyz", before[0] == 200 and took is not None and healed is not None and
                  "lcore 1" in reason and health == 200,
                  f"{before[0]} {before[1].strip()!r}; stopped: 503 after {took or -1:.1f} s, {reason!r} (/healthz "
                  f"{health}); going again: 200 after {healed or -1:.1f} s, {after!r}")
    context.check(f"{STUCK_LINE}: the watchdog", fed_before >= 2 and fed_stuck == 0 and fed_after >= 2,
                  f"WATCHDOG=1 in {2 * WATCHDOG_S} s each: {fed_before} before, {fed_stuck} while the lcore stands, "
                  f"{fed_after} after (WatchdogSec={WATCHDOG_S})", "some, none, some")
    equal = hashlib.sha256(other.stdout).digest() == hashlib.sha256(body).digest()
    context.check(f"{STUCK_LINE}: whoever fetches gets it from the other node", other.returncode == 0 and equal,
                  f"4 MiB through the gateway meanwhile: curl exit {other.returncode}, equal {equal}")
    log = lib.command("grep", "-ho", "lcore-[a-z]* lcore=[0-9]*", daemon.log_path, check=False).stdout.split("\n")
    context.check(f"{STUCK_LINE}: the log names it", "lcore-stuck lcore=1" in log and "lcore-advances lcore=1" in log,
                  f"{[line for line in log if line]}")


@lib.step("gate-notify", GATE_LINE, seconds=60)
def gate_notify(context):
    rig = foreign.Rig(context, nodes=("a",))
    rig.nodes["a"].start()
    gate = foreign.Gate(rig)
    manager = Manager(context, gate)
    began = time.monotonic()
    gate.start()
    time.sleep(2 * WATCHDOG_S)
    fed, ready = manager.fed(began, time.monotonic()), "READY=1" in manager.words()
    code = gate.stop()
    time.sleep(0.2)
    context.check(GATE_LINE, ready and fed >= 2 and "STOPPING=1" in manager.words() and code == 0,
                  f"READY=1: {ready}; WATCHDOG=1 in {2 * WATCHDOG_S} s: {fed}; words: {manager.words() or 'none'}; "
                  f"exit {code}", "READY=1, some, STOPPING=1")
