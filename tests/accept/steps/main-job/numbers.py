# SPDX-License-Identifier: BSD-3-Clause
"""The table "Numbers": clone to verified, memory, idle, cycles per packet, throughput."""

import json
import os
import subprocess
import time

import lib
import node

DEMO_LINE = "packages present: clone to the >= 256 MiB object verified <= 60 s"
MEMORY_LINE = "resident memory, 64 MiB cache, one lcore, no hugepages <= 256 MiB"
IDLE_LINE = "idle, adaptive: <= 1% CPU"
FIRST_LINE = "idle, adaptive: first packet answered <= 1 ms"
FLOOR_LINE = "zero-copy DATA packet on net_ring <= 2x the floor of the same run"
THROUGHPUT_LINE = "aroget over tap or veth, MTU 1500, 1 GiB verified from memory >= 4 Gb/s"
THROUGHPUT_RUNS = 7
POOLS_LINE = "each pool's size explained in docs/"

# Asks for a TOKEN after a silence, again and again: connect, GET without a token, first answer.
PROBE = """
import secrets, socket, struct, sys, time
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.connect((sys.argv[1], 9500))
link.settimeout(2)
for turn in range(-1, int(sys.argv[2])):
    time.sleep(2 if turn >= 0 else 0)
    echo = secrets.token_bytes(8)
    request = struct.pack('>BBHHHQ', 4, 1, 0, 1152, 0, 1) + echo + bytes(16 + 32 + 4)
    began = time.perf_counter_ns()
    link.send(request)
    answer = link.recv(2048)
    took = time.perf_counter_ns() - began
    assert answer[0] == 7 and answer[8:16] == echo, answer
    if turn >= 0:
        print(took / 1000, flush=True)
"""


@lib.step("clone-demo", DEMO_LINE, seconds=300)
def clone_demo(context):
    clone, log = context.path("clone"), context.log("demo.log")
    began = time.monotonic()
    lib.command("git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", lib.ROOT, clone)
    with open(log, "wb") as out:
        demo = lib.spawn(["./arocache", "demo"], cwd=clone, stdout=out, stderr=out,
                         stdin=subprocess.DEVNULL)
        code = demo.wait()
    took = time.monotonic() - began
    context.check(DEMO_LINE, code == 0 and took <= 60,
                  f"{took:.1f} s, exit {code}: {lib.tail(log, 1)}", "exit 0 within 60 s")


@lib.step("memory", MEMORY_LINE, seconds=120)
def memory(context):
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire, cache="64MiB", store="2GiB",
                         extra='eal { hugepages = "off" }\n').start()
    path = lib.real_file(context, 256 * lib.MIB)
    name = daemon.put(path)["id"]
    told = daemon.fetch(name, context.path("out"))
    good = told["code"] == 0 and lib.sha256(context.path("out")) == lib.sha256(path)
    now, most = (lib.proc_value(daemon.pid, "status", key) / 1024 for key in ("VmRSS", "VmHWM"))
    context.check(MEMORY_LINE, good and most <= 256,
                  f"{now:.0f} MiB now, {most:.0f} MiB at most, after serving 256 MiB "
                  f"(fetched and equal: {good})", "<= 256 MiB")
    text = ""
    for folder, _, files in os.walk(os.path.join(lib.ROOT, "docs")):
        for file in files:
            with open(os.path.join(folder, file), encoding="utf-8") as page:
                text += page.read()
    names = sorted({pool["name"] for pool in daemon.call("status")["pools"]})
    missing = [name for name in names if name not in text]
    context.check(POOLS_LINE, not missing, f"pools {', '.join(names)}; not named in docs/: "
                  f"{', '.join(missing) or 'none'}")


@lib.step("idle", IDLE_LINE, seconds=300)
def idle(context):
    for kind in "veth", "tap":
        wire = node.Wire(context, kind)
        daemon = node.Daemon(context, wire, name=kind).start()
        time.sleep(3)
        context.say(f"{kind}: 20 s of silence, then 50 packets, 2 s apart" if kind == "veth" else
                    f"{kind}: 20 s of silence, then 10 packets, 2 s apart")
        began, used = time.monotonic(), lib.cpu_seconds(daemon.pid)
        time.sleep(20)
        percent = 100 * (lib.cpu_seconds(daemon.pid) - used) / (time.monotonic() - began)
        context.check(f"{IDLE_LINE} ({kind})", percent <= 1, f"{percent:.2f}% of one CPU over 20 s",
                      "<= 1%")
        turns = 50 if kind == "veth" else 10
        answers = lib.command(*wire.inside("/usr/bin/python3", "-c", PROBE, node.IP4, turns))
        micros = [float(line) for line in answers.split()]
        context.check(f"{FIRST_LINE} ({kind})", lib.median(micros) <= 1000,
                      f"median {lib.median(micros):.0f} us, max {max(micros):.0f} us, "
                      f"{sum(value > 1000 for value in micros)} of {len(micros)} above 1 ms",
                      "median <= 1000 us")
        daemon.stop()


