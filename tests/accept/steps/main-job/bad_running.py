# SPDX-License-Identifier: BSD-3-Clause
"""Bad input to a running daemon and to the client: a clear answer, and the daemon goes on."""

import hashlib
import os
import struct
import subprocess
import time

import answers
import lib
import node

MANIFEST = struct.Struct(">4sBBBBIIQ32sII")  # docs/protocol.md
CHUNK = 65536


def goes_on(context, line, daemon, name, path):
    told = daemon.fetch(name, context.path("again"))
    good = told["code"] == 0 and lib.sha256(context.path("again")) == lib.sha256(path)
    context.check(f"{line}: the daemon goes on", good and daemon.alive(), f"fetch exit {told['code']}")


@lib.step("bad-disk-full", "a full disk during put", seconds=200)
def disk_full(context):
    image, folder = context.path("disk.img"), context.path("disk")
    os.makedirs(folder)
    with open(image, "wb") as file:
        file.truncate(192 * lib.MIB)
    lib.command("mkfs.ext4", "-q", "-F", image)
    mounted = lib.command("mount", "-o", "loop", image, folder, check=False)
    kind = "ext4 on a loop device"
    if mounted.returncode != 0:
        kind = "tmpfs (no loop device here)"
        lib.command("mount", "-t", "tmpfs", "-o", "size=192m", "none", folder)
    context.closers.append(lambda: lib.command("umount", "-l", folder))
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire, store="1GiB", store_path=os.path.join(folder, "store"),
                         store_keys='segment = "16MiB"').start()
    small, large = lib.real_file(context, 16 * lib.MIB), lib.real_file(context, 256 * lib.MIB)
    name = daemon.put(small)["id"]
    failed = daemon.ctl("put", large)
    answers.judge(context, f"a full disk during put (192 MiB, {kind})", failed.stderr, failed.returncode,
          "ARO-6026", 4)
    names = [entry["id"] for entry in daemon.call("ls")["objects"]]
    context.check("a full disk during put: nothing of it is kept", names == [name],
                  f"{len(names)} objects")
    told = daemon.call("verify", id=name)
    context.check("a full disk during put: what was acknowledged verifies",
                  told.get("problems") in (0, []), told)
    goes_on(context, "a full disk during put", daemon, name, small)
    with open(context.path("fresh"), "wb") as file:
        file.write(os.urandom(64 * lib.MIB))
    began, refusals = time.monotonic(), 0
    while True:
        try:
            daemon.put(context.path("fresh"))
            took = time.monotonic() - began
            break
        except node.Refused as refused:
            refusals, took, last = refusals + 1, time.monotonic() - began, f"{refused} ({refused.id})"
        if took > 5:
            break
        time.sleep(0.2)
    context.check("a full disk during put: normal again <= 5 s after, without a restart", took <= 5,
                  f"a put of 64 MiB that fits succeeds after {took:.1f} s, {refusals} refusals before"
                  if took <= 5 else f"still refused after {took:.1f} s: {last}")
    daemon.stop()
    daemon.start()
    goes_on(context, "a full disk during put, after a restart", daemon, name, small)


def manifest(entries, total, level=0, digest=bytes(31) + b"\1"):
    head = MANIFEST.pack(b"AROM", 1, 0, level, 0, CHUNK, len(entries), total, digest, 0, 0)
    return head + b"".join(name + struct.pack(">I", length) for name, length in entries)


def forged(context, daemon, content):
    """Puts bytes as content: their only chunk is served under its own id, so it can be asked for as
    the manifest that it pretends to be."""
    path = context.path("forged")
    with open(path, "wb") as file:
        file.write(content)
    daemon.put(path, chunk_bytes=lib.MIB)
    return hashlib.sha256(content).digest()


def looping(context, daemon, chunk):
    """A root of level 1 whose first child, of the right length, is of level 1 again: whoever follows
    it without looking at levels goes down for ever (an id cannot name its own manifest)."""
    fanout = 16384
    child = manifest([(chunk, CHUNK)] * fanout, fanout * fanout * CHUNK, 1, bytes(32))
    last = manifest([(chunk, CHUNK)], CHUNK, 0, bytes(32))
    names = [forged(context, daemon, content) for content in (child, last)]
    return manifest([(names[0], len(child)), (names[1], len(last))], (fanout + 1) * CHUNK, 1)


