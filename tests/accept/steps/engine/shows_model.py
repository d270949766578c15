# SPDX-License-Identifier: BSD-3-Clause
"""Model tests, stress in every build, progress, stale reuse, flooding, spin models."""

import os
import re
import subprocess
from concurrent import futures

import engine
import lib

OPERATIONS = 10 ** 8
MODEL_LINE = "model: 10^7 random operations against the obvious oracle"
STRESS_LINE = "stress, delay points on, content check of every hit, > 50% evicted, 10^8 operations"
PROGRESS_LINE = "a thread stopped at each delay point and before 1,000 random instructions holds nobody up"
REUSE_LINE = "stale reuse: 10^7 packets through a port that completes late: 0 bad bytes"
FLOOD_LINE = "a million ids aimed at the default seed: lookups <= 2x"
SPIN_LINE = "models of slot publish / erase / reuse and of last unpin against evict, in spin"
PLACES_LINE = "the disk index: readers against a writer that moves chunks, under TSan"


@lib.step("model", MODEL_LINE, seconds=300, needs=("engine-poison",))
def model(context):
    steps, seed = 10 ** 7, engine.seed()
    code, text = engine.run(context, "tests/cache/test_cache_model", build="engine-poison",
                            ARO_MODEL_STEPS=steps, ARO_MODEL_SEED=seed)
    told = re.findall(r"model: (\d+) ids, (\d+) operations, seed (\d+)", text)
    good = code == 0 and told and all((int(ran), int(of)) == (steps, seed) for _, ran, of in told)
    context.check(MODEL_LINE, good, f"{len(told)} models of {steps:,} operations each, seed {seed}, exit "
                  f"{code}: {engine.last(text)}", "exit 0")


# build, CPUs, in how many steps: each far below ten minutes, on a busy machine too
STRESS = [("engine", 2, 1), ("engine", 1, 1), ("engine-asan", 2, 1), ("engine-asan", 1, 1),
          ("engine-tsan", 2, 2), ("engine-tsan", 1, 2)]
STRESS_NAMES = {"engine": "plain", "engine-asan": "ASan", "engine-tsan": "TSan"}


def stress_run(context, build, cpus, operations, on=None):
    """One program to its end: (what was wrong or None, its counts, its seed)."""
    seed = engine.seed()
    context.say(f"{STRESS_NAMES[build]}, {cpus} CPU{'s' * (cpus > 1)}: {operations:,} operations, seed {seed}")
    code, text = engine.run(context, "tests/cache/stress_cache", "-n", operations, "-c", cpus, "-s", seed,
                            build=build, cpus=on)
    report = engine.reports(text)
    if code != 0 or report:
        return f"seed {seed}, exit {code}: {report or engine.last(text, 2)}", None, seed
    return None, [engine.number(text, name) for name in ("operations", "checked", "admitted", "evicted")], seed


