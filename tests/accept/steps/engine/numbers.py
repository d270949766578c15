# SPDX-License-Identifier: BSD-3-Clause
"""The table "Numbers", measured by arobench, and what chunk memory loses in a day."""

import json
import os
import re

import engine
import lib

RUNS = 3
FIELDS = ["name", "note", "ours", "ratio", "theirs", "unit", "wire"]
WASTE_MAX = 0.15
TRACE_LINE = "misses on the public block trace, FIFO, LRU, SIEVE and S3-FIFO: exact"
WASTE_LINE = "waste of chunk memory after a day of mixed churn <= 15%"
# name of the comparison -> line, ratio to reach, runs
RATIOS = {
    "cache.lookup_vs_rte_hash":
        ("burst-32 lookup, 16 M entries, all hits, full ids compared, one core >= 1.3x rte_hash", 1.3, RUNS),
    "cache.lookup_vs_floor":
        ("the same <= 1.35x two prefetched loads (ratio floor / ours >= 0.74)", 1 / 1.35, RUNS),
    "cache.lookup_under_writes":
        ("the same while another core inserts and evicts 1 M/s: reader loses <= 5% beyond what plain "
         "writes cost it", 0.95, RUNS),
    "cache.insert_evict_vs_rte_hash":
        ("insert + evict, successful ones only, one core >= 2x rte_hash with multi-writer", 2.0, RUNS),
    "cache.scaling_two_cores":
        ("insert + evict on two cores >= 1.8x own figure on one", 1.8, RUNS),
    "cache.s3fifo_vs_lru":
        ("S3-FIFO, 10^8 Zipf(0.99) requests, 10 M objects >= 2x a plain LRU in the same run", 2.0, 1),
}
BYTES = {
    "cache.bytes_in_memory": ("RAM per chunk in memory, prefix sums apart <= 96 B", 96),
    "cache.bytes_on_disk_only": ("RAM per chunk that is only on disk <= 24 B", 24),
}


def compare(context, name, turn):
    """One run of a comparison: its line, and where its samples are."""
    raw = context.log(f"raw-{turn}.jsonl")
    code, text = engine.run(context, "perf/arobench", "cache", "compare", "--only", name, "--raw", raw)
    if code != 0:
        raise lib.Failure(f"arobench cache compare --only {name}: exit {code}: {engine.last(text, 2)}")
    told = json.loads(text.strip().splitlines()[-1])
    if sorted(told) != FIELDS or told["name"] != name:
        raise lib.Failure(f"{name}: a line with {', '.join(sorted(told))}")
    return told, raw


def pairs(raw, name):
    """The ratio of each round: what theirs cost by what ours did, side by side in time."""
    sides = {}
    with open(raw, encoding="utf-8") as lines:
        for sample in map(json.loads, lines):
            if sample["name"] == name:
                sides.setdefault(sample["round"], {})[sample["side"]] = sample
    return [side["ours"]["per_s"] / side["theirs"]["per_s"] for side in sides.values()]


def ratio_step(context, name):
    line, reach, runs = RATIOS[name]
    weather, ratios, notes = engine.Weather(), [], []
    for turn in range(runs):
        told, raw = compare(context, name, turn)
        ratios += pairs(raw, name)
        notes.append(told)
        context.say(f"{name}: {told['ratio']:.2f} ({told['ours']:g} and {told['theirs']:g} {told['unit']}; "
                    f"{weather})")
    ratio = lib.median(ratios)
    context.check(line, ratio >= reach,
                  f"{ratio:.2f}, median of {len(ratios)} pairs in {runs} runs ({min(ratios):.2f} to "
                  f"{max(ratios):.2f}; {weather}); "
                  f"ours {lib.median([told['ours'] for told in notes]):g}, theirs "
                  f"{lib.median([told['theirs'] for told in notes]):g} {notes[0]['unit']}; {notes[-1]['note']}",
                  f">= {reach:.2f}")


