# SPDX-License-Identifier: BSD-3-Clause
"""docs/testing.md lists each defence that was broken on purpose, with what caught it. Here: is there a
row for a break, and are the tests that it names still there?"""

import os
import re

import lib

NAMED = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")


def rows(context):
    """(what was broken, what caught it) of every table of the page."""
    with open(context.source("docs/testing.md"), encoding="utf-8") as file:
        cells = [line.strip().strip("|").split("|") for line in file if line.startswith("|")]
    return [(row[-2], row[-1]) for row in cells if len(row) >= 2]


def tests():
    """path -> text of whatever holds tests: programs, scripts, models, and what meson calls them."""
    files = lib.command("git", "-c", "safe.directory=*", "-C", lib.ROOT, "ls-files", "tests").split()
    found = {}
    for path in files:
        if re.search(r"\.(c|py|pml)$|/(check|meson\.build)$", path) and "/accept/" not in path:
            with open(os.path.join(lib.ROOT, path), encoding="utf-8", errors="replace") as file:
                found[path] = file.read()
    return found


def places(name, texts):
    """Where a test, or a program of tests, of that name is. The page may cut a name short."""
    folder, _, end = name.partition("_")  # cache_model: cache/test_model.c
    files = (f"/{name}.c", f"/{name}.py", f"/test_{name}.c", f"/test_{end}.c")
    found = re.compile(rf"(?:\b|test_){name}")
    return sorted((path for path, text in texts.items() if path.endswith(files) or found.search(text)),
                  key=lambda path: (not path.endswith(files), f"/{folder}/test_" not in path))


def judge(context, line, pattern, where=""):
    """One break: pattern finds its rows, where the files that may have caught it."""
    found, texts = [row for row in rows(context) if re.search(pattern, row[0])], tests()
    named = {name: places(name, texts) for _, caught in found for name in NAMED.findall(caught)}
    lost = [name for name, paths in named.items() if not paths]
    there = {name: paths for name, paths in named.items() if any(re.search(where, path) for path in paths)}
    context.check(line, bool(there) and not lost,
                  f"{len(found)} rows: {'; '.join(row[0].strip() for row in found)}; caught by "
                  f"{', '.join(f'{name} ({paths[0]})' for name, paths in there.items()) or 'no test'}"
                  f"{'; no such test: ' + ', '.join(lost) if lost else ''}")
