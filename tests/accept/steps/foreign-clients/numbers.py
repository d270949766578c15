# SPDX-License-Identifier: BSD-3-Clause
"""The table "Numbers": bytes through gateway and node, first byte, memory, single flight."""

import json
import os
import subprocess
import time

import foreign
import lib
import node

BYTES_LINE = ("bytes through gateway + node, 1 GiB object, one client, loopback, from memory, "
              "verified >= 1/3 of nginx sendfile in the same rig")
FIRST_LINE = "first byte of a warm 64 KiB chunk through the gateway, 1,000 req/s: p50 <= 1 ms, p99 <= 5 ms"
MEMORY_LINE = "gateway memory, 1,000 slow readers of a 1 GiB object <= 512 MiB in all"
SINGLE_LINE = "500 clients ask a name that nobody has: one origin fetch; first byte before the whole object arrived"
PAIRS = 5
ROUNDS, ROUNDS_MAX = 5, 15  # quiet ones wanted, tries at most
STEAL_MAX = 0.01  # of the CPUs: what a quiet round may lose to the host's other machines


def load(rig, *words, timeout=200):
    result = subprocess.run(rig.inside("python3", os.path.join(lib.HERE, "load.py"), *words),
                            capture_output=True, timeout=timeout, text=True)
    if result.returncode != 0:
        raise lib.Failure(f"load.py {words[0]}: {result.stderr.strip()[-300:]}")
    return json.loads(result.stdout.splitlines()[-1])


def jumbo(rig, names):
    """Large packets on every wire of the rig, nginx's included."""
    for name in names:
        lib.command("ip", "link", "set", name, "mtu", "9000")
    for name in ("kc", *(n.replace("va", "vb") for n in names if n.startswith("va"))):
        lib.command(*rig.inside("ip", "link", "set", name, "mtu", "9000"))


def speed(rig, url):
    """Gb/s of one curl, which reads and forgets."""
    result = rig.curl("-o", "/dev/null", "-w", "%{speed_download} %{http_code}", url, check=True)
    value, code = result.stdout.decode().split()
    if code != "200":
        raise lib.Failure(f"{url}: status {code}")
    return float(value) * 8e-9


@lib.step("bytes", BYTES_LINE, seconds=500)
def gateway_bytes(context):
    path, size = lib.real_file(context, lib.GIB), lib.GIB
    rig = foreign.Rig(context, nodes=("a",), node_options={"cache": "1536MiB", "store": "3GiB"})
    jumbo(rig, ("ko", "va0"))
    daemon = rig.nodes["a"]
    edit(daemon.config, 'lcores = {1} }\ndataplane', 'lcores = {1} mtu = 9000 }\ndataplane')
    edit(daemon.config, "framesz=2048,blocksz=4096,framecnt=4096",
         "framesz=9216,blocksz=36864,framecnt=1024")
    origin = foreign.Origin(context).start()
    os.link(path, os.path.join(origin.root, "big")) if same_disk(path, origin.root) else \
        lib.command("cp", path, os.path.join(origin.root, "big"))
    rig.start()
    name = daemon.put(path)["id"]
    body = context.path("body")
    rig.curl("-o", body, rig.url(f"/o/{name}"), check=True)
    equal = lib.sha256(body) == lib.sha256(path)
    nginx, gate = f"http://{foreign.ORIGIN}/big", rig.url(f"/o/{name}")
    results = {"nginx": [], "gate": [], "nginx, no offloads": []}
    for _ in range(PAIRS):
        results["nginx"].append(speed(rig, nginx))
        results["gate"].append(speed(rig, gate))
        context.say(f"nginx {results['nginx'][-1]:.2f} Gb/s, gateway {results['gate'][-1]:.2f}")
    offloads(rig, "off")
    for _ in range(PAIRS):
        results["nginx, no offloads"].append(speed(rig, nginx))
    ours, theirs, plain = (lib.median(results[key]) for key in ("gate", "nginx", "nginx, no offloads"))
    counters = daemon.call("stats")["dataplane"]
    context.check(BYTES_LINE, equal and ours >= theirs / 3,
                  f"gateway median {ours:.2f} Gb/s of {PAIRS} (best {max(results['gate']):.2f}), nginx "
                  f"{theirs:.2f}: ratio {ours / theirs:.2f}; nginx without segmentation offloads "
                  f"{plain:.2f}: ratio {ours / plain:.2f}; MTU 9000; equal: {equal}; slices from disk "
                  f"{counters['slices_disk']}", ">= 0.33")


def edit(path, old, new):
    with open(path, encoding="ascii") as file:
        text = file.read()
    if old not in text:
        raise lib.Failure(f"{path} lacks {old!r}")
    with open(path, "w", encoding="ascii") as file:
        file.write(text.replace(old, new))


def same_disk(one, other):
    return os.stat(one).st_dev == os.stat(other).st_dev


def offloads(rig, state):
    for words in (["ethtool", "-K", "ko"], rig.inside("ethtool", "-K", "kc")):
        lib.command(*words, "tso", state, "gso", state, "gro", state)


