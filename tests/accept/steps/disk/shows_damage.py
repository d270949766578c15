# SPDX-License-Identifier: BSD-3-Clause
"""10,000 bit flips and 100 pages zeroed or swapped in a store's files, stopped and running: see
tests/e2e/test_damage.py, of which the quick tier runs six smaller rounds."""

import disk_tier
import engine
import lib

LINE = "10,000 random bit flips and 100 zeroed or swapped pages over store files, stopped and running"
RUNS, FLIPS, PAGES = 30, 500, 10  # every third run is one of pages


@lib.step("damage", LINE, seconds=580, needs=("disk",))
def damage(context):
    told = disk_tier.script(context, "tests/e2e/test_damage.py", ("control/arocached", "control/aroctl"),
                            "--runs", RUNS, "--flips", FLIPS, "--pages", PAGES, "--seed", engine.seed())
    counts = told["counts"]
    done = (counts.get("flips"), counts.get("pages"), counts.get("stopped"), counts.get("running"))
    context.check(f"{LINE}: 0 wrong bytes served, all damaged chunks reported by scrub, the daemon starts",
                  told["code"] == 0 and not told["wrong"] and done == (10000, 100, 15, 15) and
                  counts["listed by scrub"] > 0,
                  f"seed {told['seed']}: {done[0]} flips and {done[1]} pages, {done[2]} times stopped and {done[3]} "
                  f"running; hit were {told['hits']}; {counts}; "
                  f"{'; '.join(told['wrong']) or 'all exactly as the files tell'}")
