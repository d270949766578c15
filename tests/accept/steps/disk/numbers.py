# SPDX-License-Identifier: BSD-3-Clause
"""The table "Numbers": arobench beside fio, and a daemon's start on a million chunks. What arobench
does not compare yet is skipped with its own words."""

import json
import re
import subprocess
import sys

import disk_tier
import engine
import lib

FIELDS = ["name", "note", "ours", "ratio", "theirs", "unit", "wire"]
CPU_LINE = "CPU from submit to reap against fio <= 1.1x; checksum and sending listed apart"
START_LINE = "kill -9 with 1 M chunks"
STARTS = 100
# comparison -> line, ratio to reach
RATIOS = {
    "disk.random_64k_vs_fio": ("random cold chunks of 64 KiB, IOPS against fio on the same file >= 0.95 (disk)", 0.95),
    "disk.random_4k_vs_fio": ("random cold chunks of 4 KiB, IOPS against fio on the same file >= 0.95 (disk)", 0.95),
    "disk.tmpfs_64k_vs_fio": ("random chunks of 64 KiB, IOPS against fio on the same file >= 0.5 (tmpfs)", 0.5),
    "disk.read_amplification": ("disk bytes read / bytes sent, cold, whole chunks, 64 KiB and 4 KiB <= 1.02", 1.0),
    "disk.one_read_for_many": ("10,000 waiting requests over >= 2 lcores for one cold chunk, device delayed by 200 ms: "
                               "exactly one read, counted at the block layer", 1.0),
    "disk.put_vs_fio": ("put of a large file, durable, SHA-256 included / fio sequential write with the same fsyncs "
                        ">= 0.8, with the hash's share shown", 0.8),
    "disk.restart_first_answer_s": (f"{START_LINE}: first DATA of a uniformly random stored chunk <= 1 s", 1.0),
    "disk.hits_under_misses": ("memory hits while the disk is saturated with misses keep >= 95% of their rate; p99 of "
                               "hits <= 2x", 0.95),
}
MUST_SAY = {"disk.put_vs_fio": r"\d+%"}  # the hash's share


def compare(context, name):
    """The line of one comparison, or None with the reason: there is no such comparison."""
    code, text = engine.run(context, "perf/arobench", "disk", "compare", "--only", name, "--raw",
                            context.log("raw.jsonl"), build="disk")
    if code in (2, 77) and name in text:  # unknown, or left out
        return None, text.strip().splitlines()[0]
    if code != 0:
        raise lib.Failure(f"arobench disk compare --only {name}: exit {code}: {engine.last(text, 2)}")
    told = json.loads(text.strip().splitlines()[-1])
    if told["name"] != name:
        raise lib.Failure(f"{name}: a line about {told['name']}")
    return told, None


def cpu_row(context, told):
    """Cycles of our thread and of fio's, from the note."""
    found = re.search(r"from submit to reap (\d+), fio's thread (\d+): ([\d.]+) times; apart: ([^;]+)", told["note"])
    if not found:
        raise lib.Failure(f"the note does not tell the cycles: {told['note']}")
    ours, theirs, times, apart = found.groups()
    context.check(f"{CPU_LINE} ({told['name']})", float(times) <= 1.1,
                  f"{times}x: {ours} and {theirs} cycles per read; apart: {apart}", "<= 1.1x")


def ratio_step(context, name):
    line, reach = RATIOS[name]
    weather = engine.Weather()
    told, lacking = compare(context, name)
    if told is None:
        context.skip(line, f"arobench: {lacking}")
        return
    if sorted(told) != FIELDS:
        raise lib.Failure(f"{name}: a line with {', '.join(sorted(told))}")
    says = re.search(MUST_SAY.get(name, ""), told["note"]) is not None
    context.check(line, told["ratio"] >= reach and says,
                  f"{told['ratio']:.3f}; ours {told['ours']:g}, theirs {told['theirs']:g} {told['unit']} "
                  f"({told['wire']}; {weather}); {told['note']}", f"ratio >= {reach}")
    if name.startswith("disk.random") or name.startswith("disk.tmpfs"):
        cpu_row(context, told)


for _name, (_line, _) in RATIOS.items():
    lib.step(_name.removeprefix("disk.").replace("_", "-"), _line, seconds=400, needs=("disk",))(
        lambda context, name=_name: ratio_step(context, name))


@lib.step("bytes-on-disk-only", "RAM per disk-only chunk <= 24 B", seconds=300, needs=("disk",))
def bytes_on_disk_only(context):
    name = "cache.bytes_on_disk_only"
    code, text = engine.run(context, "perf/arobench", "cache", "compare", "--only", name, build="disk")
    if code != 0:
        raise lib.Failure(f"{name}: exit {code}: {engine.last(text, 2)}")
    told = json.loads(text.strip().splitlines()[-1])
    context.check("RAM per disk-only chunk <= 24 B", told["ours"] <= 24, f"{told['ours']:.2f} {told['unit']}; "
                  f"{told['note']}", "<= 24 B")


def starts(context, count):
    """(first DATA, whole index) in seconds, p99; how many starts said NOT_FOUND; all that was said."""
    command = [sys.executable, context.source("tests/e2e/test_store.py"),
               *(context.program(path, "disk") for path in ("control/arocached", "control/aroctl",
                                                            "tests/cache/disk/make_store")),
               context.source("pmd-config"), "--starts", str(count)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    lib.log_line(context.log("output.log"), result.stdout)
    times = dict(re.findall(r"^(first DATA|whole index): .*p99 ([\d.]+) s", result.stdout, re.M))
    bad = re.search(r"(\d+) starts after kill -9, (\d+) chunks, (\d+) with a NOT_FOUND", result.stdout)
    if result.returncode != 0 or len(times) != 2 or not bad:
        raise lib.Failure(f"exit {result.returncode}: {engine.last(result.stdout, 2)}")
    return float(times["first DATA"]), float(times["whole index"]), list(map(int, bad.groups())), result.stdout


@lib.step("start", START_LINE, seconds=580, needs=("disk",))
def start(context):
    weather = engine.Weather()
    first, whole, (count, chunks, bad), text = starts(context, STARTS)
    told = "; ".join(line for line in text.splitlines() if re.match("first DATA|whole index", line))
    context.check(f"{START_LINE}: first DATA of a uniformly random stored chunk, p99 of {STARTS} starts <= 1 s / full "
                  "index <= 2 s", count == STARTS and chunks == 10**6 and first <= 1 and whole <= 2,
                  f"{told} ({weather})", "<= 1 s, <= 2 s")
    context.check(f"{START_LINE}: while the scan runs an unknown id gets RETRY_LATER, never NOT_FOUND", bad == 0,
                  f"{bad} of {count} starts said NOT_FOUND of the chunk asked for")
    rows = disk_tier.tests(context, "tests/e2e/test_store.py", ("control/arocached", "control/aroctl",
                                                               "tests/cache/disk/make_store"), "Start")
    context.check(f"{START_LINE}: RETRY_LATER and nothing else for an unknown id while the index is built "
                  "(tests/e2e/test_store.py)", *rows)
