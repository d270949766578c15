# SPDX-License-Identifier: BSD-3-Clause
"""The defences that were broken on purpose, and the test that caught each: see breaks.py."""

import breaks
import lib

BREAKS_LINE = "break seen, and the test that caught it listed in docs/testing.md"
# what: of the first column, files that may have caught it
BREAKS = {
    "skip verification in the gateway": (r"gateway sends content unverified", r"gateway"),
    "ignore the validator (at the origin)": (r"validator of the rest ignored", r"verdict|origin"),
    "ignore the validator (of a client)": (r"client's If-Range", r"gateway|conditional"),
    "drop the single flight (at a node)": (r"single flight dropped", r"origin"),
    "drop the single flight (in the gateway)": (r"single flight in the gateway", r"gateway"),
}


@lib.step("breaks", BREAKS_LINE, seconds=60)
def seen(context):
    for what, (pattern, where) in BREAKS.items():
        breaks.judge(context, f"{BREAKS_LINE}: {what}", pattern, where)
