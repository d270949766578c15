#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Junk at full rate: fuzzed IP, UDP, ICMP, ARP and neighbour discovery, truncations,
damaged headers, random bytes.

Frames are made in memory from a seed, then sent round and round for a while by a raw socket that
skips the queueing discipline. Afterwards the daemon must still answer a well-formed request."""

import errno
import random
import socket
import time

from scapy.all import ARP, ICMP, IP, IPv6, TCP, UDP, Dot1Q, Ether, Raw, conf, fuzz
from scapy.all import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr
from scapy.all import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop

import wire

FRAME_BYTES_MAX = 1514
PACKET_QDISC_BYPASS = 20


def layers(args):
    """Lists of makers of what follows the Ethernet header."""
    port = args.port
    makers = [
        lambda: fuzz(ARP()),
        lambda: fuzz(ARP(op=1, pdst=args.target4 or "10.0.0.1")),
        lambda: Dot1Q(vlan=7) / IP() / UDP(),
    ]
    if args.target4:
        to4 = {"dst": args.target4, "src": args.source4}
        makers += [
            lambda: fuzz(IP(**to4)) / fuzz(UDP(dport=port)) / Raw(random.randbytes(76)),
            lambda: fuzz(IP(**to4, proto=17)) / UDP(dport=port),
            lambda: IP(**to4) / fuzz(UDP(dport=port)) / Raw(random.randbytes(100)),
            lambda: IP(**to4) / fuzz(ICMP()) / Raw(random.randbytes(32)),
            lambda: fuzz(IP(dst=args.target4)) / fuzz(ICMP()),
            lambda: IP(**to4) / fuzz(TCP()),
            lambda: IP(**to4, flags="MF", frag=random.randrange(8192)) / UDP(dport=port),
            lambda: IP(**to4, options=[random.randbytes(4)]) / UDP(dport=port),
        ]
    if args.target6:
        to6 = {"dst": args.target6, "src": args.source6}
        solicit = ICMPv6ND_NS(tgt=args.target6)
        makers += [
            lambda: fuzz(IPv6(**to6)) / fuzz(UDP(dport=port)) / Raw(random.randbytes(76)),
            lambda: IPv6(**to6) / fuzz(UDP(dport=port)) / Raw(random.randbytes(100)),
            lambda: IPv6(**to6) / fuzz(ICMPv6EchoRequest()),
            lambda: IPv6(**to6, hlim=255) / fuzz(ICMPv6ND_NS(tgt=args.target6)),
            lambda: IPv6(**to6, hlim=255) / solicit / fuzz(ICMPv6NDOptSrcLLAddr()),
            lambda: IPv6(**to6, hlim=255) / fuzz(ICMPv6ND_NA()),
            lambda: IPv6(**to6) / fuzz(IPv6ExtHdrFragment()) / UDP(dport=port),
            lambda: IPv6(**to6) / IPv6ExtHdrHopByHop() / UDP(dport=port),
            lambda: IPv6(**to6) / fuzz(IPv6ExtHdrDestOpt()) / UDP(dport=port),
        ]
    return makers


def fuzzed(args, makers, ether):
    """Some fields that scapy draws do not fit what it computes from them: draw again."""
    while True:
        try:
            return bytes(ether / random.choice(makers)())[:FRAME_BYTES_MAX]
        except Exception:  # pylint: disable=broad-except
            continue


def requests(link):
    """Well-formed frames around messages that are not."""
    family = random.choice(list(link.targets))
    message = bytearray(wire.request(random.randrange(4, 16), random.choice((75, 76, 77, 80, 500)),
                                     random.randbytes(16)))
    for _ in range(random.randrange(4)):
        message[random.randrange(len(message))] = random.randrange(256)
    return link.udp(family, random.randrange(65536), bytes(message))


def truncated(link):
    frame = requests(link)
    return frame[: random.randrange(14, len(frame))]


def damaged(link):
    """Headers with a few wrong bytes: checksums, addresses, lengths."""
    frame = bytearray(requests(link))
    for _ in range(random.randrange(1, 4)):
        frame[random.randrange(12, 62)] = random.randrange(256)
    return bytes(frame)


def noise(link):
    kind = random.choice((b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", random.randbytes(2)))
    return link.target_mac + link.mac + kind + random.randbytes(random.randrange(1500))


def frames_make(args, link):
    ether = Ether(dst=args.target_mac, src=link.mac.hex(":"))
    makers = layers(args)
    frames = []

    for number in range(args.frames):
        kind = number % 5
        if kind == 0:
            frames.append(fuzzed(args, makers, ether))
        elif kind == 1:
            frames.append(requests(link))
        elif kind == 2:
            frames.append(truncated(link))
        elif kind == 3:
            frames.append(damaged(link))
        else:
            frames.append(noise(link))
    return frames


def flood(link, frames, seconds):
    """Number of frames sent. A full queue is no failure: the rate is what the wire takes."""
    send, sent = link.socket.send, 0
    deadline = time.monotonic() + seconds

    while time.monotonic() < deadline:
        for frame in frames:
            try:
                send(frame)
                sent += 1
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                    raise wire.Failure(f"a frame of {len(frame)} bytes: {error}") from None
            if sent % 1024 == 0 and time.monotonic() >= deadline:
                break
    return sent


def options(parser):
    parser.add_argument("--seconds", type=float, default=10, help="how long to send (10)")
    parser.add_argument("--frames", type=int, default=4096, help="different frames (4096)")
    parser.add_argument("--no-check", action="store_true", help="ask for no answer at the end")


def main():
    args = wire.arguments(__doc__, options)
    link = wire.Wire(args)
    conf.verb = 0
    random.seed(args.seed)
    if 4 in link.targets:
        args.source4 = socket.inet_ntoa(link.targets[4][0])
    if 6 in link.targets:
        args.source6 = socket.inet_ntop(socket.AF_INET6, link.targets[6][0])
    frames = frames_make(args, link)

    sender = wire.Wire(args)
    sender.socket.setsockopt(wire.SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # it only sends
    began = time.monotonic()
    sent = flood(sender, frames, args.seconds)
    took = time.monotonic() - began
    rate = sent / took / 1000
    print(f"junk: sent {sent} frames in {took:.1f} s, {rate:.0f} k/s, seed {args.seed}", flush=True)
    for family in () if args.no_check else link.targets:
        for _ in link.receive(0.05):
            pass  # answers to junk
        link.ask(family, 60000, wire.request(wire.GET, 76))


if __name__ == "__main__":
    wire.run(main)