def stress(context, line, build, cpus, operations):
    """On one CPU: a program on each that there is, with its share of the operations."""
    each = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))] if cpus == 1 else [None]
    with futures.ThreadPoolExecutor(len(each)) as pool:
        ends = list(pool.map(lambda on: stress_run(context, build, cpus, -(-operations // len(each)), on), each))
    wrong = [text for text, *_ in ends if text]
    if wrong:
        context.row(line, "; ".join(wrong), "FAIL")
        return
    done, checked, admitted, evicted = map(sum, zip(*(counts for _, counts, _ in ends)))
    context.check(line, done >= operations and checked > 0 and evicted * 2 > admitted,
                  f"{done:,} operations, {checked:,} hits checked, {evicted / max(admitted, 1):.0%} of "
                  f"{admitted:,} admitted evicted, no report; seeds {', '.join(str(seed) for *_, seed in ends)}",
                  f">= {operations:,} operations, > 50% evicted")


def stress_declare(build, cpus, part, parts):
    name = f"stress-{STRESS_NAMES[build].lower()}-{cpus}" + (f"-{part}" if parts > 1 else "")
    line = f"{STRESS_LINE} ({STRESS_NAMES[build]}, {cpus} core{'s' * (cpus > 1)}" + \
        (f", part {part} of {parts})" if parts > 1 else ")")
    lib.step(name, line, seconds=580, needs=(build,))(
        lambda context: stress(context, line, build, cpus, OPERATIONS // parts))


for _build, _cpus, _parts in STRESS:
    for _part in range(1, _parts + 1):
        stress_declare(_build, _cpus, _part, _parts)


@lib.step("progress", PROGRESS_LINE, seconds=400, needs=("engine",))
def progress(context):
    seed = engine.seed()
    code, text = engine.run(context, "tests/cache/progress_cache", "-n", 1000, "-s", seed)
    if code != 0:
        context.row(PROGRESS_LINE, f"seed {seed}, exit {code}: {engine.last(text, 2)}", "FAIL")
        return
    if "no stops before instructions" in text:
        context.skip(PROGRESS_LINE, engine.last(text))
        return
    points, instructions = map(int, re.search(r"(\d+) delay points, (\d+) instructions", text).groups())
    looked_up, erased, inserted, refused = (engine.number(text, name) for name in
                                            ("lookups", "erases", "inserts", "refused"))
    context.check(PROGRESS_LINE, points > 0 and instructions >= 1000 and min(looked_up, erased) >= 10 ** 6,
                  f"{points} delay points, {instructions} instructions; meanwhile the others: {looked_up:,} "
                  f"lookups, {erased:,} erases, {inserted:,} inserts of which {refused:,} refused and counted; "
                  f"memory back after each; seed {seed}", "1,000 instructions, a million lookups and erases")


def reuse(context, build, name):
    packets, seed = 10 ** 7, engine.seed()
    line = f"{REUSE_LINE} ({name})"
    code, text = engine.run(context, "tests/dataplane/stress_reuse", "-n", packets, "-s", seed, build=build,
                            ASAN_OPTIONS="detect_leaks=0")
    report = engine.reports(text)
    found = re.search(r"packets (\d+) .*: 0 wrong", text)
    context.check(line, code == 0 and not report and found and int(found.group(1)) >= packets,
                  f"{report or (found.group() if found else engine.last(text, 2))}, seed {seed}, exit {code}",
                  "0 wrong in 10^7")


lib.step("reuse", REUSE_LINE, seconds=400, needs=("engine-poison",))(
    lambda context: reuse(context, "engine-poison", "freed memory poisoned"))
lib.step("reuse-asan", REUSE_LINE + " (ASan)", seconds=580, needs=("engine-asan",))(
    lambda context: reuse(context, "engine-asan", "ASan"))


@lib.step("flood", FLOOD_LINE, seconds=200, needs=("engine",))
def flood(context):
    code, text = engine.run(context, "tests/cache/test_cache_flood")
    found = re.search(r"aimed ids cost ([\d.]+) of random ones.*", text)
    context.check(FLOOD_LINE, code == 0 and found and float(found.group(1)) <= 2,
                  found.group() if found else f"exit {code}: {engine.last(text, 2)}", "<= 2")


@lib.step("spin", SPIN_LINE, seconds=580, needs=())
def spin(context):
    result = subprocess.run([context.source("tests/cache/models/check"), "--long"], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lib.log_line(context.log("output.log"), result.stdout)
    if result.returncode == 77:
        context.skip(SPIN_LINE, engine.last(result.stdout))
        return
    rows = re.findall(r"^(ok|FAIL) +(.*)$", result.stdout, re.MULTILINE)
    bad = [text for verdict, text in rows if verdict == "FAIL"]
    states = sum(map(int, re.findall(r"(\d+) states", result.stdout)))
    caught = result.stdout.count(": caught: ")
    context.check(SPIN_LINE, result.returncode == 0 and rows and not bad and caught > 0,
                  f"{len(rows) - len(bad)} of {len(rows)} searches as expected, {states:,} states; "
                  f"{'; '.join(bad) or f'{caught} of them lacked a defence and were caught'}", "all")


@lib.step("places", PLACES_LINE, seconds=580, needs=("engine-tsan",))
def places(context):
    code, text = engine.run(context, "tests/cache/disk/stress_disk_places", 1000000, build="engine-tsan")
    rounds = re.findall(r"lookups=(\d+) wrong=(\d+) missing=(\d+)", text)
    lookups, wrong, missing = (sum(int(row[i]) for row in rounds) for i in range(3)) if rounds else (0, 0, 0)
    report = engine.reports(text)
    context.check(PLACES_LINE, code == 0 and not report and lookups > 0 and wrong == missing == 0,
                  report or f"{lookups:,} lookups in {len(rounds)} tables, {wrong} wrong, {missing} missing, exit "
                  f"{code}", "0 wrong, 0 missing")
