#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fetches and verifies an object or a chunk; written from docs/protocol.md alone."""
import argparse
import hashlib
import os
import secrets
import socket
import struct
import sys
import time

GET = struct.Struct(">BBHHHQQ16s32sHH")
DATA = struct.Struct(">BBBBHHIIQ")
STATUS = struct.Struct(">BBBBIIIQ")
TOKEN = struct.Struct(">BBHIQ16s")
MANIFEST = struct.Struct(">4sBBBBIIQ32sII")
FANOUT, CHUNK_MAX, S, GIVE_UP = 16384, 1 << 20, 1152, 10.0
STATUSES = {1: "not found", 4: "denied", 5: "bad request", 6: "unsupported version"}
Failure = type("Failure", (Exception,), {})


class Source:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        info = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(*info[:3])
        self.socket.connect(info[4])
        self.token, self.window, self.timeout = bytes(16), 10, 1.0

    def ask(self, chunk_id, first, mask):
        echo = secrets.randbits(64)
        self.socket.send(GET.pack(4, 1, 0, S, first, mask, echo, self.token, chunk_id, 0, 0))
        return echo

    def answers(self, echo, wanted):
        """Yields (index, chunk length, payload) of the slices that come in answer to echo."""
        self.socket.settimeout(self.timeout)
        while wanted:
            try:
                bytes_ = self.socket.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                return
            if len(bytes_) > DATA.size and bytes_[:2] == b"\5\1":
                _, _, _, _, size, index, length, _, back = DATA.unpack_from(bytes_)
                payload = bytes_[DATA.size:]
                if back == echo and index in wanted and size == S and 0 < length <= CHUNK_MAX \
                        and len(payload) == min(S, length - index * S):
                    wanted.discard(index)
                    wanted -= {i for i in wanted if i * S >= length}
                    yield index, length, payload
            elif len(bytes_) == STATUS.size and bytes_[:2] == b"\6\1":
                _, _, code, _, hint, _, detail, back = STATUS.unpack(bytes_)
                if back != echo:
                    continue
                if code not in (2, 3) and not (code == 1 and hint):
                    raise Failure(f"{STATUSES.get(code, code)} (detail {detail})")
                time.sleep(min(max(hint / 1e6, self.timeout / 100), 1.0))
                return
            elif len(bytes_) == TOKEN.size and bytes_[:2] == b"\7\1":
                _, _, _, _, back, token = TOKEN.unpack(bytes_)
                if back == echo:
                    self.token, old = token, self.token
                    if token != old:
                        return

    def slices(self, chunk_id, length):
        """All slices of one chunk; lost ones are asked for again."""
        parts, progress = {}, time.monotonic()
        while length is None or len(parts) < -(-length // S):
            count = 10 if length is None else -(-length // S)
            first = next(i for i in range(count) if i not in parts)
            wanted = [i for i in range(first, min(first + 64, count)) if i not in parts]
            wanted = set(wanted[:self.window])
            echo = self.ask(chunk_id, first, sum(1 << (i - first) for i in wanted))
            before = len(parts)
            for index, told, payload in self.answers(echo, wanted):
                if length is not None and told != length:
                    continue  # the manifest says otherwise
                length, parts[index] = told, payload
            if len(parts) > before:
                progress, self.timeout = time.monotonic(), 0.2
            else:
                self.timeout = min(self.timeout * 2, 4.0)
            self.window = max(2, self.window // 2) if wanted else min(64, self.window + 8)
            if time.monotonic() - progress > GIVE_UP:
                raise Failure("no answer")
        return b"".join(parts[i] for i in sorted(parts))

    def chunk(self, chunk_id, length=None):
        for _ in range(2):
            content = self.slices(chunk_id, length)
            if hashlib.sha256(content).digest() == chunk_id:
                return content
        raise Failure(f"the source lies about c-{chunk_id.hex()}")


def manifest_read(bytes_, parent):
    """Checks a manifest; parent is None or (level, C, total). Returns header and entries."""
    magic, version, hash_type, level, zero, size, count, total, digest, tlvs, zero2 = \
        MANIFEST.unpack_from(bytes_)
    span = size * FANOUT ** level
    if (magic, version, hash_type, zero, zero2) != (b"AROM", 1, 0, 0, 0) or level > 2 \
            or size % 4096 or not 4096 <= size <= CHUNK_MAX or count > FANOUT \
            or len(bytes_) != 64 + 36 * count + tlvs or count != -(-total // span):
        raise Failure("the manifest makes no sense")
    if parent is None and (not any(digest) or (level and count < 2)) \
            or parent is not None and ((level, size, total) != parent or any(digest)):
        raise Failure("the manifest is not what it should be")
    entries = [(bytes_[at:at + 32], int.from_bytes(bytes_[at + 32:at + 36], "big"))
               for at in range(64, 64 + 36 * count, 36)]
    return level, size, total, digest, entries


def content(source, bytes_, parent=None):
    """Yields the content below a manifest, chunk by chunk."""
    level, size, total, _, entries = manifest_read(bytes_, parent)
    span = size * FANOUT ** level
    for i, (chunk_id, length) in enumerate(entries):
        covered = min(span, total - i * span)
        if not 0 < length <= CHUNK_MAX or (level == 0 and length != covered):
            raise Failure("the manifest lies about a length")
        chunk = source.chunk(chunk_id, length)
        yield from content(source, chunk, (level - 1, size, covered)) if level else (chunk,)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", default="127.0.0.1:9500")
    parser.add_argument("id")
    parser.add_argument("out")
    options = parser.parse_args()
    kind, name = options.id[:2], bytes.fromhex(options.id[2:])
    source, whole, part = Source(options.source), hashlib.sha256(), options.out + ".part"
    try:
        root = source.chunk(name)
        with open(part, "wb") as out:
            for chunk in content(source, root) if kind == "o-" else [root]:
                whole.update(chunk)
                out.write(chunk)
        if kind == "o-" and whole.digest() != manifest_read(root, None)[3]:
            raise Failure("the whole content does not have the promised digest")
        os.rename(part, options.out)
    except Failure as failure:
        sys.exit(f"fetch.py: {failure}")


main()
