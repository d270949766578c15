# SPDX-License-Identifier: BSD-3-Clause
"""The control side cannot hurt the packet path; programs written from the documents alone; the list
of broken defences."""

import os
import re
import time

import lib
import node

PAIRS, RUN_S = 16, 2
LINE = "`aroctl stats` in a loop: packet rate changes by < 2%"
READ_LINE = "a client that never reads its answer: packet rate changes by < 2%"

# Asks and never reads; connects again when the daemon has dropped it.
NEVER_READS = """
import socket, sys
while True:
    link = socket.socket(socket.AF_UNIX)
    link.connect(sys.argv[1])
    try:
        while True:
            link.sendall(b'{"jsonrpc":"2.0","id":1,"method":"stats"}\\n')
    except OSError:
        link.close()
"""


# The same work of the same size, asked of nobody.
READS_ITSELF = """
import socket
out, back = socket.socketpair()
while True:
    out.sendall(b'{"jsonrpc":"2.0","id":1,"method":"stats"}\\n')
    back.recv(65536)
"""


def counted(daemon):
    """(time, packets that the lcore took by its own counter)."""
    began = time.monotonic()
    count = daemon.call("stats")["dataplane"]["rx_packets"]
    return (began + time.monotonic()) / 2, count


def rate(context, daemon, words):
    """Packets per second, with a program at work beside it on a CPU that is not the lcore's: what is
    measured is the daemon, not who gets a CPU."""
    process = None
    if words:
        with open(context.log("disturber.log"), "ab") as log:
            process = lib.spawn(["taskset", "-c", "0", *words], stdout=log, stderr=log)
        time.sleep(0.2)
    began, first = counted(daemon)
    time.sleep(RUN_S)
    ended, last = counted(daemon)
    if process:
        if process.poll() is not None:
            raise lib.Failure(f"what should disturb ended: {lib.tail(context.log('disturber.log'))}")
        process.kill()
        process.wait()
    return (last - first) / (ended - began)


def spread(ratios):
    return (f"{(lib.median(ratios) - 1) * 100:+.2f}% ({(min(ratios) - 1) * 100:+.2f}% to "
            f"{(max(ratios) - 1) * 100:+.2f}%)")


def paired(context, line, daemon, disturber, bystander):
    """Quiet, bystander, disturbed, again and again; the median of the paired ratios is judged.
    The bystander loads its CPU just as much without a word to the daemon: when that alone changes
    the rate, the machine's CPUs are not independent and the line cannot be measured here."""
    os.setpriority(os.PRIO_PROCESS, 0, -15)  # the clock must not wait for the disturber
    by_quiet, by_bystander, alone, quiet = [], [], [], 0
    rate(context, daemon, None)
    for pair in range(PAIRS):
        quiet = rate(context, daemon, None)
        beside = rate(context, daemon, bystander)
        disturbed = rate(context, daemon, disturber)
        by_quiet.append(disturbed / quiet)
        by_bystander.append(disturbed / beside)
        alone.append(beside / quiet)
        context.say(f"pair {pair + 1} of {PAIRS}: quiet {quiet / 1e6:.2f} M/s, bystander "
                    f"{beside / 1e6:.2f}, disturbed {disturbed / 1e6:.2f}")
    found = (f"against quiet {spread(by_quiet)}, against a bystander's load {spread(by_bystander)}, the "
             f"bystander alone {spread(alone)}; median of {PAIRS} pairs, range; one lcore saturated by "
             f"a net_null port at {quiet / 1e6:.1f} M packets/s")
    good = [abs(lib.median(ratios) - 1) < 0.02 for ratios in (by_quiet, by_bystander)]
    if not good[0] and good[1] and abs(lib.median(alone) - 1) >= 0.02:
        context.skip(line, f"a busy CPU beside the lcore's slows it whatever it does: {found}")
    else:
        context.check(line, good[0], found, "within 2% of quiet")


@lib.step("control-stats", LINE, seconds=300)
def control_stats(context):
    daemon = node.Daemon(context, None, device="net_null0").start()
    loop = f"while :; do '{context.program('control/aroctl')}' -j -s '{daemon.socket_path}' WORDS " \
           ">/dev/null || exit 1; done"
    before = daemon.call("stats")["control"]["requests"]
    paired(context, LINE, daemon, ["bash", "-c", loop.replace("WORDS", "stats")],
           ["bash", "-c", loop.replace("WORDS", "explain ARO-1001")])
    asked = daemon.call("stats")["control"]["requests"] - before
    context.say(f"{asked} requests served meanwhile")


