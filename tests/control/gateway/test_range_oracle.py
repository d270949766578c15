#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""100,000 random Range fields against an oracle with integers of any size.

test_range_oracle.py RANGE_LINES [SEED]

The oracle is written from RFC 9110 and docs/http.md, with a regular expression and Python's
integers; it shares nothing with the C code.
"""
import random
import re
import subprocess
import sys

ROUNDS = 100_000
SPEC = re.compile(r"[ \t]*(?:(\d+)[ \t]*-[ \t]*(\d*)|-(\d+))[ \t]*")


def oracle(total, field):
    if not field.lower().startswith("bytes=") or len(field) == 6:
        return "whole"
    found = []
    for text in field[6:].split(","):
        match = SPEC.fullmatch(text)
        if match is None:
            return "none"
        first, last, suffix = match.groups()
        if suffix is not None:
            if total == 0:
                return "whole"
            size = min(int(suffix), total)
            if size > 0:
                found.append((total - size, size))
            continue
        if total == 0 and int(first) == 0:
            return "whole"
        end = min(int(last) if last else total - 1, total - 1)
        # a last before the first is no range, however long the content is
        if int(first) <= end and not (last and int(last) < int(first)):
            found.append((int(first), end - int(first) + 1))
    if len(found) > 1:
        return "whole"
    return "none" if not found else f"{found[0][0]} {found[0][1]}"


def number(rng, total):
    """Where mistakes live: around the ends, around powers of two, far beyond 64 bits."""
    kind = rng.randrange(6)
    if kind == 0:
        return str(max(0, total + rng.randint(-2, 2)))
    if kind == 1:
        return str(rng.randint(0, 3))
    if kind == 2:
        return str(2 ** rng.choice((31, 32, 63, 64, 65, 128)) + rng.randint(-2, 2))
    if kind == 3:
        return str(rng.randrange(10 ** rng.randint(1, 60)))
    if kind == 4:
        return "0" * rng.randint(1, 30) + str(rng.randint(0, total))
    return str(rng.randint(0, max(1, total)))


def spec(rng, total):
    kind = rng.randrange(10)
    if kind < 5:
        return f"{number(rng, total)}-{number(rng, total)}"
    if kind < 7:
        return f"{number(rng, total)}-"
    if kind < 9:
        return f"-{number(rng, total)}"
    return "".join(rng.choice("0123456789-= \t,x+.") for _ in range(rng.randrange(12)))


def field(rng, total):
    unit = rng.choice(("bytes=",) * 20 + ("Bytes=", "bytes", "items=", "bytes ="))
    specs = [spec(rng, total) for _ in range(rng.choice((1, 1, 1, 1, 2, 3)))]
    return unit + rng.choice((",", ", ", " ,")).join(specs)


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2 ** 32)
    print("seed", seed)
    rng = random.Random(seed)
    cases = []
    for _ in range(ROUNDS):
        total = rng.choice((0, 1, 2, 100, 65536, 2 ** 32, 2 ** 40 + 7, 2 ** 63, 2 ** 64 - 1,
                            rng.randrange(2 ** rng.randint(1, 63))))
        cases.append((total, field(rng, total)))
    answers = subprocess.run([sys.argv[1]], input="".join(f"{t} {f}\n" for t, f in cases),
                             capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answers) == ROUNDS, len(answers)
    kinds = {"whole": 0, "none": 0, "part": 0}
    for (total, text), answer in zip(cases, answers):
        expected = oracle(total, text)
        assert answer == expected, f"{text!r} of {total}: {answer}, not {expected}"
        kinds[answer if answer in kinds else "part"] += 1
    print(kinds)
    assert min(kinds.values()) > ROUNDS // 50, kinds


main()