@lib.step("bad-ids", "an id that is not an id, a chunk that does not exist, a lying manifest", seconds=100)
def bad_ids(context):
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire).start()
    path = lib.real_file(context, lib.MIB)
    good = daemon.put(path)["id"]

    def aroget(line, name, error, code, *words):
        out = context.path("never")
        told = daemon.fetch(name, out, "-t", "5")
        answers.judge(context, f"{line} (aroget)", told["stderr"], told["code"], error, code, *words)
        if os.path.exists(out):
            context.row(f"{line}: nothing is written", "a file was left behind", "FAIL")

    for name in "o-12", "../etc/passwd", "c-" + "g" * 64:
        aroget("an id that is not an id", name, "ARO-1002", 2, name)
    told = daemon.ctl("stat", "o-12")
    answers.judge(context, "an id that is not an id (aroctl)", told.stderr, told.returncode, "ARO-1002", 2, "o-12")
    try:
        daemon.call("stat", id="o-12")
        context.row("an id that is not an id (socket)", "answered as if it were one", "FAIL")
    except node.Refused as refused:
        context.check("an id that is not an id (socket)", refused.id == "ARO-1002" and
                      refused.data["exit_code"] == 2 and refused.data["remedy"], f"{refused} ({refused.id})")
    nowhere = "5" * 64
    aroget("a chunk that does not exist", "c-" + nowhere, "ARO-7004", 1)
    told = daemon.ctl("stat", "c-" + nowhere)
    answers.judge(context, "a chunk that does not exist (aroctl)", told.stderr, told.returncode, "ARO-6020", 1, nowhere)

    with open(path, "rb") as file:
        first = hashlib.sha256(file.read(CHUNK)).digest()
    leaf = manifest([(first, CHUNK)], CHUNK)
    cases = [
        ("a manifest that lies about its total length", manifest([(first, CHUNK)], CHUNK + 1)),
        ("a manifest that lies about a chunk's length", manifest([(first, CHUNK - 1)], CHUNK - 1)),
        ("a manifest that lies about its count",
         manifest([(first, CHUNK)] * 2, 2 * CHUNK).replace(struct.pack(">I", 2), struct.pack(">I", 3), 1)),
        ("a manifest longer than itself", leaf + bytes(7)),
    ]
    cases.append(("a manifest that loops (a child of its own level)", looping(context, daemon, first)))
    for line, content in cases:
        name = forged(context, daemon, content)
        out = context.path("never")
        told = daemon.fetch("o-" + name.hex(), out, "-t", "5")
        error = "ARO-7009" if "ARO-7009" in told["stderr"] else "ARO-7008"
        answers.judge(context, line, told["stderr"], told["code"], error, 6)
        if os.path.exists(out):
            context.row(f"{line}: nothing is written", "a file was left behind", "FAIL")
    name = forged(context, daemon, leaf)
    told = daemon.fetch("o-" + name.hex(), context.path("never"))
    answers.judge(context, "a manifest that lies about the whole content", told["stderr"], told["code"],
          "ARO-7010", 6)
    goes_on(context, "bad ids and manifests", daemon, good, path)


@lib.step("bad-source", "a source that lies or goes silent", seconds=100)
def bad_source(context):
    cases = [
        ("a source that lies about chunks", ["--lie"], "ARO-7008", 6),
        ("a source that lies about manifests", ["--lie-manifest"], "ARO-7008", 6),
        ("a source that lies about lengths", ["--lie-length"], "ARO-7008", 6),
        ("a source whose manifest lies about its length", ["--lie-total"], "ARO-7009", 6),
        ("a source that is silent from the start", ["--silent"], "ARO-7002", 3),
        ("a source that goes silent", ["--silent-after", "20"], "ARO-7003", 5),
    ]
    for line, switches, error, code in cases:
        server = lib.spawn([context.program("tests/dataplane/client/model_server"), "--bytes",
                            9 << 20, *switches], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _, port, name, _, _ = server.stdout.readline().split()
        out = context.path("never")
        told = lib.command(context.program("dataplane/client/aroget"), "--from", f"127.0.0.1:{port}",
                           "-t", "2", "-o", out, name, check=False, timeout=60)
        server.stdin.close()
        server.wait()
        answers.judge(context, line, told.stderr, told.returncode, error, code)
        if os.path.exists(out):
            context.row(f"{line}: nothing is written", "a file was left behind", "FAIL")


DATA_LINE = "a peer that sends DATA to the server: silence, a named counter"
PEER = """
import socket, struct, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.connect((sys.argv[1], 9500))
link.settimeout(1)
for index in range(1000):
    link.send(struct.pack('>BBBBHHIIQ', 5, 1, 0, 0, 1152, index % 57, 65536, 0, index) + bytes(1152))
try:
    print('answered', link.recv(2048)[:4])
except TimeoutError:
    print('silence')
"""


@lib.step("bad-data", DATA_LINE, seconds=60)
def bad_data(context):
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire).start()
    path = lib.real_file(context, lib.MIB)
    name = daemon.put(path)["id"]
    before = daemon.stats()["dataplane"]
    told = lib.command(*wire.inside("/usr/bin/python3", "-c", PEER, node.IP4)).strip()
    after = daemon.stats()
    grown = after["dataplane"]["drop_not_a_request"] - before["drop_not_a_request"]
    wrong = node.sums_wrong(after)
    context.check(DATA_LINE, told == "silence" and grown == 1000 and not wrong,
                  f"1000 DATA: {told}, not_a_request +{grown}; {'; '.join(wrong) or 'sums hold'}",
                  "silence, +1000")
    goes_on(context, "a peer that sends DATA", daemon, name, path)
