# SPDX-License-Identifier: BSD-3-Clause
"""An lcore that is stopped from outside in the middle of its work, beside one that is not: the other
goes on, what it costs is bounded and counted, and everything comes back."""

import os
import sys
import time

import lib
import node

LINE = "a stalled lcore costs bounded memory, then misses shed and are counted, and it comes back"
STALLS, TRIES, SECONDS, BUSY_SECONDS = 3, 20, 2, 0.3
SHED_MIN = 100  # in a stall that caught the lcore with something in its hands
OTHER4 = "10.9.1.1"
MEMORY = 64 * lib.MIB


def two_lcores(context):
    """A daemon with a second port on an lcore of its own: veth va-vb as ever, vc-vd beside it."""
    wire = node.Wire(context, "veth")
    lib.command("ip", "link", "add", "vc", "type", "veth", "peer", "name", "vd", "netns",
                wire.inside()[2])
    lib.command("ip", "link", "set", "vc", "up")
    lib.command(*wire.inside("ip", "addr", "add", "10.9.1.2/24", "dev", "vd"))
    lib.command(*wire.inside("ip", "link", "set", "vd", "up"))
    daemon = node.Daemon(context, wire, cache=f"{MEMORY >> 20}MiB")
    with open(daemon.config, encoding="ascii") as file:
        text = file.read().replace("dataplane { lcores = {1} }", "dataplane { lcores = {1, 2} }")
    with open(daemon.config, "w", encoding="ascii") as file:
        file.write(text + f'port "p1" {{ device = "{wire.device.replace("packet0", "packet1").replace("va", "vc")}" '
                   f'addresses = {{"{OTHER4}/24"}} lcores = {{2}} }}\n')
    return daemon.start()


def fetch(daemon, source, name, output):
    with open(daemon.context.log("aroget.log"), "ab") as log:
        return lib.spawn(daemon.wire.inside(daemon.context.program("dataplane/client/aroget"), "--from", source,
                                            "-q", "-o", output, name), stderr=log)


def is_right(process, output, digest):
    return process.wait(120) == 0 and lib.sha256(output) == digest


def stalled(daemon, stall, names, digests):
    """One stall: the lcore stops in the middle of answers from disk; on the other one content that is
    pinned in memory is fetched again and again, and content that must come from disk. What was seen."""
    hot, cold, other = names
    outputs = [daemon.context.path(name) for name in ("held", "hot", "cold")]
    held = fetch(daemon, OTHER4, other, outputs[0])
    time.sleep(BUSY_SECONDS)
    before, seen, hits = daemon.call("stats"), [], 0
    with stall.Stall(daemon.pid, 2):
        missing, end = fetch(daemon, node.IP4, cold, outputs[2]), time.monotonic() + SECONDS
        while time.monotonic() < end:
            good = is_right(fetch(daemon, node.IP4, hot, outputs[1]), outputs[1], digests[hot])
            hits += 1 if good else -1000
            seen.append(daemon.call("stats"))
    good = is_right(held, outputs[0], digests[other]) and is_right(missing, outputs[2], digests[cold])
    grew = {key: max(one["dataplane"][key] for one in seen) - before["dataplane"][key]
            for key in ("hits_memory", "misses_shed", "stock_empty")}
    return grew | {"fetches": hits, "good": good,
                   "retired": max(one["cache"]["retired_now"] for one in seen),
                   "least": min(one["cache"]["bytes_chunks_now"] for one in seen)}


def stalls(daemon, names, digests):
    """So many that caught the lcore with chunks in its hands: one that just waits holds up nobody."""
    sys.path.insert(0, os.path.join(lib.ROOT, "tests/e2e"))
    import stall  # pylint: disable=import-outside-toplevel
    rows = []
    for turn in range(TRIES):
        rows.append(stalled(daemon, stall, names, digests))
        caught = sum(row["stock_empty"] >= SHED_MIN for row in rows)
        daemon.context.say(f"stall {turn + 1}: {rows[-1]}")
        if caught == STALLS:
            break
    return rows, caught


@lib.step("stalled-lcore", LINE, seconds=400)
def stalled_lcore(context):
    daemon = two_lcores(context)
    with open(context.path("other"), "wb") as file:
        for _ in range(128):
            file.write(os.urandom(lib.MIB))
    paths = lib.real_file(context, 8 * lib.MIB), lib.real_file(context, 192 * lib.MIB), context.path("other")
    names = [daemon.put(path)["id"] for path in paths]
    digests = dict(zip(names, map(lib.sha256, paths)))
    for source in node.IP4, OTHER4:
        if not is_right(fetch(daemon, source, names[0], context.path("out")), context.path("out"),
                        digests[names[0]]):
            raise lib.Failure(f"no right fetch from {source}")
    daemon.call("pin", id=names[0])
    idle = daemon.resources()
    rows, caught = stalls(daemon, names, digests)
    worst, least = max(row["retired"] for row in rows), min(row["least"] for row in rows)
    context.check(f"{LINE}: the other lcore goes on", all(row["fetches"] > 0 for row in rows),
                  f"{len(rows)} stalls of {SECONDS} s: meanwhile {sum(row['fetches'] for row in rows)} verified "
                  f"fetches of 8 MiB, {sum(row['hits_memory'] for row in rows):,} hits")
    context.check(f"{LINE}: bounded and counted", least >= MEMORY // 2 and caught == STALLS,
                  f"at most {worst} chunks unlinked and waiting, never less than {least >> 20} of {MEMORY >> 20} MiB "
                  f"in use; {caught} stalls made misses shed: {sum(row['misses_shed'] for row in rows):,} told to come "
                  f"again, {sum(row['stock_empty'] for row in rows):,} of them for want of memory",
                  f"half the memory stays in use, and {STALLS} stalls make misses shed")
    differs = node.settle(daemon, idle)
    daemon.call("unpin", id=names[0])
    told, wrong = daemon.call("flush"), node.sums_wrong(daemon.stats())
    context.check(f"{LINE}: when it moves again", all(row["good"] for row in rows) and not differs and not wrong
                  and daemon.call("stats")["cache"]["entries_now"] == 0,
                  f"{sum(row['good'] for row in rows)} of {len(rows)} times the held and the shed fetch ended right; "
                  f"{', '.join(differs) or 'all resources as before'}; flush removed {told['removed_chunks']}; "
                  f"{'; '.join(wrong) or 'all sums hold'}")
