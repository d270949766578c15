# SPDX-License-Identifier: BSD-3-Clause
"""The engine inside a real daemon: memory that comes back, a full index, policies by configuration and
what a scan does to them, what aroctl cache says."""

import os
import re
import subprocess
import sys
import time

import answers
import engine
import lib
import node

BUILDS = ("release", "engine-poison")
FLUSH_LINE = "memory comes back after flush"
FULL_LINE = "a full index: the least asked for is evicted, and it is counted"
POLICY_LINE = "the eviction policy is chosen at start by configuration"
SCAN_LINE = "scan resistance: what is hot stays in memory through a scan of three times the memory"
VERBS_LINE = "aroctl cache: hits by tier, admissions, rejections, evictions, unread, ghosts, sizes, top chunks"
CYCLES = 8
CHUNK, PAGE = 65536, 4096


def right(context, daemon, name, path, **options):
    """Fetches, and compares: None, or what is wrong."""
    told = daemon.fetch(name, context.path("out"), **options)
    if told["code"] != 0:
        return f"fetch: exit {told['code']}: {told['stderr']}"
    return None if lib.sha256(context.path("out")) == lib.sha256(path) else "a fetch brought wrong bytes"


def cache_of(daemon):
    return daemon.stats()["cache"]


@lib.step("flush", FLUSH_LINE, seconds=200)
def flush(context):
    daemon = node.Daemon(context, node.Wire(context, "veth"), cache="64MiB").start()
    path = lib.real_file(context, 128 * lib.MIB)
    name, rows, wrong = daemon.put(path)["id"], [], []
    for _ in range(CYCLES):
        wrong.append(right(context, daemon, name, path))
        full = cache_of(daemon)
        told = daemon.call("flush")
        end = time.monotonic() + 5
        while (left := cache_of(daemon))["retired_now"] and time.monotonic() < end:
            time.sleep(0.05)
        rows.append((full["entries_now"], told["removed_chunks"], left["entries_now"], left["retired_now"],
                     left["bytes_used_now"], left["bytes_total"]))
    first, last = rows[0], rows[-1]
    wrong = [text for text in wrong if text]
    emptied = all(held == removed and now == retired == 0 for held, removed, now, retired, _, _ in rows)
    context.check(f"{FLUSH_LINE}: every chunk, exactly", emptied and not wrong,
                  f"{CYCLES} times filled by a verified fetch of 128 MiB and flushed: "
                  f"{', '.join(f'{held} in memory, {removed} removed' for held, removed, *_ in rows[:2])} ... "
                  f"{'; '.join(wrong)}")
    context.check(f"{FLUSH_LINE}: and none is lost from time to time", last[0] * 100 >= first[0] * 99 and
                  last[4] <= last[5] // 16,
                  f"handed out after the first flush {first[4] >> 10} KiB, after the last {last[4] >> 10} KiB "
                  f"of {last[5] >> 10} KiB, all of it the lcore's stock; held when full {first[0]} and {last[0]} "
                  "chunks", "<= 1/16 for stock, as many chunks as at first")
    flush_under_load(context, daemon, name, path)


def flush_under_load(context, daemon, name, path):
    """Answers under way hold chunks: flush says how many, and their memory comes back as well."""
    idle, out, seen = daemon.resources(), context.path("loaded"), []
    fetch = lib.spawn(daemon.wire.inside(context.program("dataplane/client/aroget"), "--from", daemon.source(),
                                         "-q", "-o", out, name))
    while fetch.poll() is None:
        seen.append(daemon.call("flush"))
        time.sleep(0.02)
    told, differs = daemon.call("flush"), node.settle(daemon, idle)
    good = fetch.returncode == 0 and lib.sha256(out) == lib.sha256(path)
    context.check(f"{FLUSH_LINE}: under load, what is in flight is told and comes back later",
                  good and not differs and cache_of(daemon)["entries_now"] == 0,
                  f"{len(seen)} flushes while 128 MiB were fetched (exit {fetch.returncode}, bytes "
                  f"{'right' if good else 'WRONG'}): {sum(one['removed_chunks'] for one in seen)} chunks removed, "
                  f"at most {max(one['pinned_chunks'] for one in seen)} in flight and "
                  f"{max(one['retired_chunks'] for one in seen)} unlinked ones told; at rest "
                  f"{told['retired_chunks']}; {', '.join(differs) or 'all resources as before'}")


@lib.step("index-full", FULL_LINE, seconds=200, needs=BUILDS)
def index_full(context):
    engine.unit_rows(context, FULL_LINE, "tests/cache/test_cache_erase",
                     "cache_erase/where_the_index_is_full_the_least_asked_for_gives_way")
    most = 512
    daemon = node.Daemon(context, node.Wire(context, "veth"), cache="64MiB", cache_keys=f"chunks_max = {most}")
    daemon.start()
    path = lib.real_file(context, 16 * lib.MIB)
    told = daemon.put(path, chunk_bytes=PAGE)
    wrong, cache = right(context, daemon, told["id"], path), cache_of(daemon)
    good = not wrong and cache["entries_max"] == most and 0 < cache["entries_now"] <= most and \
        cache["evicted"] >= told["chunks"] - most
    context.check(f"{FULL_LINE}: a daemon with room for {most} chunks and {told['chunks']} of them", good,
                  f"{wrong or 'put and fetched right'}; {cache['entries_now']} in memory, {cache['evicted']} "
                  f"evicted, {cache['rejected']} rejected, {cache['index_full']} found both their buckets full, "
                  f"{cache['alloc_failed']} waits for room")


