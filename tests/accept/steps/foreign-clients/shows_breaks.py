# SPDX-License-Identifier: BSD-3-Clause
"""The defences that were broken on purpose, and the test that caught each: docs/testing.md lists them,
and the tests that it names are there."""

import os
import re

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
def breaks(context):
    with open(context.source("docs/testing.md"), encoding="utf-8") as file:
        rows = [line.strip().strip("|").split("|") for line in file if line.startswith("|")]
    git = ["git", "-c", "safe.directory=*", "-C", lib.ROOT]
    files = lib.command(*git, "ls-files", "tests").split()
    texts = {}
    for path in files:
        if re.search(r"test_\w+\.(c|py)$", path):
            with open(os.path.join(lib.ROOT, path), encoding="utf-8", errors="replace") as file:
                texts[path] = file.read()
    for what, (pattern, where) in BREAKS.items():
        found = [row for row in rows if len(row) >= 2 and re.search(pattern, row[-2])]
        named = [name for row in found for name in re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+){3,}", row[-1])]
        there = {name: path for name in named for path, text in texts.items()
                 if name in text and re.search(where, path)}
        lost = sorted(set(named) - set(there))
        context.check(f"{BREAKS_LINE}: {what}", bool(there) and not lost,
                      f"{len(found)} rows; caught by "
                      f"{', '.join(f'{path}: {name}' for name, path in there.items()) or 'no test'}"
                      f"{'; no such test: ' + ', '.join(lost) if lost else ''}")