def bytes_step(context, name):
    line, most = BYTES[name]
    told, _ = compare(context, name, 0)
    context.check(line, told["ours"] <= most, f"{told['ours']:.2f} {told['unit']}; {told['note']}",
                  f"<= {most} B")


def step_name(name):
    return name.removeprefix("cache.").replace("_", "-")


for _name, (_line, *_) in RATIOS.items():
    lib.step(step_name(_name), _line, seconds=580, needs=("engine",))(
        lambda context, name=_name: ratio_step(context, name))
for _name, (_line, _) in BYTES.items():
    lib.step(step_name(_name), _line, seconds=300, needs=("engine",))(
        lambda context, name=_name: bytes_step(context, name))


@lib.step("trace", TRACE_LINE, seconds=120, needs=("engine",))
def trace(context):
    if not os.environ.get("AROCACHE_TRACE"):
        context.skip(TRACE_LINE, "no trace given: --trace FILE, or AROCACHE_TRACE")
        return
    code, text = engine.run(context, "tests/cache/test_trace")
    rows = re.findall(r"(\w+) +(\d+) MiB: (\d+) misses, published (\d+)", text)
    wrong = [f"{policy} {mib} MiB: {misses}, not {published}" for policy, mib, misses, published in rows
             if misses != published]
    context.check(TRACE_LINE, code == 0 and len(rows) == 12 and not wrong,
                  f"{len(rows) - len(wrong)} of {len(rows)} counts as published; "
                  f"{'; '.join(wrong) or engine.last(text)}", "12 of 12")


def churn(context, *words):
    code, text = engine.run(context, "perf/bench_churn", *words)
    if code != 0:
        raise lib.Failure(f"bench_churn {' '.join(words)}: exit {code}: {engine.last(text)}")
    return json.loads(text.strip().splitlines()[-1])


def churn_told(told):
    """The mean of the hours and the worst of them, each with its parts."""
    def parts(hour):
        return (f"inside (rounding to pages) {told['rounding' + hour]:.1%}, between (kept free on purpose or "
                f"scattered) {told['free' + hour]:.1%}, held (the lcores' stock) {told['held' + hour]:.1%}")

    return (f"worst hour {told['waste_worst']:.2%}: {parts('_worst')}; mean {told['waste']:.2%}: {parts('')}; "
            f"{told['requests']:,} requests, memory turned over {told['turnovers']} times, {told['refused']} "
            "chunks refused")


MIXES = {
    "mixed": "60% of 64 KiB, tails, 4 KiB, 256 KiB, 1 MiB; the large ones' share drifts by 20%",
    "spread": "any length from 1 B to 1 MiB",
}
WAYS = {"fill": "brought in by control", "read": "read by lcores, through their stock"}


def waste(context, way):
    for mix, sizes in MIXES.items():
        told = churn(context, mix, way)
        context.check(f"{WASTE_LINE} ({sizes}; {WAYS[way]})",
                      told["waste_worst"] <= WASTE_MAX and told["refused"] == 0, churn_told(told),
                      f"<= {WASTE_MAX:.0%} in every hour, none refused")


for _way in WAYS:
    lib.step("waste-" + _way, f"{WASTE_LINE} ({WAYS[_way]})", seconds=580, needs=("engine",))(
        lambda context, way=_way: waste(context, way))


@lib.step("waste-small", f"{WASTE_LINE}: chunks below a page, between them", seconds=400, needs=("engine",))
def waste_small(context):
    told = churn(context, "small", "fill")
    between = told["waste_worst"] - told["rounding_worst"]
    context.check(f"{WASTE_LINE}: only chunks of 1 B to 4 KiB, between them (a chunk of 1 B takes a page)",
                  between <= WASTE_MAX and told["refused"] == 0,
                  f"between {between:.1%}; {churn_told(told)}", f"<= {WASTE_MAX:.0%}")
