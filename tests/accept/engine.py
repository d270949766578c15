# SPDX-License-Identifier: BSD-3-Clause
"""What the engine's steps share: programs that tell what they did, their reports, stolen CPU time."""

import os
import re
import secrets
import subprocess

import lib

REPORTS = re.compile(r".*(?:Sanitizer|runtime error:).*")


def run(context, program, *words, build="engine", log="output.log", cpus=None, **environment):
    """Runs a test program to its end: (exit code, what it said). Its output is kept."""
    command = [context.program(program, build), *map(str, words)]
    if cpus is not None:
        command = ["taskset", "-c", cpus, *command]
    environment = dict(os.environ, **{name: str(value) for name, value in environment.items()})
    environment.setdefault("TSAN_OPTIONS", "halt_on_error=1")
    environment.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", env=environment)
    lib.log_line(context.log(log), f"$ {' '.join(command)}\n{result.stdout}\n-> {result.returncode}")
    return result.returncode, result.stdout


def seed():
    """One that no earlier run had; the rows say it, so that whatever it finds can be had again."""
    return 1 + secrets.randbelow(1 << 31)


def reports(text):
    """What a sanitizer complained of, its first line."""
    found = REPORTS.search(text)
    return found.group().strip() if found else None


def number(text, name):
    """The number that a program printed behind a name."""
    found = re.search(rf"\b{name}:? (\d+)", text)
    if not found:
        raise lib.Failure(f"no {name} in: {text.strip()[-300:]}")
    return int(found.group(1))


def last(text, lines=1):
    return " / ".join(text.strip().splitlines()[-lines:]) or "nothing said"


def unit_rows(context, line, program, *patterns, build="engine-poison"):
    """A row for each pattern: every test of a Criterion program that matches it, passed."""
    for pattern in patterns:
        code, text = run(context, program, "--verbose", "--filter", pattern, build=build)
        named = re.findall(r"\[(PASS|FAIL|CRASH)\S*\]\s+(\w+::\w+)", re.sub(r"\x1b\[[\d;]*m", "", text))
        bad = [name for verdict, name in named if verdict != "PASS"]
        context.check(f"{line}: {pattern}", code == 0 and named and not bad,
                      f"{os.path.basename(program)}: {len(named) - len(bad)} of {len(named)} passed: "
                      f"{', '.join(name for _, name in named) or 'there is no such test'}; exit {code}")


class Weather:
    """How much of the CPUs' time the host kept for others, from its making to each look."""

    def __init__(self):
        self.before = self.ticks()

    @staticmethod
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            ticks = list(map(int, file.readline().split()[1:9]))
        return ticks[7], sum(ticks)

    def __str__(self):
        stolen, spent = (now - then for now, then in zip(self.ticks(), self.before))
        return f"{100 * stolen / max(spent, 1):.1f}% of the CPUs stolen"