@lib.step("floor", FLOOR_LINE, seconds=300)
def floor(context):
    told = json.loads(lib.command(context.program("perf/bench_data")).strip().splitlines()[-1])
    context.check(FLOOR_LINE, told["ratio"] <= 2.0,
                  f"{told['ratio']}x (min {told['ratio_min']}, max {told['ratio_max']}): "
                  f"{told['ours']} against {told['floor']} {told['unit']}", "<= 2.0x")


def thread_cpu(pid):
    """name/id of each thread -> CPU seconds."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii", errors="replace") as file:
            found[file.read().strip() + "/" + thread] = lib.cpu_seconds(f"{pid}/task/{thread}")
    return found


def throughput_of(context, kind):
    """Runs of 1 GiB over one wire -> rates, and what bounded the best."""
    wire = node.Wire(context, kind)
    daemon = node.Daemon(context, wire, cache="1536MiB", store="2GiB", name=kind).start()
    name = daemon.put(lib.real_file(context, lib.GIB))["id"]
    rates, notes = [], []
    for turn in range(THROUGHPUT_RUNS):
        before, used = thread_cpu(daemon.pid), lib.cpu_seconds(daemon.pid)
        began = time.monotonic()
        told = daemon.fetch(name, "/dev/null")
        took = time.monotonic() - began
        if told["code"] != 0 or told["slices_memory"] != told["slices"]:
            raise lib.Failure(f"run {turn}: exit {told['code']} {told['stderr']} {told}")
        used = lib.cpu_seconds(daemon.pid) - used
        after = thread_cpu(daemon.pid)
        lcore = max((after[key] - before.get(key, 0), key) for key in after)
        rates.append(told["gigabits_per_second"])
        notes.append((told["cpu_s"] / took, used / took, lcore[0] / took))
        context.say(f"{kind} run {turn + 1}: {rates[-1]:.2f} Gb/s, aroget {notes[-1][0]:.0%} CPU, "
                    f"arocached {notes[-1][1]:.0%}, lost {told['slices_lost']}")
        lib.log_line(context.log("runs.jsonl"), json.dumps(dict(told, wire=kind)))
    daemon.stop()
    best = notes[rates.index(max(rates))]
    full = [what for share, what in ((best[0], "the client (receive, SHA-256)"),
                                     (best[2], "the server's lcore (transmit system calls, the "
                                      "kernel's receive path inside them)")) if share >= 0.9]
    bound = " and ".join(full) + (", each filling a CPU" if len(full) > 1 else ", filling its CPU") \
        if full else "neither side's CPU: latency or the machine's other work"
    return rates, f"aroget {best[0]:.0%} of a CPU, lcore {best[2]:.0%}; bound by {bound}"


@lib.step("throughput", THROUGHPUT_LINE)
def throughput(context):
    wires = {"xdp": "veth (AF_XDP)", "veth": "veth (AF_PACKET)", "tap": "tap"}
    told = {}
    for kind, wire in wires.items():
        rates, bound = throughput_of(context, kind)
        told[wire] = lib.median(rates), max(rates), bound
        context.say(f"{wire}: median {told[wire][0]:.2f} Gb/s, best {told[wire][1]:.2f}; {bound}")
        lib.command("ip", "link", "del", "va", check=False)
    wire, (median, best, bound) = max(told.items(), key=lambda item: item[1])
    others = "; ".join(f"{name}: median {row[0]:.2f}, best {row[1]:.2f}"
                       for name, row in told.items() if name != wire)
    context.check(THROUGHPUT_LINE, median >= 4, f"{wire}: median {median:.2f} Gb/s of "
                  f"{THROUGHPUT_RUNS} runs, best {best:.2f}; {bound}. {others}", "median >= 4 Gb/s")
