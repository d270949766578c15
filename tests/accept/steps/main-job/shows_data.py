# SPDX-License-Identifier: BSD-3-Clause
"""1 GiB of real data over tap, veth and memif; loss; a restart in the middle of a transfer."""

import json
import os
import re
import subprocess
import time

import lib
import node


def transfer(context, daemon, name, family, line):
    """One fetch, with the sums, the port and the resources looked at afterwards."""
    out = context.path("out")
    idle, before = daemon.resources(), daemon.stats()
    disk = lib.proc_value(daemon.pid, "io", "read_bytes")
    told = daemon.fetch(name, out, family=family)
    after = daemon.stats()
    grown = {key: after["dataplane"][key] - before["dataplane"][key] for key in after["dataplane"]}
    grown["read_bytes"] = lib.proc_value(daemon.pid, "io", "read_bytes") - disk
    lib.log_line(context.log("transfers.jsonl"), json.dumps({"line": line, "told": told,
                                                             "grown": grown}))
    same = told["code"] == 0 and lib.sha256(out) == lib.sha256(lib.real_file(context, lib.GIB))
    context.check(f"{line}: SHA-256 equal", same, f"{told.get('gigabits_per_second', 0):.2f} Gb/s, "
                  f"exit {told['code']} {told['stderr'][-200:] if told['code'] else ''}")
    os.unlink(out) if os.path.exists(out) else None
    wrong = node.sums_wrong(after)
    context.check(f"{line}: requests received = the port's packets less other frames; answered + "
                  "partial + dropped by reason + pending = received", not wrong,
                  "; ".join(wrong) or f"{grown['rx_packets']} packets, {grown['requests']} requests, "
                  f"{grown['answered']} answered")
    wrong = node.ports_wrong(daemon, after)
    context.check(f"{line}: slices sent agree with the port", not wrong, "; ".join(wrong) or
                  f"{grown['slices_memory'] + grown['slices_disk']} slices, "
                  f"{grown['tx_packets']} packets")
    wrong = node.settle(daemon, idle)
    context.check(f"{line}: no mbuf, chunk or descriptor leaked", not wrong,
                  "; ".join(wrong) or f"{len(idle)} free counts as before")
    return told, grown


def real_data(context, kind):
    wire = node.Wire(context, kind)
    daemon = node.Daemon(context, wire, cache="1536MiB", store="2GiB").start()
    path = lib.real_file(context, lib.GIB)
    name = daemon.put(path)["id"]
    for family in 4, 6:
        line = f"1 GiB over {kind}, IPv{family}"
        context.say(f"{line}, from memory")
        told, grown = transfer(context, daemon, name, family, f"{line}, first fetch")
        context.check(f"{line}: slices from memory = all slices",
                      told.get("slices_memory") == told.get("slices", -1) and
                      grown["slices_disk"] == 0 and grown["disk_reads"] == 0 and
                      grown["slices_memory"] >= told.get("slices", 0),
                      f"{told.get('slices_memory')} of {told.get('slices')} slices received, "
                      f"{grown['slices_memory']} sent from memory, {grown['slices_disk']} from disk")
        context.say(f"{line}, after a restart")
        daemon.stop()
        daemon.start()
        told, grown = transfer(context, daemon, name, family, f"{line}, after a restart")
        context.check(f"{line}, after a restart: read_bytes grows by the object's size",
                      grown["read_bytes"] >= lib.GIB, f"{grown['read_bytes']} bytes for {lib.GIB}; "
                      f"{grown['slices_disk']} slices from disk", f">= {lib.GIB}")
    code = daemon.stop()
    context.check(f"1 GiB over {kind}: a clean end", code == 0, f"exit {code}")


@lib.step("data-tap", "1 GiB of real data over tap, IPv4 and IPv6")
def data_tap(context):
    real_data(context, "tap")


@lib.step("data-veth", "1 GiB of real data over af_packet on a veth, IPv4 and IPv6")
def data_veth(context):
    real_data(context, "veth")


MEMIF_LINE = "memif with a DPDK client of the tests"


