# SPDX-License-Identifier: BSD-3-Clause
"""Stores that are not as a daemon left them: each start is refused with a clear error and nothing is
changed, or it goes on and tells what it set aside; never silent loss. --check-store and aroctl store
on each."""

import ctypes
import os
import shutil
import struct
import subprocess

import disk_tier
import lib
import node

REFUSED_LINE = "a store that cannot be opened: a clear error, nothing changed"
REPAIRED_LINE = "a store that lacks something: a repaired start that tells what it set aside, never silent loss"
NOBODY = 65534
SMALL, LARGE = 20, 24 * lib.MIB


def xxh3(content):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    return library.XXH3_64bits_withSeed(content, ctypes.c_size_t(len(content)), ctypes.c_uint64(0))


class Stock:
    """A store of two segments, and what its objects are."""

    def __init__(self, context):
        self.context, self.wire = context, node.Wire(context, "veth")
        daemon = self.daemon("stock").start()
        self.objects = {}  # id -> path
        for number in range(SMALL + 1):
            path = context.path(f"content-{number}")
            with open(path, "wb") as file:
                file.write(os.urandom(LARGE if number == SMALL // 2 else 5000 + 997 * number))
            self.objects[daemon.put(path)["id"]] = path
        daemon.stop()
        self.kept = daemon.store_path
        self.segments = sorted(name[:-5] for name in os.listdir(self.kept) if name.endswith(".data"))

    def daemon(self, name, **options):
        return node.Daemon(self.context, self.wire, cache="64MiB", name=name, build="disk",
                           extra='http { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n',
                           store_keys='segment = "16MiB"', **options)

    def copy(self, name):
        """A daemon with a store of its own, not started."""
        daemon = self.daemon(name)
        shutil.copytree(self.kept, daemon.store_path)
        return daemon


# ---- refused ----


def refused(context, what, daemon, error, code, *words, offline=None, prefix=()):
    """offline: what --check-store must end with; left out: the same error."""
    before = disk_tier.files(daemon.store_path) if os.path.isdir(daemon.store_path) else {}
    disk_tier.start_fails(context, f"{REFUSED_LINE}: {what}", daemon, error, code, *words, prefix=prefix)
    checked = disk_tier.check_offline(daemon, prefix)
    told = checked.stdout + checked.stderr
    context.check(f"{REFUSED_LINE}: {what}: --check-store",
                  checked.returncode == offline if offline is not None else
                  checked.returncode == code and error in told,
                  f"exit {checked.returncode}: {' / '.join(told.strip().splitlines())[-300:]}")
    after = disk_tier.files(daemon.store_path) if os.path.isdir(daemon.store_path) else {}
    before.pop("LOCK", None), after.pop("LOCK", None)
    context.check(f"{REFUSED_LINE}: {what}: nothing is changed", before == after, f"{len(after)} files compared")


@lib.step("bad-refused", REFUSED_LINE, seconds=200, needs=("disk",))
def bad_refused(context):
    stock = Stock(context)
    daemon = stock.daemon("foreign")
    os.makedirs(daemon.store_path)
    with open(os.path.join(daemon.store_path, "letter.txt"), "w", encoding="ascii") as file:
        file.write("not yours\n")
    refused(context, "a foreign directory", daemon, "ARO-5002", 78, daemon.store_path, "letter.txt")

    daemon = stock.copy("newer")
    with open(os.path.join(daemon.store_path, "STORE"), "r+b") as file:
        newer = bytearray(file.read())
        version = struct.unpack_from("<I", newer, 8)[0] + 1
        for at in 0, 4096:  # docs/disk-format.md: two copies, each sealed
            struct.pack_into("<I", newer, at + 8, version)
            struct.pack_into("<Q", newer, at + 56, xxh3(bytes(newer[at:at + 56])))
        file.seek(0)
        file.write(newer)
    refused(context, "a newer version", daemon, "ARO-5003", 78, str(version), daemon.store_path)

    daemon = stock.copy("headless")
    os.unlink(os.path.join(daemon.store_path, "STORE"))
    refused(context, "STORE is missing", daemon, "ARO-5006", 69, "STORE", daemon.store_path)

    daemon = stock.daemon("file")
    with open(daemon.store_path, "wb"):
        pass
    refused(context, "a file instead of a directory", daemon, "ARO-5001", 78, daemon.store_path)
    second_process(context, stock)
    read_only(context, stock)
    permissions(context, stock)


def second_process(context, stock):
    first = stock.copy("first").start()
    second = node.Daemon(context, None, name="second", build="disk", store_path=first.store_path)
    disk_tier.start_fails(context, f"{REFUSED_LINE}: a second process", second, "ARO-5004", 69, first.store_path,
                          str(first.pid))
    checked = disk_tier.check_offline(first)
    context.check(f"{REFUSED_LINE}: a second process: --check-store while the daemon runs",
                  checked.returncode == 69 and "ARO-5004" in checked.stderr,
                  f"exit {checked.returncode}: {checked.stderr.strip().splitlines()[:1]}")
    first.kill()  # its LOCK stays behind, with its process id
    first.start()
    context.check(f"{REFUSED_LINE}: a LOCK that a killed process left keeps nobody out",
                  first.call("verify")["ok"], "started, verified")
    first.stop()


def read_only(context, stock):
    daemon = stock.daemon("readonly")
    os.makedirs(daemon.store_path)
    lib.command("mount", "-t", "tmpfs", "none", daemon.store_path)  # of this step's mount namespace
    lib.command("cp", "-a", stock.kept + "/.", daemon.store_path)
    lib.command("mount", "-o", "remount,ro", daemon.store_path)
    refused(context, "a read-only mount", daemon, "ARO-5008", 69, daemon.store_path, offline=0)
    lib.command("umount", daemon.store_path)


def permissions(context, stock):
    """As a user who is nobody."""
    lib.require("setpriv")
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    os.chmod(context.work, 0o755)
    for what, own in (
            ("the directory is somebody else's", ()),
            ("LOCK is somebody else's", ("",)),
            ("STORE is somebody else's", ("", "LOCK")),
    ):
        daemon = node.Daemon(context, None, cache="64MiB", name=what.partition(" is")[0].replace(" ", "-"),
                             build="disk", store_keys='segment = "16MiB"', extra='http { listen = "" }\n')
        shutil.copytree(stock.kept, daemon.store_path)
        os.chmod(daemon.store_path, 0o750)
        for name in "..", *own:
            os.chown(os.path.join(daemon.store_path, name), NOBODY, NOBODY)
        refused(context, f"wrong permissions, {what}", daemon, "ARO-5005", 77, daemon.store_path, prefix=prefix)


# ---- repaired ----


def cut(name, part, step=1):
    def change(folder, stock):
        path = os.path.join(folder, name(stock))
        os.truncate(path, int(os.path.getsize(path) * part) // step * step)
        return f"{os.path.basename(path)} cut to {os.path.getsize(path)} bytes"
    return change


def unlink(name):
    def change(folder, stock):
        os.unlink(os.path.join(folder, name(stock)))
        return f"{name(stock)} removed"
    return change


def of_segment(index, end):
    return lambda stock: stock.segments[index] + end


CASES = {
    "a truncated segment: the data of the first, at a block": cut(of_segment(0, ".data"), 0.5),
    "a truncated segment: the data of the last, at an odd byte": cut(of_segment(-1, ".data"), 0.300001),
    "a truncated segment: data of no length": cut(of_segment(0, ".data"), 0),
    "a truncated segment: the table of the first": cut(of_segment(0, ".table"), 0.5, 64),
    "a truncated segment: the table of the last, inside a record": cut(of_segment(-1, ".table"), 0.501),
    "a truncated segment: the table of the last, at a record": cut(of_segment(-1, ".table"), 0.5, 64),
    "a truncated segment: a table of no length": cut(of_segment(0, ".table"), 0),
    "a missing file: data": unlink(of_segment(0, ".data")),
    "a missing file: table": unlink(of_segment(0, ".table")),
    "a missing file: objects.log": unlink(lambda stock: "objects.log"),
    "a truncated objects.log": cut(lambda stock: "objects.log", 0.5, 256),
    "objects.log without its last record": cut(lambda stock: "objects.log", 0.99, 256),
}


def fetched(context, stock, daemon):
    """(right, refused, wrong) of all objects there ever were, and how many are listed."""
    counts, out = [0, 0, 0], context.path("out")
    for name, path in stock.objects.items():
        told = daemon.fetch(name, out, timeout=60)
        same = told["code"] == 0 and lib.sha256(out) == lib.sha256(path)
        counts[0 if same else 1 if told["code"] != 0 else 2] += 1
        if os.path.exists(out):
            os.unlink(out)
    return counts, len(daemon.call("ls", limit=256)["objects"])


def repaired(context, stock, what, change):
    daemon = stock.copy(what.replace(" ", "-").replace(":", "").replace(",", ""))
    line, done = f"{REPAIRED_LINE}: {what}", change(daemon.store_path, stock)
    offline = disk_tier.check_offline(daemon)
    daemon.start()
    disk_tier.wait_whole(daemon)
    recovery, log = disk_tier.told_of_start(daemon)
    said = {word: daemon.ctl("store", word) for word in ("check", "stat", "scrub")}
    (right, none, wrong), listed = fetched(context, stock, daemon)
    loss = none > 0 or listed < len(stock.objects)
    by_start = recovery["torn"] + recovery["lost"] > 0
    by_offline = offline.returncode == 6 or "drops" in offline.stdout
    context.check(line, wrong == 0 and (by_start or not loss) and (by_offline or not loss) and
                  said["check"].returncode in (0, 6) and said["scrub"].returncode in (0, 6) and
                  said["stat"].returncode == 0,
                  f"{done}; of {len(stock.objects)} objects {listed} are listed, {right} fetched right, {none} "
                  f"refused, {wrong} WRONG; the start tells {'NOTHING: ' if loss and not by_start else ''}{log}; "
                  f"--check-store before it: {'NOTHING: ' if loss and not by_offline else ''}exit {offline.returncode}, "
                  f"{last(offline)}; store check: exit {said['check'].returncode}, {last(said['check'])}; scrub: exit "
                  f"{said['scrub'].returncode}, {last(said['scrub'])}")
    goes_on(context, stock, daemon, line)


def goes_on(context, stock, daemon, line):
    """What was lost is put again and lives through a kill."""
    names = {daemon.put(path)["id"] for path in stock.objects.values()}
    daemon.kill()
    daemon.start()
    disk_tier.wait_whole(daemon)
    (right, none, wrong), listed = fetched(context, stock, daemon)
    verdict = daemon.call("verify")
    context.check(f"{line}: put again, killed, started", names == stock.objects.keys() and verdict["ok"] and
                  right == len(stock.objects) == listed,
                  f"{right} fetched right, {none} refused, {wrong} WRONG; verify: {verdict['problems']} problems")
    daemon.stop()


def last(finished):
    return " / ".join((finished.stdout + finished.stderr).strip().splitlines()[-2:])


@lib.step("bad-lacking", REPAIRED_LINE, seconds=400, needs=("disk",))
def bad_lacking(context):
    stock = Stock(context)
    for what, change in CASES.items():
        repaired(context, stock, what, change)
