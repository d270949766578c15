# SPDX-License-Identifier: BSD-3-Clause
"""How an error must look to a person: one sentence with its cause, a stable id, a remedy, the exit
code - all as the catalogue of errors declares them."""

import os
import re

import lib


def catalogue():
    """id -> (exit code, remedy), from the catalogue of errors."""
    with open(os.path.join(lib.ROOT, "cache/base/errors.def"), encoding="ascii") as file:
        text = file.read()
    pattern = r'ARO_ERROR\((\d+), \w+, (\d+),\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)'
    return {f"ARO-{number}": (int(code), remedy.replace('\\"', '"'))
            for number, code, _, remedy in re.findall(pattern, text)}


def judge(context, line, told, code, error, exit_code, *words):
    """told: what a person reads; error: the id that it must carry; words: the cause must name them."""
    declared, remedy = catalogue()[error]
    wrong = []
    if code != exit_code or code != declared:
        wrong.append(f"exit {code}, not {exit_code} (catalogue: {declared})")
    ids = set(re.findall(r"ARO-\d{4}", told.replace(remedy, "")))
    if ids != {error}:
        wrong.append(f"ids {sorted(ids) or 'none'}, not {error}")
    if remedy not in told:
        wrong.append("no remedy")
    wrong += [f"does not name {word!r}" for word in words if word not in told]
    said = [text for text in told.splitlines() if error in text]
    context.check(line, not wrong, f"exit {code}, {(said or [told.strip()[-200:]])[0]}" +
                  (f" -- WRONG: {'; '.join(wrong)}" if wrong else ""))