@lib.step("data-memif", MEMIF_LINE, seconds=200)
def data_memif(context):
    folder = context.state.build_dirs["release"]
    if "tests/programs/memif_client" not in lib.command("ninja", "-C", folder, "-t", "targets", "all"):
        raise lib.Failure("the tests have no memif client (tests/programs/memif_client)")
    lib.command("ninja", "-j2", "-C", folder, "tests/programs/memif_client")
    daemon = node.Daemon(context, None, cache="1536MiB", store="2GiB",
                         device=f"net_memif0,role=server,id=0,socket={context.path('memif.sock')},"
                                "socket-abstract=no").start()
    path = lib.real_file(context, lib.GIB)
    name = daemon.put(path)["id"]
    out = context.path("out")
    idle = daemon.resources()
    client = lib.command(context.program("tests/programs/memif_client"), "--socket",
                         context.path("memif.sock"), "--server", node.IP4, "--client", node.OWN4,
                         "--output", out, name, check=False, timeout=150)
    same = client.returncode == 0 and os.path.exists(out) and lib.sha256(out) == lib.sha256(path)
    context.check(f"{MEMIF_LINE}: 1 GiB, SHA-256 equal", same, f"exit {client.returncode}: "
                  f"{(client.stdout + client.stderr).strip()[-300:]}")
    stats = daemon.stats()
    wrong, told = node.sums_wrong(stats), json.loads(client.stdout or "{}")
    other_end = told.get("rx_packets", 0) + told.get("rx_other", 0)
    if other_end != stats["dataplane"]["tx_packets"]:
        wrong.append(f"{stats['dataplane']['tx_packets']} packets sent, the client's port counts {other_end}")
    context.check(f"{MEMIF_LINE}: the sums hold, slices sent agree with the port (the client's: "
                  "memif forgets its counts when the peer leaves)", not wrong, "; ".join(wrong) or
                  f"{stats['dataplane']['slices_memory']} slices from memory, "
                  f"{stats['dataplane']['slices_disk']} from disk")
    context.check(f"{MEMIF_LINE}: slices from memory = all slices",
                  stats["dataplane"]["slices_disk"] == 0 < stats["dataplane"]["slices_memory"],
                  f"{stats['dataplane']['slices_memory']} slices")
    wrong = node.settle(daemon, idle)
    context.check(f"{MEMIF_LINE}: no mbuf, chunk or descriptor leaked", not wrong,
                  "; ".join(wrong) or "free counts as before")


LOSS_LINE = "5% loss by iptables in the client's namespace: completes, verified"


@lib.step("loss", LOSS_LINE, seconds=400)
def loss(context):
    lib.require("iptables")
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire, cache="1536MiB", store="2GiB").start()
    path = lib.real_file(context, lib.GIB)
    name = daemon.put(path)["id"]
    for chain, match in ("INPUT", "--sport"), ("OUTPUT", "--dport"):
        lib.command(*wire.inside("iptables", "-A", chain, "-p", "udp", match, 9500, "-m", "statistic",
                                 "--mode", "random", "--probability", "0.05", "-j", "DROP"))
    out = context.path("out")
    try:
        told = daemon.fetch(name, out, timeout=240)
    except subprocess.TimeoutExpired:
        told = {"code": "none", "stderr": "stopped after 240 s"}
    rules = lib.command(*wire.inside("iptables", "-L", "-v", "-n", "-x"))
    dropped = sum(int(count) for count in re.findall(r"^\s*(\d+)\s+\d+ DROP", rules, re.M))
    same = told["code"] == 0 and lib.sha256(out) == lib.sha256(path)
    context.check(LOSS_LINE, same and dropped > 0,
                  f"1 GiB, {dropped} packets dropped, {told.get('slices_lost')} slices asked again, "
                  f"{told.get('gigabits_per_second', 0):.2f} Gb/s, exit {told['code']} "
                  f"{told['stderr'][-200:] if told['code'] else ''}", "complete and equal")
    wrong = node.sums_wrong(daemon.stats())
    context.check("5% loss: the sums hold", not wrong, "; ".join(wrong) or "both hold")


RESTART_LINE = "the daemon restarted in the middle of a transfer: completes (new token)"


@lib.step("restart", RESTART_LINE, seconds=120)
def restart(context):
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire, cache="1536MiB", store="2GiB").start()
    path = lib.real_file(context, lib.GIB)
    name = daemon.put(path)["id"]
    out = context.path("out")
    with open(context.log("aroget.json"), "w+b") as told_file:
        client = lib.spawn(wire.inside(context.program("dataplane/client/aroget"), "--from", node.IP4,
                                       "-j", "-o", out, name), stdout=told_file,
                           stderr=subprocess.DEVNULL)
        while daemon.call("stats")["dataplane"]["slice_bytes"] < lib.GIB // 4:
            if client.poll() is not None:
                raise lib.Failure("the transfer ended before the restart")
        sent = daemon.call("stats")["dataplane"]["slice_bytes"]
        began = time.monotonic()
        daemon.kill()
        running = client.poll() is None
        daemon.start()
        back = time.monotonic() - began
        code = client.wait(60)
        told_file.seek(0)
        told = json.loads(told_file.read() or b"{}")
    same = code == 0 and lib.sha256(out) == lib.sha256(path)
    context.check(RESTART_LINE, same and running and told.get("token_round_trips", 0) >= 2,
                  f"kill -9 after {sent >> 20} MiB, back in {back:.2f} s, exit {code}, "
                  f"{told.get('token_round_trips')} tokens asked for, equal: {same}",
                  "complete, equal, a second token")
