# SPDX-License-Identifier: BSD-3-Clause
"""A daemon on a disk that fails, real components below it (failing_disk.py): a block device, an ext4
without a journal (with one, the file system itself gives up for good: a row of its own), and 64 MiB
that are full. Under load: memory goes on serving, what is refused is told with its id and in time,
no byte is wrong; after the fault, without a restart, all is as before; what was acknowledged is there,
after a kill, too."""

import os
import time

import disk_tier
import engine
import failing_disk
import fault_bench
import fault_load
import lib

LINE = "EIO 5% / 100%, 2 s stalls, failing fsync"
SPACE_LINE = "ENOSPC on a 64 MiB loop file system during put"
DISK_BYTES, FULL_BYTES = 8 * lib.GIB, 64 * lib.MIB
FAULT_S, STALL_S, STALLS = 6, 2, 3
WRITE_ERROR, FULL_ERROR = "ARO-6027", "ARO-6026"
RATES = {  # what fails; the counters that must tell
    "EIO 5%": ({"read": 0.05, "write": 0.05}, ("disk_errors", "write_failures")),
    "EIO 100%": ({"read": 1.0, "write": 1.0, "flush": 1.0}, ("disk_errors",)),
    "failing fsync": ({"flush": 1.0}, ("sync_failures",)),
    "one fsync of three failing": ({"flush": 0.33}, ("sync_failures",)),
}


def fails(bench, line, what):
    rates, must_grow = RATES[what]
    before, did = bench.counters(), bench.disk.counts()
    bench.disk.fail(**rates)
    with fault_load.Load(bench.contents, bench.seed) as load:
        time.sleep(FAULT_S)
    bench.disk.heal()
    recovered_s = bench.normal_again()
    errors = {name: count - did[name] for name, count in bench.disk.counts().items() if name.endswith("errors")}
    fault_bench.during(bench, f"{line}, {what}", load, bench.grown(before), WRITE_ERROR, must_grow,
                       f"the disk: {errors}")
    fault_bench.afterwards(bench, f"{line}, {what}", recovered_s)


def stalls(bench, line):
    before = bench.counters()
    with fault_load.Load(bench.contents, bench.seed) as load:
        for _ in range(STALLS):
            time.sleep(1)
            bench.disk.stall(STALL_S)
            time.sleep(STALL_S)
    recovered_s = bench.normal_again()
    fault_bench.during(bench, f"{line}, 2 s stalls", load, bench.grown(before), WRITE_ERROR, (),
                       f"stood still {STALLS} times for {STALL_S} s")
    fault_bench.afterwards(bench, f"{line}, 2 s stalls", recovered_s)


def all_faults(context, bench, line):
    bench.daemon.start()
    bench.contents.fill()
    for what in RATES:
        fault_bench.warm(bench)
        fails(bench, line, what)
    fault_bench.warm(bench)
    stalls(bench, line)
    context.check(f"{line}: the daemon ends as ever", bench.daemon.stop() == 0, "exit 0")


@lib.step("faults-device", LINE, seconds=400, needs=("disk",))
def faults_device(context):
    if lacking := failing_disk.lacks():
        return context.skip(LINE, lacking)
    disk = failing_disk.FailingDisk(context, DISK_BYTES, engine.seed())
    bench = fault_bench.Bench(context, disk.device, disk)
    bench.make_store()
    all_faults(context, bench, f"{LINE}: a block device")