@lib.step("first-byte", FIRST_LINE, seconds=300)
def first_byte(context):
    rig = foreign.Rig(context, nodes=("a",))
    origin = foreign.Origin(context).start()
    path = os.path.join(origin.root, "chunk")
    with open(path, "wb") as file:
        file.write(os.urandom(65536))
    rig.start()
    rig.nodes["a"].put(path)
    digest = lib.sha256(path)
    load(rig, "rate", foreign.GATE, f"/c/c-{digest}", 1000, 2, 64)
    rounds = []
    while len(rounds) < ROUNDS_MAX and sum(each[2] <= STEAL_MAX for each in rounds) < ROUNDS:
        before = cpu_ticks()
        told = (load(rig, "rate", foreign.GATE, f"/c/c-{digest}", 1000, 6, 64),
                load(rig, "rate", foreign.ORIGIN, "/chunk", 1000, 3, 64))
        stolen, spent = (after - then for after, then in zip(cpu_ticks(), before))
        rounds.append((*told, stolen / spent))
        context.say(", ".join(f"{who} p50 {each['p50_ms']:.2f} ms p99 {each['p99_ms']:.2f}"
                              for who, each in zip(("gateway", "nginx"), told)) +
                    f", stolen {stolen / spent:.1%}")
    quiet = [each for each in rounds if each[2] <= STEAL_MAX] or rounds
    good = all(told["wrong"] == 0 and told["digests"] == [digest] for each in rounds for told in each[:2])
    p50, p99, floor50, floor99 = (lib.median([each[who][key] for each in quiet]) for who in (0, 1)
                                  for key in ("p50_ms", "p99_ms"))
    context.check(FIRST_LINE, good and p50 <= 1 and p99 <= 5,
                  f"medians of {len(quiet)} rounds of 6000 requests, of {len(rounds)} (the host took at most "
                  f"{max(each[2] for each in quiet):.1%} of the CPUs, in the others up to "
                  f"{max(each[2] for each in rounds):.0%}): p50 {p50:.2f} ms, p99 {p99:.2f} ms, from the intended "
                  f"moment; bodies right: {good}; the same from nginx: p50 {floor50:.2f} ms, p99 {floor99:.2f} ms")


def cpu_ticks():
    """Of all CPUs since the start: stolen by the host of this virtual machine, and all there were."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = list(map(int, file.readline().split()[1:9]))
    return ticks[7], sum(ticks)


@lib.step("slow-readers", MEMORY_LINE, seconds=300)
def slow_readers(context):
    path = lib.real_file(context, lib.GIB)
    rig = foreign.Rig(context, nodes=("a",), node_options={"cache": "1536MiB", "store": "3GiB"})
    rig.start()
    name = rig.nodes["a"].put(path)["id"]
    slow = lib.spawn(rig.inside("python3", os.path.join(lib.HERE, "load.py"), "slow", foreign.GATE,
                                f"/o/{name}", 1000, 32768, 40), stdout=subprocess.PIPE, text=True)
    slow.stdout.readline()
    most, deadline, fast = 0, time.monotonic() + 35, None
    while time.monotonic() < deadline:
        most = max(most, lib.proc_value(rig.gate.pid, "status", "VmRSS") / 1024)
        if fast is None and time.monotonic() > deadline - 20:
            fast = rig.curl("-o", "/dev/null", "-r", "0-104857599", "-w", "%{speed_download} %{http_code}",
                            rig.url(f"/o/{name}")).stdout.decode().split()
        time.sleep(0.2)
    told = json.loads(slow.stdout.readline())
    slow.wait()
    peak = lib.proc_value(rig.gate.pid, "status", "VmHWM") / 1024
    good = told["starved"] == 0 and fast is not None and fast[1] == "206"
    context.check(MEMORY_LINE, good and peak <= 512,
                  f"{peak:.0f} MiB at most ({most:.0f} seen); every reader got at least "
                  f"{told['least_bytes']} bytes, {told['starved']} none; a fast one beside them "
                  f"{float(fast[0]) * 8e-9 if fast else 0:.2f} Gb/s, status {fast[1] if fast else '-'}")


@lib.step("single-flight", SINGLE_LINE, seconds=200)
def single_flight(context):
    rig = foreign.Rig(context, origin={})
    origin = foreign.Origin(context, server="limit_rate 8m;").start()  # 2 s for all of it
    body = os.urandom(16 * lib.MIB)
    with open(os.path.join(origin.root, "cold"), "wb") as file:
        file.write(body)
    rig.start()
    told = load(rig, "many", foreign.GATE, "/cold", 500, "media.test")
    lines = [line for line in origin.requests() if "/cold" in line]
    with open(context.path("body"), "wb") as file:
        file.write(body)
    right = told["digest"] == lib.sha256(context.path("body"))
    good = told["statuses"] == ["200"] and told["bodies"] == 1 and right and not told["unfinished"]
    nodes_fetched = len(lines)
    context.check(SINGLE_LINE, good and nodes_fetched == 1 and told["first_max_s"] < told["last_s"] / 2,
                  f"{nodes_fetched} request at the origin; first byte after {told['first_s']:.2f} to "
                  f"{told['first_max_s']:.2f} s, all of it after {told['last_s']:.2f} s; statuses "
                  f"{told['statuses']}, bodies equal and right: {told['bodies'] == 1 and right}",
                  "1 request, first byte well before the last")