@lib.step("control-unread", READ_LINE, seconds=300)
def control_unread(context):
    daemon = node.Daemon(context, None, device="net_null0").start()
    paired(context, READ_LINE, daemon,
           ["/usr/bin/python3", "-c", NEVER_READS, daemon.socket_path],
           ["/usr/bin/python3", "-c", READS_ITSELF])
    control = daemon.call("stats")["control"]
    context.check("a client that never reads its answer: it is dropped, the daemon goes on",
                  control["clients_dropped"] > 0 and daemon.alive(),
                  f"{control['clients_dropped']} dropped, {control['requests']} requests",
                  "at least one dropped")


def standard_only(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    modules = re.findall(r"^\s*(?:import|from) (\w+)", "\n".join(lines), re.M)
    listed = [word.strip() for line in lines if line.strip().startswith("import ")
              for word in line.strip()[7:].split(",")]
    result = lib.command("/usr/bin/python3", "-c", "import sys; print(*sys.stdlib_module_names)").split()
    foreign = sorted({name.split(".")[0].split(" ")[0] for name in modules + listed} - set(result))
    return len(lines), foreign


PROGRAM_LINE = "a program of <= 150 lines of Python's standard library"


@lib.step("programs", PROGRAM_LINE, seconds=100)
def programs(context):
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire).start()
    path = lib.real_file(context, 16 * lib.MIB)
    name = daemon.put(path)["id"]
    for script, purpose in ("tests/programs/control.py", "put, ls, stats, an error"), \
            ("tests/programs/fetch.py", "fetches and verifies"):
        line = f"{PROGRAM_LINE}: {script} ({purpose})"
        if not os.path.exists(os.path.join(lib.ROOT, script)):
            context.row(line, "it is not there", "FAIL")
            continue
        length, foreign = standard_only(context.source(script))
        if script.endswith("fetch.py"):
            out = context.path("fetched")
            result = lib.command(*wire.inside("/usr/bin/python3", context.source(script), "--from",
                                              f"{node.IP4}:9500", name, out), check=False, timeout=60)
            good = result.returncode == 0 and lib.sha256(out) == lib.sha256(path)
            told = f"exit {result.returncode}, 16 MiB equal: {good} {result.stderr.strip()[-200:]}"
        else:
            result = lib.command("/usr/bin/python3", context.source(script), daemon.socket_path,
                                 lib.real_file(context, lib.MIB), check=False, timeout=60)
            text = result.stdout + result.stderr
            did = re.findall(r"^(put|ls|stats)\b|(ARO-\d{4})", text, re.M)
            did = {word for pair in did for word in pair if word}
            good = result.returncode == 0 and {"put", "ls", "stats"} <= did and len(did) > 3
            told = f"exit {result.returncode}, did {', '.join(sorted(did))} {result.stderr.strip()[-300:]}"
        context.check(line, good and length <= 150 and not foreign,
                      f"{length} lines, outside the library: {', '.join(foreign) or 'nothing'}; {told}")


BREAKS_LINE = "the list of break -> test that caught it stands in docs/testing.md"
PROMISES = {"skip the digest": r"digest|SHA-256", "the token check": r"token",
            "the pin": r"\bpin", "the fsync": r"fsync"}


@lib.step("breaks", BREAKS_LINE, seconds=60)
def breaks(context):
    with open(context.source("docs/testing.md"), encoding="utf-8") as file:
        rows = [line.strip().strip("|").split("|") for line in file if line.startswith("|")]
    tests = lib.command("git", "-c", "safe.directory=*", "-C", lib.ROOT, "ls-files", "tests").split()
    files = [os.path.basename(path).split(".")[0] for path in tests]
    for promise, pattern in PROMISES.items():
        found = [row for row in rows if len(row) >= 2 and re.search(pattern, " ".join(row[:-1]))]
        named = {name for row in found for name in re.findall(r"`(\w+)", row[-1])}
        known = {name for name in named if any(file.endswith(name.split("_")[-1]) for file in files)}
        context.check(f"{BREAKS_LINE}: {promise}", bool(known),
                      f"{len(found)} breaks, caught by {', '.join(sorted(known)[:4]) or 'no test that exists'}")
