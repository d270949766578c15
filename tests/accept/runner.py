# SPDX-License-Identifier: BSD-3-Clause
"""Runs every promised line of a suite end to end and prints for each: line, measured value, PASS,
FAIL or SKIP. Needs root: every step gets network, process and mount namespaces of its own, which
end with it, whatever happens.

Results are kept per step in the state directory, under the commit: a second run goes on where the
first one was stopped. Steps stand in steps/SUITE/, each below ten minutes."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import lib

MARKS = {"PASS": "\033[32mPASS\033[0m", "FAIL": "\033[1;31mFAIL\033[0m", "SKIP": "\033[33mSKIP\033[0m"}
COLOR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def arguments(suite, settings):
    parser = argparse.ArgumentParser(prog=suite, description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the steps and what is known of them")
    parser.add_argument("--only", action="append", default=[], metavar="STEP",
                        help="run this step, again if need be; several times for several")
    parser.add_argument("--fresh", action="store_true", help="forget the results of this commit first")
    parser.add_argument("--retry", action="store_true", help="run again what did not pass")
    parser.add_argument("--state", default=os.path.join(lib.ROOT, "build/accept", suite),
                        help=f"state directory (build/accept/{suite})")
    parser.add_argument("--build", default=os.environ.get("AROCACHE_ACCEPT_BUILD"),
                        help="use this release build directory (default: one in the state directory)")
    for option, (variable, value, meaning) in settings.items():
        parser.add_argument(option, dest=variable, metavar=value, default=os.environ.get(variable),
                            help=meaning)
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)  # a step in its namespaces
    options = parser.parse_args()
    for variable, value, _ in settings.values():  # where steps and their programs look
        if given := getattr(options, variable):
            os.environ[variable] = os.path.realpath(given) if value == "FILE" else given
    return options


def print_row(row):
    verdict = MARKS[row["verdict"]] if COLOR else row["verdict"]
    print(f"{verdict}  {row['line']} | {row['measured']}", flush=True)


def verdict_of(rows):
    found = {row["verdict"] for row in rows}
    return next((verdict for verdict in ("FAIL", "SKIP") if verdict in found), "PASS")


def run_step(step, state):
    """Runs one step in its own namespaces; returns its rows."""
    folder = state.folder(step.name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    work = tempfile.mkdtemp(prefix="aro-accept-", dir="/var/tmp")
    began = time.monotonic()
    try:
        failed = state.build(step.needs)
        if failed:
            return [lib.row(step.line, failed, "FAIL")], began
        rows_path = os.path.join(folder, "rows")
        shared = [] if step.network == "host" else ["--net"]
        with open(os.path.join(folder, "output.log"), "wb") as log:
            process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", *shared,
                 sys.executable, os.path.realpath(sys.argv[0]), "--state", state.root,
                 "--inside", step.name, rows_path, work],
                stdout=sys.stdout, stderr=log, stdin=subprocess.DEVNULL,
                env=dict(os.environ, AROCACHE_ACCEPT_BUILD=state.build_dirs["release"]))
            try:
                code = process.wait(step.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = f"stopped after {step.seconds} s"
        rows = lib.rows_read(rows_path)
        if code != 0:
            rows.append(lib.row(step.line, f"the step ended early ({code}): "
                                f"{lib.tail(os.path.join(folder, 'output.log'))}", "FAIL"))
        elif not rows:
            rows.append(lib.row(step.line, "the step measured nothing", "FAIL"))
        return rows, began
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_all(steps, state, options):
    rows_all = []
    for number, step in enumerate(steps, 1):
        known = state.load(step.name)
        again = step.name in options.only or known is None or (
            options.retry and verdict_of(known["rows"]) != "PASS")
        if again:
            print(f"-- {step.name} ({number} of {len(steps)})", flush=True)
            rows, began = run_step(step, state)
            known = {"rows": rows, "seconds": round(time.monotonic() - began, 1)}
            state.save(step.name, known)
        for row in known["rows"]:
            print_row(row)
        if verdict_of(known["rows"]) == "FAIL":
            print(f"      logs: {state.folder(step.name)}", flush=True)
        rows_all += known["rows"]
    return rows_all


def inside(steps, state, name, rows_path, work):
    """This process is alone with its namespaces now."""
    step = next(step for step in steps if step.name == name)
    context = lib.Context(step, state, rows_path, work)
    if step.network != "host":
        lib.command("ip", "link", "set", "lo", "up")
    try:
        step.function(context)
    except lib.Failure as failure:
        context.row(step.line, str(failure), "FAIL")
    finally:
        context.close()


def main(suite, settings=None):
    """settings: further options, each the name of an environment variable, its value's and meaning."""
    options = arguments(suite, settings or {})
    steps = lib.steps_load(suite)
    state = lib.State(options.state, options.build)
    if options.inside:
        inside(steps, state, *options.inside)
        return
    unknown = set(options.only) - {step.name for step in steps}
    if unknown:
        sys.exit(f"{suite}: no step {', '.join(sorted(unknown))}; see --list")
    if options.list:
        for step in steps:
            known = state.load(step.name)
            print(f"{step.name:18} {verdict_of(known['rows']) if known else '-':5} {step.line}")
        return
    if os.geteuid() != 0:
        sys.exit(f"{suite}: needs root, for namespaces and network devices")
    if options.fresh:
        state.forget(options.only)
    print(f"{suite} at {state.commit}, state in {state.root}", flush=True)
    rows = run_all([step for step in steps if not options.only or step.name in options.only], state,
                   options)
    count = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in MARKS}
    print(f"{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    sys.exit(1 if count["FAIL"] else 0)

