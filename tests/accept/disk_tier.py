# SPDX-License-Identifier: BSD-3-Clause
"""What the disk tier's steps share: the end-to-end scripts at length, the daemon's words about a
store."""

import json
import os
import re
import subprocess
import sys
import time

import answers
import lib
import node

EXIT_SECONDS = 30
LOST_RECORD = "a record of its table is damaged", "a record does not verify"
PROGRAMS = ("control/arocached", "control/aroctl", "dataplane/client/aroget")


def script(context, path, programs, *words):
    """Runs a script of tests/e2e to its end: what its last line tells as JSON, with its exit code."""
    command = [sys.executable, context.source(path), *(context.program(name, "disk") for name in programs),
               context.source("pmd-config"), *map(str, words)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace")
    lib.log_line(context.log("output.log"), f"$ {' '.join(command)}\n{result.stdout}\n-> {result.returncode}")
    last = (result.stdout.strip().splitlines() or [""])[-1]
    try:
        return json.loads(last) | {"code": result.returncode}
    except ValueError:
        raise lib.Failure(f"{path}: exit {result.returncode}: {last[-300:]}") from None


def start_fails(context, line, daemon, error, exit_code, *words, prefix=()):
    """Starts a daemon that must not come up."""
    daemon.launch(*prefix)
    try:
        code = daemon.process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        code = f"none: still running after {EXIT_SECONDS} s"
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        answers.judge(context, line, file.read(), code, error, exit_code, *words)


def check_offline(daemon, prefix=()):
    """arocached --check-store: the finished process."""
    return lib.command(*prefix, daemon.context.program("control/arocached", daemon.build), "-c", daemon.config,
                       "--check-store", check=False, timeout=60)


def wait_whole(daemon):
    """Until the index of the store is."""
    end = time.monotonic() + node.START_S
    while daemon.call("status")["store"]["recovery"]["under_way"]:
        if time.monotonic() > end:
            raise lib.Failure(f"the index is not whole after {node.START_S} s")
        time.sleep(0.01)


def told_of_start(daemon):
    """The daemon's word about what it found: recovery, and the line of its log."""
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        lines = [line.split(" store-index ", 1)[1].strip() for line in file if " store-index " in line]
    return daemon.call("status")["store"]["recovery"], lines[-1] if lines else "nothing logged"


def listed(daemon):
    """Every object of ls."""
    found, more = [], True
    while more:
        page = daemon.call("ls", after=len(found), limit=256)
        found, more = found + page["objects"], page["more"]
    return found


def scrubbed(daemon):
    """What a scrub calls damaged: (all of it; what no lost write excuses), the first hundred. A record
    that never came to the disk looks like one that was damaged there when a COMMIT behind it did: told
    by mistake, better than not told. A payload is synced before its record: nothing excuses that."""
    problems = daemon.call("store_scrub", bytes_per_s=1 << 30)["list"]
    return ([f"scrub: {problem}" for problem in problems],
            [f"scrub: {problem}" for problem in problems if problem["problem"] not in LOST_RECORD])


def files(folder):
    """name -> bytes."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def tests(context, path, programs, *names):
    """Runs unittest cases of a script: (all passed, which)."""
    command = [sys.executable, context.source(path), *(context.program(name, "disk") for name in programs),
               context.source("pmd-config"), "-v", *names]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace")
    lib.log_line(context.log("output.log"), result.stdout)
    passed = re.findall(r"^(?:test_)?(\w+) \(.*ok$", result.stdout, re.M)
    return result.returncode == 0 and len(passed) > 0, f"{len(passed)} passed: {', '.join(passed)}; exit " \
                                                       f"{result.returncode}"
