# SPDX-License-Identifier: BSD-3-Clause
"""Ten minutes of fuzzing per decoder, in steps of five; junk for a minute at full rate."""

import os
import re

import lib
import node

FULL_S, PARTS = 600, 2
JUNK_LINE = "junk for a minute at full rate: no crash, no sanitizer report, every packet in a named counter"


def fuzz_step(context, name, part):
    line = f"10 minutes of fuzzing, {name} decoder (part {part} of {PARTS})"
    wanted = FULL_S // PARTS
    seconds = min(wanted, int(os.environ.get("AROCACHE_FUZZ_SECONDS", wanted)))
    corpus = os.path.join(context.state.root, f"fuzz-corpus-{name}")
    os.makedirs(corpus, exist_ok=True)
    log = context.log("fuzz.log")
    context.say(f"{name}: {seconds} s")
    with open(log, "wb") as out:
        process = lib.spawn([context.program(f"tests/fuzz/fuzz_{name}", "fuzz"),
                             f"-max_total_time={seconds}", f"-artifact_prefix={context.logs}/",
                             f"-seed={part}", "-print_final_stats=1", "-rss_limit_mb=2048",
                             "-max_len=" + ("2048" if name == "packet" else "8192"), corpus,
                             context.source(f"tests/fuzz/corpus/{name}")], stdout=out, stderr=out)
        code = process.wait()
    with open(log, encoding="utf-8", errors="replace") as file:
        told = file.read()
    runs = re.findall(r"number_of_executed_units: (\d+)", told)
    found = f"{seconds} s, {int(runs[-1]):,} executions, exit {code}" if runs else lib.tail(log)
    bad = code != 0 or not runs or "Sanitizer" in told or "SUMMARY" in told
    if bad or seconds == wanted:
        context.check(line, not bad, found, "no finding")
    else:
        context.skip(line, f"only {seconds} of {wanted} s (AROCACHE_FUZZ_SECONDS): {found}, no finding")


for _name in "packet", "manifest":
    for _part in range(1, PARTS + 1):
        lib.step(f"fuzz-{_name}-{_part}", f"10 minutes of fuzzing, {_name} decoder (part {_part})",
                 seconds=FULL_S // PARTS + 120, needs=("fuzz",))(
            lambda context, name=_name, part=_part: fuzz_step(context, name, part))


@lib.step("junk", JUNK_LINE, seconds=400, needs=("release", "asan"))
def junk(context):
    script = context.source("tests/packets/junk.py")
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire, build="asan", cache="64MiB", store="1GiB")
    daemon.env = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:halt_on_error=1",
                  "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    daemon.start()
    path = lib.real_file(context, lib.MIB)
    name = daemon.put(path)["id"]
    idle = daemon.resources()
    before = daemon.stats()["dataplane"]
    context.say("60 s of junk")
    result = lib.command(*wire.inside(
        "/usr/bin/python3", script, "--iface", "vb", "--target-mac",
        daemon.call("ports")["ports"][0]["mac"], "--target4", node.IP4, "--target6", node.IP6,
        "--seconds", 60), check=False, timeout=200)
    lib.log_line(context.log("junk.log"), result.stdout + result.stderr)
    running = daemon.process.poll() is None
    with open(daemon.log_path, encoding="utf-8", errors="replace") as file:
        reports = re.findall(r".*(?:Sanitizer|runtime error).*", file.read())
    context.check(f"{JUNK_LINE} (daemon alive, no sanitizer report)",
                  running and result.returncode == 0 and not reports,
                  f"{(result.stdout + result.stderr).strip()[-200:]}; daemon "
                  f"{'alive' if running else f'dead ({daemon.process.poll()})'}; reports: "
                  f"{reports[:2] or 'none'}")
    if not running:
        return
    after = daemon.stats()
    counters, declared = after["dataplane"], node.counters_declared()
    wrong = node.sums_wrong(after)
    nameless = [counter for counter in counters
                if counter not in declared or counter in ("drop_other", "drop_unknown", "drop_misc")]
    grown = {key: counters[key] - before[key] for key in counters}
    drops = sum(value for key, value in grown.items() if key.startswith("drop_"))
    context.check(f"{JUNK_LINE} (both sums, no counter 'other')",
                  not wrong and not nameless and drops > 0,
                  f"{grown['rx_packets']} packets, {drops} dropped by "
                  f"{sum(value > 0 for key, value in grown.items() if key.startswith('drop_'))} named "
                  f"reasons; {'; '.join(wrong + nameless) or 'both sums hold'}")
    missed = daemon.call("ports")["ports"][0]
    context.say(f"the port missed {missed['rx_missed']} packets, errors {missed['rx_errors']}")
    told = daemon.fetch(name, context.path("out"))
    leaked = node.settle(daemon, idle)
    context.check(f"{JUNK_LINE} (goes on, nothing leaked)", told["code"] == 0 and not leaked and
                  lib.sha256(context.path("out")) == lib.sha256(path),
                  f"fetch exit {told['code']}; {'; '.join(leaked) or 'free counts as before'}")
    code = daemon.stop()
    context.check(f"{JUNK_LINE} (a clean end)", code == 0, f"exit {code}: {lib.tail(daemon.log_path, 1)}")
