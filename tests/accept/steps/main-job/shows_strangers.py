# SPDX-License-Identifier: BSD-3-Clause
"""Nothing for strangers, judged on captured packets; a server's own answers fed back to it."""

import os
import re
import signal
import struct
import time

import lib
import node

LINE = "strangers: over every message type and size, without a token bytes out <= bytes in"
FED_LINE = "a server's own answers fed back to it: no reply"


def mac(wire):
    text = lib.command("cat", "/sys/class/net/va/address") if wire.kind == "veth" else ""
    return text.strip()


def packets(path):
    """Yields (Ethernet source, family, UDP source port, destination port, payload bytes, its first
    byte, frame bytes); the capture keeps only the headers."""
    with open(path, "rb") as file:
        header = file.read(24)
        order = "<" if header[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        while len(record := file.read(16)) == 16:
            kept, length = struct.unpack(order + "8xII", record)
            frame = file.read(kept)
            kind = frame[12:14]
            if kind == b"\x08\x00" and frame[23:24] == b"\x11":
                family, at = 4, 14 + (frame[14] & 15) * 4
            elif kind == b"\x86\xdd" and frame[20:21] == b"\x11":
                family, at = 6, 54
            else:
                continue
            source, destination, udp_bytes = struct.unpack_from("!HHH", frame, at)
            yield frame[6:12], family, source, destination, udp_bytes - 8, frame[at + 8:at + 9], length


def judge(path, daemon_mac):
    """Per stranger (family and port): payload and frame bytes in and out, and what came out."""
    strangers, kinds, sizes = {}, set(), set()
    for source_mac, family, source, destination, payload, kind, length in packets(path):
        out = source_mac == daemon_mac
        tally = strangers.setdefault((family, destination if out else source), [0, 0, 0, 0, set()])
        length = max(length, 60)  # what an Ethernet pads to
        tally[2 if out else 0] += payload
        tally[3 if out else 1] += length
        if out:
            tally[4].add(kind[0])
        else:
            kinds.update(kind)
            sizes.add(payload)
    return strangers, kinds, sizes


@lib.step("strangers", LINE, seconds=590)
def strangers(context):
    lib.require("tcpdump")
    script = context.source("tests/packets/strangers.py")
    wire = node.Wire(context, "veth")
    daemon = node.Daemon(context, wire).start()
    path = context.path("chunk")
    with open(path, "wb") as file:
        file.write(os.urandom(65536))
    daemon.put(path)
    chunk = lib.sha256(path)
    daemon_mac = daemon.call("ports")["ports"][0]["mac"]
    common = ["--iface", "vb", "--target-mac", daemon_mac]
    quiet = daemon.stats()["dataplane"]
    for family, target in (4, ["--target4", node.IP4]), (6, ["--target6", node.IP6]):
        pcap, log = context.path(f"ip{family}.pcap"), context.log(f"strangers-ip{family}.log")
        with open(context.log("tcpdump.log"), "ab") as told:
            capture = lib.spawn(wire.inside("tcpdump", "-i", "vb", "-w", pcap, "-B", 65536, "-Z", "root",
                                            "-s", "128", "udp", "port", "9500"), stderr=told)
            time.sleep(1)
            result = lib.command(*wire.inside("/usr/bin/python3", script, *common, *target, "--chunk",
                                              chunk), check=False, timeout=280)
            time.sleep(1)
            capture.send_signal(signal.SIGINT)
            capture.wait(20)
        lib.log_line(log, result.stdout + result.stderr)
        context.check(f"{LINE} (the script's own judgement, IPv{family})", result.returncode == 0,
                      (result.stdout + result.stderr).strip()[-300:])
        context.say(f"IPv{family}: judging {os.path.getsize(pcap) >> 20} MiB of captured packets")
        judge_capture(context, family, pcap, daemon_mac, chunk)
    after = daemon.stats()
    wrong = node.sums_wrong(after)
    fed = after["dataplane"]["drop_not_a_request"] - quiet["drop_not_a_request"]
    context.check(f"{FED_LINE}; each counted", fed > 0 and not wrong,
                  f"drop_not_a_request +{fed}; {'; '.join(wrong) or 'sums hold'}")
    context.check("strangers: the daemon goes on", daemon.alive(), "status answers")


def judge_capture(context, family, pcap, daemon_mac, chunk):
    """The sweep's ports are all strangers; the port that feeds answers back has a token (60000)."""
    told = open(context.log(f"strangers-ip{family}.log"), encoding="utf-8").read()
    lost = re.findall(r"(\d+) packets dropped by kernel", open(context.log("tcpdump.log")).read())
    tallies, kinds, sizes = judge(pcap, bytes.fromhex(daemon_mac.replace(":", "")))
    known = {port for port in tallies if port[1] >= 60000}
    sweep = {key: tally for key, tally in tallies.items() if key not in known}
    beyond = [(key, tally[:4]) for key, tally in sweep.items()
              if tally[2] > tally[0] or tally[3] > tally[1] or 5 in tally[4]]
    sums = [sum(tally[i] for tally in sweep.values()) for i in range(4)]
    whole = set(range(4, 16)) <= kinds and len(sizes) > 1400
    context.check(f"{LINE} (captured, IPv{family})", sweep and not beyond and whole and sums[2] > 0,
                  f"{len(sweep)} strangers, types {min(kinds, default=0)}..{max(kinds, default=0)}, "
                  f"{len(sizes)} sizes: payload {sums[2]} out / {sums[0]} in = "
                  f"{sums[2] / max(sums[0], 1):.3f}, frames {sums[3]} / {sums[1]}; above 1.0 or DATA: "
                  f"{beyond[:3] or 'none'}; capture lost {lost[-1] if lost else '?'}",
                  "every stranger <= 1.0, every type 4..15 and size")
    context.check(f"{FED_LINE} (IPv{family})", "silence after" in told and f"IPv{family}" in told,
                  (re.findall(r"IPv\d: silence.*", told) or [told.strip()[-200:]])[-1])
