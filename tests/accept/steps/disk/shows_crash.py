# SPDX-License-Identifier: BSD-3-Clause
"""200 kill -9 under mixed load, in four steps of fifty, each with a store of its own: see
tests/e2e/test_crash.py, of which the quick tier runs ten."""

import disk_tier
import engine
import lib

LINE = "kill -9 under mixed load: clean restarts, 0 wrong bytes, 0 lost acknowledged chunks"
STEPS, KILLS = 4, 50


def crash_step(context, number):
    told = disk_tier.script(context, "tests/e2e/test_crash.py", ("control/arocached", "dataplane/client/aroget"),
                            "--kills", KILLS, "--seed", engine.seed())
    counts = told["counts"]
    put_killed = sum(times for where, times in told["where"].items() if where.startswith("during put"))
    worked = counts.get("puts", 0) > 2 * KILLS and counts.get("evict", 0) > 0 and counts.get("pin", 0) > 0 and \
        counts.get("chunks right", 0) > 20 * KILLS and put_killed > KILLS // 2
    context.check(f"{LINE} ({number * KILLS + 1}..{(number + 1) * KILLS} of {STEPS * KILLS})",
                  told["kills"] == KILLS and not told["wrong"] and told["disk_mismatches"] == 0 and worked,
                  f"seed {told['seed']}: {told['kills']} kills, {told['where']}; {counts}; at the end "
                  f"{told['acknowledged']} objects fetched right; starts take {told['start_median_s']} s, the longest "
                  f"{told['start_max_s']} s; {'; '.join(told['wrong']) or 'nothing wrong'}"
                  f"{'' if worked else '; TOO LITTLE LOAD'}")


for _number in range(STEPS):
    lib.step(f"crash-{_number + 1}", LINE, seconds=580, needs=("disk",))(
        lambda context, number=_number: crash_step(context, number))
