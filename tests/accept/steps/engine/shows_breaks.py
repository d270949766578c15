# SPDX-License-Identifier: BSD-3-Clause
"""The engine's defences that were broken on purpose, and what caught each: see breaks.py."""

import breaks
import lib

LINE = "break seen, and the test that caught it listed in docs/testing.md"
BREAKS = {  # what -> of the column "break", and the files that may have caught it
    "drop one acquire": (r"\bacquire\b", r"tests/cache/"),
    "drop one pin": (r"does not pin its chunk|[Pp]in scan skipped|pins are scanned|pins\b.*\bleft out",
                     r"tests/(cache|dataplane)/"),
    "drop one grace period": (r"grace period skipped|without a grace period", r"tests/(cache|dataplane)/"),
    "drop one tag check": (r"\btags?\b.*(id|check|match)", r"tests/cache/"),
}


@lib.step("breaks", LINE, seconds=60, needs=())
def seen(context):
    for what, (pattern, where) in BREAKS.items():
        breaks.judge(context, f"{LINE}: {what}", pattern, where)
