# SPDX-License-Identifier: BSD-3-Clause
"""The files of a store as docs/disk-format.md has them, and what damage to them must lead to: an
obvious second reading of that page. A record or payload is damaged when it differs from what was
there before, so no checksum is computed here."""
import hashlib
import os
import re
import struct
from collections import namedtuple

BLOCK, RECORD, OBJECT, COPY, COPIES = 4096, 64, 256, 64, (0, 4096)
CHUNK, REMOVE, COMMIT = 1, 2, 3
FIELDS = struct.Struct("<B3xIIIQ32sQ")
Record = namedtuple("Record", "type segment block len checksum id check")


def read(folder):
    """name -> bytes of every file that counts."""
    found = {}
    for name in os.listdir(folder):
        if name in ("STORE", "objects.log") or re.fullmatch(r"seg-\d+\.(data|table)", name):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def segments(files):
    return sorted(int(name[4:-6]) for name in files if name.endswith(".table"))


def pieces(text, size):
    return [text[at:at + size] for at in range(0, len(text) // size * size, size)]


class Segment:
    """One table, judged record by record beside what it was."""

    def __init__(self, number, before, now):
        name = f"seg-{number:08d}"
        self.number, self.data, self.data_before = number, now[name + ".data"], before[name + ".data"]
        old, new = (pieces(files[name + ".table"], RECORD) for files in (before, now))
        self.records = [Record(*FIELDS.unpack(raw)) for raw in new]
        self.good = [i < len(old) and raw == old[i] for i, raw in enumerate(new)]
        self.old = [Record(*FIELDS.unpack(raw)) for raw in old]
        commits = [i for i, record in enumerate(self.records) if self.good[i] and record.type == COMMIT]
        self.committed = commits[-1] + 1 if commits else 0

    def payload(self, record, data=None):
        at = record.block * BLOCK
        return (self.data if data is None else data)[at:at + record.len]

    def payload_good(self, record):
        return self.payload(record) == self.payload(record, self.data_before)

    def damaged(self):
        """Records that are not what they were, erased ones among them."""
        return [i for i in range(len(self.records)) if not self.good[i]]

    def live(self, is_struck=lambda i, record: False):
        """block -> number of the chunk record that counts there."""
        live = {}
        for i, record in enumerate(self.records):
            if self.good[i] and record.type == CHUNK and not is_struck(i, record):
                live[record.block] = i
            elif self.good[i] and record.type == REMOVE:
                live.pop(record.block, None)
        return live


class Expected:
    """What a node must say and serve. chunks: id -> content of those that must be served; absent: of
    those that must not; problems: (segment, record) that a scrub must list; torn: what a start
    counts; named: ids in the index; refused: no start."""

    def __init__(self):
        self.chunks, self.absent, self.problems, self.objects = {}, {}, set(), set()
        self.torn, self.quarantined = 0, 0
        self.refused, self.named = False, set()

    def serve(self, segment, record, good):
        content = segment.payload(record, segment.data_before)
        (self.chunks if good else self.absent)[record.id] = content


def whole(before):
    """Of files that nobody damaged; each chunk is what its id says."""
    told = at_start(before, before)
    for name, content in told.chunks.items():
        assert hashlib.sha256(content).digest() == name, f"c-{name.hex()} is not on disk as its table says"
    assert not told.absent and not told.problems and not told.torn, "the store was damaged before the test"
    return told


def objects_of(before, now, ids):
    """What objects.log still lists, and how many of its records are damaged."""
    listed, old = {}, pieces(before["objects.log"], OBJECT)
    new = pieces(now["objects.log"], OBJECT)
    for raw in (raw for i, raw in enumerate(new) if raw == old[i]):
        name = raw[32:64]
        listed.pop(name, None)
        if raw[0] == 1:
            listed[name] = True
    damaged = sum(raw != old[i] for i, raw in enumerate(new))
    return {name for name in listed if name in ids}, damaged


def at_start(before, now):
    """Files that were damaged while no daemon had them."""
    told = Expected()
    told.refused = all(before["STORE"][at:at + COPY] != now["STORE"][at:at + COPY] for at in COPIES)
    for number in segments(now):
        segment = Segment(number, before, now)

        def is_struck(i, record, segment=segment):
            return i >= segment.committed and not segment.payload_good(record)

        live = segment.live(is_struck)
        for i in live.values():
            record = segment.records[i]
            good = segment.payload_good(record)
            told.serve(segment, record, good)
            told.named.add(record.id)
            if not good:
                told.problems.add((number, i))
                told.quarantined += 1
        damaged = segment.damaged()
        told.problems |= {(number, i) for i in damaged if i < segment.committed}
        told.torn += len(damaged) + sum(
            segment.good[i] and record.type == CHUNK and is_struck(i, record)
            for i, record in enumerate(segment.records))
        for block, i in Segment(number, before, before).live().items():
            if block not in live:
                told.serve(segment, segment.old[i], False)
    told.objects, damaged = objects_of(before, now, told.named)
    told.torn += damaged
    return told


def while_running(before, now):
    """Files that were damaged under a daemon that has their index in memory."""
    told = Expected()
    for number in segments(now):
        segment = Segment(number, before, now)
        index = Segment(number, before, before).live()
        named = segment.live()
        for i in index.values():
            record = segment.old[i]
            good = segment.payload_good(record)
            told.serve(segment, record, good)
            told.quarantined += not good
            if not good and named.get(record.block) == i:
                told.problems.add((number, i))
        told.problems |= {(number, i) for i in segment.damaged() if i < segment.committed}
        told.problems |= {(number, i) for block, i in named.items() if block not in index and i < segment.committed}
    return told