# ---- policies ----


def hot_share(context, wire, policy, paths):
    """What part of the hot content is in memory after the scan, by the daemon's own word."""
    daemon = node.Daemon(context, wire, cache="64MiB", cache_keys=f'policy = "{policy}"', name=policy).start()
    told = daemon.call("cache", part="queues")["queues"]["policy"]
    scan, hot = (daemon.put(path)["id"] for path in paths)
    daemon.call("flush")
    wrong = [right(context, daemon, hot, paths[1]) for _ in range(3)]
    wrong.append(right(context, daemon, scan, paths[0]))
    before = daemon.stats()["dataplane"]
    stat = daemon.call("stat", id=hot)
    wrong.append(right(context, daemon, hot, paths[1]))
    after = daemon.stats()["dataplane"]
    missed, evicted = after["misses_disk"] - before["misses_disk"], cache_of(daemon)["evicted"]
    daemon.stop()
    if any(wrong):
        raise lib.Failure(f"{policy}: {next(filter(None, wrong))}")
    return told, stat["chunks_in_memory"] / (stat["chunks"] + stat["manifests"]), missed, evicted


@lib.step("policies", f"{POLICY_LINE}; {SCAN_LINE}", seconds=400)
def policies(context):
    paths, shares = (lib.real_file(context, 192 * lib.MIB), context.path("hot")), {}
    with open(paths[1], "wb") as file:
        file.write(os.urandom(16 * lib.MIB))
    wire = node.Wire(context, "veth")
    for policy in "s3fifo", "sieve", "lru", "fifo":
        told, shares[policy], missed, evicted = hot_share(context, wire, policy, paths)
        context.check(f"{POLICY_LINE}: {policy}", told == policy and evicted > 0,
                      f"aroctl cache says {told}; {evicted} evicted by it; of the hot 16 MiB "
                      f"{shares[policy]:.0%} in memory after the scan, {missed} chunks read again")
    context.check(SCAN_LINE, shares["s3fifo"] >= 0.95 and max(shares["lru"], shares["fifo"]) < 0.5,
                  "in memory after it: " + ", ".join(f"{policy} {share:.0%}" for policy, share in shares.items()),
                  "s3fifo >= 95%, and lru and fifo, which do not resist, less than half")
    daemon = node.Daemon(context, None, store=None, cache="64MiB", cache_keys='policy = "arc"', name="arc")
    daemon.launch()
    code = daemon.process.wait(30)
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        answers.judge(context, f"{POLICY_LINE}: one that does not exist", file.read(), code, "ARO-2004", 78,
                      "arocached.conf:", "arc")


# ---- insight ----

FIGURES = {  # a part of the answer -> what it must tell
    "memory": ("hits", "misses", "hit_ratio", "admitted", "rejected", "evicted", "evicted_unread", "ghost_hits",
               "promoted", "removed"),
    "disk": ("hits", "misses", "hit_ratio", "admitted", "rejected"),
    "queues": ("policy", "small", "main", "kept", "ghosts"),
    "top": ("requests_now", "sampled_every", "chunks"),
}


@lib.step("verbs", VERBS_LINE, seconds=300)
def verbs(context):
    daemon = node.Daemon(context, node.Wire(context, "veth"), cache="16MiB").start()
    path = lib.real_file(context, 24 * lib.MIB)
    name = daemon.put(path)["id"]
    wrong = [right(context, daemon, name, path) for _ in range(3)]
    daemon.stats()
    told = daemon.call("cache", limit=100)
    lost = [f"{part}.{key}" for part, keys in FIGURES.items() for key in keys if key not in told[part]]
    memory, sizes, top = told["memory"], told["sizes"], told["top"]["chunks"]
    balanced = memory["chunks_now"] == memory["admitted"] - memory["evicted"] - memory["removed"] == \
        sum(row["chunks_now"] for row in sizes) and memory["bytes_now"] == sum(row["bytes_now"] for row in sizes)
    moved = all(memory[key] for key in ("hits", "misses", "admitted", "evicted", "evicted_unread", "ghost_hits"))
    context.check(f"{VERBS_LINE}: the figures, after 3 fetches of 24 MiB through 16 MiB",
                  not any(wrong) and not lost and balanced and moved,
                  f"{next(filter(None, wrong), 'fetched right')}; {', '.join(lost) or 'all there'}; "
                  f"{'they add up' if balanced else 'they do NOT add up'}; memory {memory}; {len(top)} top chunks")
    for part in "", "tiers", "queues", "sizes", "top":
        said = daemon.ctl("cache", *filter(None, [part]))
        lines = said.stdout.strip().splitlines()
        context.check(f"aroctl cache {part}".strip(), said.returncode == 0 and len(lines) > 1 and not said.stderr,
                      f"exit {said.returncode}, {len(lines)} lines, first: {lines[0] if lines else said.stderr}")
    result = subprocess.run(
        [sys.executable, context.source("tests/e2e/test_cache.py"),
         *(context.program(program) for program in ("control/arocached", "control/aroctl", "dataplane/client/aroget")),
         context.source("pmd-config")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True)
    lib.log_line(context.log("output.log"), result.stdout)
    passed = re.findall(r"^test_(\w+) .*ok$", result.stdout, re.M)
    context.check(f"{VERBS_LINE}: agree with what was done (tests/e2e/test_cache.py)",
                  result.returncode == 0 and len(passed) > 0,
                  f"{len(passed)} passed: {', '.join(passed)}; exit {result.returncode}")
