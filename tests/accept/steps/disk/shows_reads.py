# SPDX-License-Identifier: BSD-3-Clause
"""What the daemon's end-to-end tests show of the disk tier, and its unit tests on a simulated disk:
files of which un-synced writes are lost, torn and reordered, operations that fail."""

import disk_tier
import engine
import lib

READ_LINE = "read path: io_uring, a pread thread fallback where it is refused, and status says which and why"
POWER_LINE = ("every flush point of a recorded workload replayed on the simulated disk, un-synced writes torn and "
              "reordered")
FAULTS_LINE = "faults behind the store's I/O contract"
STORE_LINE = "aroctl store check|scrub|stat, offline arocached --check-store"


@lib.step("reads", READ_LINE, seconds=200, needs=("disk",))
def reads(context):
    context.check(f"{READ_LINE} (tests/e2e/test_disk.py)",
                  *disk_tier.tests(context, "tests/e2e/test_disk.py", disk_tier.PROGRAMS))
    context.check(f"{STORE_LINE} (tests/e2e/test_store.py)",
                  *disk_tier.tests(context, "tests/e2e/test_store.py", ("control/arocached", "control/aroctl",
                                                                        "tests/cache/disk/make_store"), "Commands"))


@lib.step("simulated", POWER_LINE, seconds=580, needs=("disk-debug",))
def simulated(context):
    engine.unit_rows(context, POWER_LINE, "tests/cache/disk/test_disk_crash", "*", build="disk-debug")
    engine.unit_rows(context, f"{POWER_LINE}: while a segment is emptied", "tests/cache/disk/test_disk_recycle_crash",
                     "*", build="disk-debug")
    for what, program in (("EIO, ENOSPC, stalls, failing fsync", "faults"), ("misdirected, flipped", "verify"),
                          ("torn, cut, forged, missing", "recover"), ("at the start", "start")):
        engine.unit_rows(context, f"{FAULTS_LINE}: {what}", f"tests/cache/disk/test_disk_{program}", "*",
                         build="disk-debug")
