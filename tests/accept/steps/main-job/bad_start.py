# SPDX-License-Identifier: BSD-3-Clause
"""Bad input at start-up: one sentence with cause and remedy, a stable id, the right exit code."""

import ctypes
import os
import struct
import subprocess

import answers
import lib
import node

EXIT_SECONDS = 30


def start_fails(context, line, daemon, error, exit_code, *words):
    """Starts a daemon that must not come up; only what this start says counts."""
    daemon.log_path = context.log(f"arocached-{daemon.name}.log")
    at = os.path.getsize(daemon.log_path) if os.path.exists(daemon.log_path) else 0
    daemon.launch()
    try:
        code = daemon.process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        code = f"none: still running after {EXIT_SECONDS} s"
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        file.seek(at)
        told = file.read()
    answers.judge(context, line, told, code, error, exit_code, *words)


@lib.step("bad-config", "unknown key, value out of range, missing device, too little memory", seconds=200)
def bad_config(context):
    cases = [
        ("unknown key", {"extra": "dataplane { job = 64 }\n"}, "ARO-2003", 78,
         ("arocached.conf:", "job", "did you mean")),
        ("value out of range", {"extra": "dataplane { jobs = 1 }\n"}, "ARO-2004", 78,
         ("arocached.conf:", "jobs")),
        ("value of the wrong form", {"cache": "64 potatoes"}, "ARO-2004", 78,
         ("arocached.conf:", "memory")),
        ("missing device (interface)", {"device": "net_af_packet0,iface=nosuch0"}, "ARO-3002", 69,
         ("nosuch0",)),
        ("missing device (PCI)", {"device": "0000:ff:1f.7"}, "ARO-3002", 69, ("0000:ff:1f.7",)),
        ("missing device (driver)", {"device": "net_nosuch0"}, "ARO-3002", 69, ("net_nosuch0",)),
        ("too little memory (packet buffers)", {"extra": 'eal { memory = "8MiB" }\n'}, "ARO-4011", 71,
         ()),
        ("too little memory (cache below its least)", {"cache": "1MiB"}, "ARO-2004", 78, ("memory",)),
    ]
    for number, (what, options, error, code, words) in enumerate(cases):
        daemon = node.Daemon(context, None, name=f"case{number}", **{"cache": "64MiB"} | options)
        start_fails(context, what, daemon, error, code, *words)
    with open("/proc/sys/vm/overcommit_memory", encoding="ascii") as file:
        if file.read().strip() == "1":
            context.skip("too little memory (cache)", "this kernel promises any memory (overcommit 1)")
        else:
            daemon = node.Daemon(context, None, name="large", cache="4TiB")
            start_fails(context, "too little memory (cache)", daemon, "ARO-4010", 71, "MiB")
    daemon = node.Daemon(context, None, name="gone")
    os.unlink(daemon.config)
    start_fails(context, "a configuration that is not there", daemon, "ARO-2001", 78,
                "arocached.conf")


def xxh3(content):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    return library.XXH3_64bits_withSeed(content, ctypes.c_size_t(len(content)), ctypes.c_uint64(0))


def tree(folder):
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                found[os.path.relpath(os.path.join(path, name), folder)] = file.read()
    return found


@lib.step("bad-store", "a store that is not ours or is newer", seconds=100)
def bad_store(context):
    foreign = context.path("foreign")
    os.makedirs(foreign)
    with open(os.path.join(foreign, "letter.txt"), "w", encoding="ascii") as file:
        file.write("not yours\n")
    before = tree(foreign)
    start_fails(context, "a store that is not ours",
                node.Daemon(context, None, name="foreign-d", store_path=foreign), "ARO-5002", 78, foreign)
    context.check("a store that is not ours: nothing was written", tree(foreign) == before,
                  ", ".join(sorted(tree(foreign))))

    daemon = node.Daemon(context, None, name="newer").start()
    name = daemon.put(lib.real_file(context, lib.MIB))["id"]
    daemon.stop()
    path = os.path.join(daemon.store_path, "STORE")
    with open(path, "rb") as file:
        saved = file.read()
    newer = bytearray(saved)
    version = struct.unpack_from("<I", newer, 8)[0]
    for at in 0, 4096:  # docs/disk-format.md: two copies, each sealed by XXH3
        struct.pack_into("<I", newer, at + 8, version + 1)
        struct.pack_into("<Q", newer, at + 56, xxh3(bytes(newer[at:at + 56])))
    with open(path, "r+b") as file:
        file.write(newer)
    before = tree(daemon.store_path)
    start_fails(context, "a store that is newer", daemon, "ARO-5003", 78, str(version + 1))
    after = tree(daemon.store_path)
    before.pop("LOCK", None), after.pop("LOCK", None)
    context.check("a store that is newer: nothing was changed", after == before,
                  f"{len(after)} files compared")
    with open(path, "r+b") as file:
        file.write(saved)
    daemon.start()
    told = daemon.call("verify", id=name)
    context.check("a store that is newer: opens again with its own version", told.get("problems") in (0, []),
                  told)


@lib.step("bad-second", "a socket in use, a second daemon on the same store", seconds=100)
def bad_second(context):
    wire = node.Wire(context, "veth")
    first = node.Daemon(context, wire).start()
    name = first.put(lib.real_file(context, lib.MIB))["id"]
    start_fails(context, "a second daemon on the same store",
                node.Daemon(context, None, name="store2", store_path=first.store_path), "ARO-5004", 69,
                first.store_path, str(first.pid))
    second = node.Daemon(context, None, name="socket2",
                         extra=f'control {{ socket = "{first.socket_path}" }}\n')
    start_fails(context, "a socket in use", second, "ARO-6001", 69, first.socket_path)
    third = node.Daemon(context, None, name="runtime2")
    with open(third.config, encoding="ascii") as file:
        text = file.read().replace(third.folder + "/run", first.folder + "/run")
    with open(third.config, "w", encoding="ascii") as file:
        file.write(text)
    start_fails(context, "a second daemon in the same runtime_dir", third, "ARO-6004", 69,
                first.folder + "/run")
    told = first.fetch(name, context.path("out"))
    good = told["code"] == 0 and first.alive() and \
        lib.sha256(context.path("out")) == lib.sha256(lib.real_file(context, lib.MIB))
    context.check("second daemons: the first goes on", good, f"fetch exit {told['code']}")
