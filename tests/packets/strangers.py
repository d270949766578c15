#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Nothing for strangers: whoever has not proven its address never gets more bytes than it sent.

Sends every message type in every size from 0 to what fits the MTU, without a token, with random,
expired, forged and stolen ones, each from a port of its own, and captures what comes back.
Then feeds the server's own answers back to it: two servers must never talk to each other."""

import random
import struct
import time

import wire

BATCH = 256  # requests between two looks at what came back
PORTS = (10000, 60000)
MTU = 1500
TOKEN_RENEW_S = 10  # a third of a token's life


class Ledger:
    """What was sent from each port and what came back to it."""

    def __init__(self):
        self.sent = {}
        self.returned = {}
        self.totals = {"requests": 0, "bytes_in": 0, "answers": 0, "bytes_out": 0}

    def request(self, key, payload, frame):
        self.sent[key] = (len(payload), max(len(frame), wire.FRAME_BYTES_MIN))
        self.returned[key] = [0, 0]
        self.totals["requests"] += 1
        self.totals["bytes_in"] += len(payload)

    def answer(self, key, payload, frame):
        if key not in self.sent:
            raise wire.Failure(f"an answer to port {key[1]} that asked nothing: {payload.hex()}")
        if payload[:1] == bytes([wire.DATA]):
            raise wire.Failure(f"DATA for a stranger: {payload[:24].hex()}")
        if payload[:1] not in (bytes([wire.TOKEN]), bytes([wire.STATUS])):
            raise wire.Failure(f"an answer that is neither TOKEN nor STATUS: {payload[:24].hex()}")
        back, sent = self.returned[key], self.sent[key]
        back[0] += len(payload)
        back[1] += len(frame)
        if back[0] > sent[0] or back[1] > sent[1]:
            raise wire.Failure(
                f"{back[0]} bytes of payload in {back[1]} bytes of frames came back for a request "
                f"of {sent[0]} in {sent[1]}"
            )
        self.totals["answers"] += 1
        self.totals["bytes_out"] += len(payload)


def tokens(link, family, random_bytes):
    """None, noise, and what can be made of another port's token: expired, forged, stolen."""
    stolen = link.ask(family, PORTS[1], wire.request(wire.GET, 76))[16:32]
    issued_ms = struct.unpack_from("!I", stolen, 4)[0]
    expired = stolen[:4] + struct.pack("!I", (issued_ms - 60000) & 0xFFFFFFFF) + stolen[8:]
    return [wire.NO_TOKEN, random_bytes(16), expired, stolen[:8] + random_bytes(8), stolen]


def messages(family, held, chunk):
    """Every request asks for the chunk: whoever is taken in by a token of held would send DATA."""
    most = MTU - (28 if family == 4 else 48)
    for size in range(most + 1):
        for kind in range(4, 16):
            for token in held:
                yield wire.request(kind, size, token, chunk=chunk)
            yield wire.request(kind, size, version=2, chunk=chunk)
        for version in (0, 255):
            yield wire.request(wire.GET, size, version=version, chunk=chunk)
    for kind in list(range(4)) + list(range(16, 256)):
        for size in (1, 2, 75, 76, 77, 80, most):
            yield wire.request(kind, size)


def settle(link, ledger, quiet_s):
    for family, port, payload, frame in link.answers(quiet_s):
        ledger.answer((family, port), payload, frame)


def sweep(link, family, seed, chunk):
    ledger = Ledger()
    port = PORTS[0]

    random_bytes = random.Random(seed).randbytes
    held = tokens(link, family, random_bytes)
    renewed = time.monotonic()
    for number, payload in enumerate(messages(family, held, chunk)):
        frame = link.udp(family, port, payload)
        ledger.request((family, port), payload, frame)
        link.send(frame)
        port = port + 1 if port + 1 < PORTS[1] else PORTS[0]
        if number % BATCH == BATCH - 1:
            settle(link, ledger, 0.002)
        if time.monotonic() - renewed > TOKEN_RENEW_S:
            settle(link, ledger, 0.5)
            held[:] = tokens(link, family, random_bytes)
            renewed = time.monotonic()
    settle(link, ledger, 0.5)
    if link.lost():
        raise wire.Failure("the capture lost frames: this run proves nothing")
    if ledger.totals["answers"] == 0:
        raise wire.Failure("not one TOKEN or STATUS came back: is this the daemon's port?")
    print(f"IPv{family}:", *(f"{name}={value}" for name, value in ledger.totals.items()))


def own_answers(link, family, chunk):
    """A TOKEN, STATUS and (given a chunk that it holds) DATA of the server, and made ones."""
    port = PORTS[1]
    first = link.ask(family, port, wire.request(wire.GET, 76))
    if first[:1] != bytes([wire.TOKEN]):
        raise wire.Failure(f"the answer to a GET without a token is no TOKEN: {first[:24].hex()}")
    found = [first, link.ask(family, port, wire.request(wire.GET, 76, version=2))]
    link.send(link.udp(family, port, wire.request(wire.GET, 76, first[16:32], chunk=chunk)))
    found += [payload for _, _, payload, _ in link.answers(0.5)][:64]
    kinds = {payload[0] for payload in found}
    if any(chunk) and wire.DATA not in kinds:
        raise wire.Failure(f"no DATA for chunk {chunk.hex()}: does the daemon hold it?")
    data = struct.pack("!BBBBHHII8s", wire.DATA, 1, 0, 0, 1408, 0, 65536, 0, b"strange!")
    found += [data + bytes(1408), struct.pack("!BB22x", wire.LOCATED, 1), first[:31], first + b"\0"]
    found += [struct.pack("!BB74x", kind, 1) for kind in (wire.DATA, wire.STATUS, wire.TOKEN,
                                                         wire.LOCATED, wire.PONG)]
    return found


def feed_back(link, family, chunk):
    payloads = own_answers(link, family, chunk)

    for payload in payloads + [wire.request(wire.GET, 76)] * 3:
        sources = [link.port, 0] if payload[0] == wire.GET else [link.port, PORTS[1] + 1]
        for source in sources:
            link.send(link.udp(family, source, payload))
    for frame in link.receive(1.0):
        answer = wire.udp_parse(frame)
        if answer is not None:
            raise wire.Failure(f"an answer to the server's own answers: {answer[3][:24].hex()}")
    print(f"IPv{family}: silence after {len(payloads)} of the server's own answers")


def options(parser):
    parser.add_argument("--chunk", type=bytes.fromhex, default=bytes(32),
                        help="id (64 hex digits) of a chunk that the daemon holds: strangers ask "
                        "for it, and its DATA is fed back")


def main():
    args = wire.arguments(__doc__, options)
    link = wire.Wire(args)
    began = time.monotonic()

    for family in link.targets:
        link.ask(family, PORTS[1], wire.request(wire.GET, 76))
        sweep(link, family, args.seed, args.chunk)
        feed_back(link, family, args.chunk)
        link.ask(family, PORTS[1], wire.request(wire.GET, 76))
    print(f"strangers: passed in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    wire.run(main)
