# SPDX-License-Identifier: BSD-3-Clause
"""Bad input: a defined error from the engine (its tests), and from the daemon wherever somebody who
runs one can cause it: one sentence, the id, the exit code, and a running daemon goes on."""

import os
import subprocess

import answers
import engine
import lib
import node

BUILDS = ("release", "engine-poison")
REGION_LINE = "bad input: a region too small for one chunk"
LENGTH_LINE = "bad input: zero bytes, a chunk over the limit"
PIN_LINE = "bad input: a pin that would exceed the bound"
FREE_LINE = "bad input: double free in debug builds"
CHUNK = 65536
EXIT_SECONDS = 30


def start_refused(context, line, error, code, *words, **options):
    """A daemon of such a configuration must not come up."""
    daemon = node.Daemon(context, None, store=None, name=f"case{len(context.closers)}", **options)
    daemon.launch()
    try:
        ended = daemon.process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        ended = f"none: still running after {EXIT_SECONDS} s"
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        answers.judge(context, line, file.read(), ended, error, code, *words)


def call_refused(context, line, error, call):
    """What the control socket answers to a program that asks for it."""
    try:
        measured, good = f"taken: {call()}", False
    except node.Refused as refused:
        measured, good = f"{refused.id}: {refused}", refused.id == error
    context.check(line, good, measured, error)


@lib.step("bad-region", REGION_LINE, seconds=100, needs=BUILDS)
def bad_region(context):
    engine.unit_rows(context, REGION_LINE, "tests/cache/test_cache_cache",
                     "cache/create_says_what_is_wrong_with_its_limits")
    for size in "0", "4KiB", "1MiB", "8191KiB":
        start_refused(context, f"{REGION_LINE}: cache {{ memory = {size} }}", "ARO-2004", 78, "memory",
                      "arocached.conf:", cache=size)
    start_refused(context, f"{REGION_LINE}: room for too few chunks (chunks_max = 10)", "ARO-2005", 78, "chunks_max",
                  cache="8MiB", cache_keys="chunks_max = 10")
    least = node.Daemon(context, None, store=None, name="least", cache="8MiB").start()
    content = lib.real_file(context, lib.MIB)
    told = least.put(content, chunk_bytes=lib.MIB)
    context.check(f"{REGION_LINE}: the least that is taken (8 MiB) holds the largest chunk",
                  least.call("stat", id=told["id"])["chunks_in_memory"] == 1, f"{told['chunks']} chunk of 1 MiB")


@lib.step("bad-length", LENGTH_LINE, seconds=100, needs=BUILDS)
def bad_length(context):
    engine.unit_rows(context, LENGTH_LINE, "tests/cache/test_cache_cache", "cache/*length*")
    daemon = node.Daemon(context, node.Wire(context, "veth"), cache="64MiB").start()
    content, empty = lib.real_file(context, lib.MIB), context.path("empty")
    for size in 0, 1, 4095, lib.MIB + 1, lib.MIB + 4096, 1 << 32:
        call_refused(context, f"{LENGTH_LINE}: put in chunks of {size} bytes", "ARO-6012",
                     lambda size=size: daemon.put(content, chunk_bytes=size))
    said = daemon.ctl("put", content, "--chunk_bytes", "2MiB")
    context.check(f"{LENGTH_LINE}: aroctl put --chunk_bytes 2MiB", said.returncode == 2 and
                  all(word in said.stderr for word in ("ARO-1001", "chunk_bytes", "4096..1048576")),
                  f"exit {said.returncode}, {said.stderr}", "exit 2, ARO-1001")
    with open(empty, "wb"):
        pass
    none = daemon.put(empty)
    told = daemon.fetch(none["id"], context.path("out"))
    context.check(f"{LENGTH_LINE}: content of zero bytes is content of no chunk",
                  (none["chunks"], told["code"], os.path.getsize(context.path("out"))) == (0, 0, 0),
                  f"{none['chunks']} chunks, fetched: exit {told['code']}")
    name = daemon.put(content)["id"]
    told = daemon.fetch(name, context.path("out"))
    context.check(f"{LENGTH_LINE}: the daemon goes on", told["code"] == 0 and
                  lib.sha256(context.path("out")) == lib.sha256(content), f"fetch exit {told['code']}")


@lib.step("bad-pin", PIN_LINE, seconds=100, needs=BUILDS)
def bad_pin(context):
    engine.unit_rows(context, PIN_LINE, "tests/control/test_control_jobs",
                     "jobs/pins_have_a_bound_and_a_failed_one_gives_everything_back",
                     "jobs/what_is_too_large_to_be_pinned_is_refused_before_it_is_read")
    daemon = node.Daemon(context, node.Wire(context, "veth"), cache="64MiB", cache_keys='pin_max = "4MiB"')
    daemon.start()
    path = lib.real_file(context, 8 * lib.MIB)
    large, small = daemon.put(path)["id"], daemon.put(lib.real_file(context, lib.MIB))["id"]
    said = daemon.ctl("pin", large)
    answers.judge(context, f"{PIN_LINE}: aroctl pin of 8 MiB where 4 MiB may be pinned", said.stderr,
                  said.returncode, "ARO-6041", 4)
    kept = daemon.call("stats")["cache"]["kept_now"]
    context.check(f"{PIN_LINE}: nothing of it stays pinned", kept == 0, f"{kept} chunks kept")
    pinned = daemon.call("pin", id=small)["pinned_bytes"]
    call_refused(context, f"{PIN_LINE}: the same beside a pin that fits", "ARO-6041",
                 lambda: daemon.call("pin", id=large))
    flushed = daemon.call("flush")
    context.check(f"{PIN_LINE}: what fits is pinned, and alone stays through a flush",
                  pinned >= lib.MIB and flushed["kept_chunks"] == lib.MIB // CHUNK + 1,
                  f"{pinned} bytes pinned; flush kept {flushed['kept_chunks']}, removed "
                  f"{flushed['removed_chunks']} chunks")
    for name in large, small:
        told = daemon.fetch(name, context.path("out"))
        context.check(f"{PIN_LINE}: the daemon goes on", told["code"] == 0, f"fetch exit {told['code']}")


@lib.step("bad-free", FREE_LINE, seconds=60, needs=("engine-poison",))
def bad_free(context):
    engine.unit_rows(context, FREE_LINE, "tests/cache/test_cache_arena",
                     "arena/a_second_free_is_noticed_whatever_became_of_the_run",
                     "arena/freed_memory_is_filled_with_a_recognisable_byte")