@lib.step("faults-ext4", LINE, seconds=400, needs=("disk",))
def faults_ext4(context):
    if lacking := failing_disk.lacks():
        return context.skip(LINE, lacking)
    disk = failing_disk.FailingDisk(context, DISK_BYTES, engine.seed())
    folder = disk.mount("ext4", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=0", "-m", "0")
    bench = fault_bench.Bench(context, os.path.join(folder, "store"), disk, store="7GiB")
    all_faults(context, bench, f"{LINE}: ext4 without a journal")


# ---- a file system that gives up ----


@lib.step("faults-journal", LINE, seconds=200, needs=("disk",))
def faults_journal(context):
    """Its journal cannot be written, so ext4 lets nobody write any more, until it is mounted again."""
    if lacking := failing_disk.lacks():
        return context.skip(LINE, lacking)
    line = f"{LINE}: ext4 with a journal that gives up"
    disk = failing_disk.FailingDisk(context, DISK_BYTES, engine.seed())
    folder = disk.mount("ext4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-m", "0")
    bench = fault_bench.Bench(context, os.path.join(folder, "store"), disk, store="7GiB")
    bench.daemon.start()
    bench.contents.fill()
    fault_bench.warm(bench)
    before = bench.counters()
    disk.fail(read=1.0, write=1.0, flush=1.0, clean=1.0)  # a torn superblock is for e2fsck to mend
    with fault_load.Load(bench.contents, bench.seed) as load:
        time.sleep(FAULT_S)
        bench.contents.cool()
    disk.heal()
    fault_bench.during(bench, line, load, bench.grown(before), WRITE_ERROR, ("disk_errors",), "all of it failed")
    told = fault_bench.state(bench, "healed, but not mounted again")
    context.check(f"{line}: what it holds is served again when it can be read", not any(told[1].values()),
                  f"{told[0]}: {told[1]}")
    context.check(f"{line}: the daemon ends as ever", bench.daemon.stop() == 0, "exit 0")
    disk.mount_again()
    bench.daemon.start()
    disk_tier.wait_whole(bench.daemon)
    recovered_s = bench.normal_again()
    context.check(f"{line}: mounted again, started again: puts are taken", recovered_s is not None, recovered_s)
    told = fault_bench.state(bench, "then")
    context.check(f"{line}: nothing acknowledged is lost or wrong", not any(told[1].values()), told[1])


# ---- no space ----


def put_until_refused(bench):
    """(how many were acknowledged, error id, the longest time of a put)."""
    count, longest_s = 0, 0.0
    while True:
        error, seconds = bench.contents.put()
        longest_s = max(longest_s, seconds)
        if error:
            return count, error, longest_s
        count += 1


def evict_younger(bench, count):
    """All but the first so many: whole segments, whose space comes back."""
    gone, bench.contents.there = bench.contents.there[count:], bench.contents.there[:count]
    for content in gone:
        bench.daemon.call("evict", id=content.id)
    return len(gone)


@lib.step("faults-space", SPACE_LINE, seconds=300, needs=("disk",))
def faults_space(context):
    for path in "/dev/loop-control", "/usr/sbin/mkfs.ext4":
        if not os.path.exists(path):
            return context.skip(SPACE_LINE, f"{path} is not there")
    image, folder = context.path("image"), context.path("small")
    with open(image, "wb") as file:
        file.truncate(FULL_BYTES)
    loop = failing_disk.Loop(image, direct=True)
    context.closers.append(loop.close)
    lib.command("mkfs.ext4", "-q", "-m", "0", loop.device)
    os.mkdir(folder)
    lib.command("mount", loop.device, folder)  # of this step's mount namespace
    bench = fault_bench.Bench(context, os.path.join(folder, "store"), store="4GiB")
    filler = os.path.join(folder, "filler")
    lib.command("fallocate", "-l", FULL_BYTES // 4, filler)
    bench.daemon.start()
    bench.contents.fill()
    first = len(bench.contents.there)
    fault_bench.warm(bench)
    full(bench, "its own puts fill it")
    os.unlink(filler)
    recovered_s = bench.normal_again()
    fault_bench.afterwards(bench, f"{SPACE_LINE}, then somebody frees space", recovered_s, (FULL_ERROR,))
    fault_bench.warm(bench)
    full(bench, "full again")
    evicted = evict_younger(bench, first)
    recovered_s = bench.normal_again()
    fault_bench.afterwards(bench, f"{SPACE_LINE}, then {evicted} objects are evicted", recovered_s, (FULL_ERROR,))
    context.check(f"{SPACE_LINE}: the daemon ends as ever", bench.daemon.stop() == 0, "exit 0")


def full(bench, how):
    """Puts under load until it is full, and on."""
    before, count = bench.counters(), len(bench.contents.there)
    acknowledged, error, longest_s = put_until_refused(bench)
    listed = {entry["digest"] for entry in disk_tier.listed(bench.daemon)}
    kept = bench.contents.refused[-1].digest in listed
    bench.context.check(f"{SPACE_LINE}, {how}: refused with {FULL_ERROR}, and nothing of that put is kept",
                        error == FULL_ERROR and longest_s <= fault_bench.PUT_MAX_S and not kept and
                        len(listed) == count + acknowledged,
                        f"after {acknowledged} puts {error}; the longest took {longest_s:.2f} s; "
                        f"{len(listed)} objects listed")
    with fault_load.Load(bench.contents, bench.seed) as load:
        time.sleep(FAULT_S)
    fault_bench.during(bench, f"{SPACE_LINE}, {how}", load, bench.grown(before), FULL_ERROR, ("rejected",), "no space")
