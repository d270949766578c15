# SPDX-License-Identifier: BSD-3-Clause
"""A recorded order of writes and flushes (failing_plugin.py) played again up to a moment at which the
power fails. What stood before the last flush is there; of what came behind it, each write is there
whole, in part (any blocks of it) or not at all. Later writes may be there without earlier ones."""

import os
import random
import subprocess
from collections import namedtuple

from failing_plugin import EVENT, FLUSH, WRITE

Event = namedtuple("Event", "kind bytes offset at")  # at: of its data in the log
KEPT = 0.0, 0.2, 0.5, 0.8, 1.0  # share of un-synced writes that are there
TORN = 0.3                      # share of these that are torn


def read_events(path):
    found, at = [], 0
    with open(path, "rb") as log:
        size = os.fstat(log.fileno()).st_size
        while at + EVENT.size <= size:
            kind, length, offset = EVENT.unpack(log.read(EVENT.size))
            at += EVENT.size
            found.append(Event(kind, length, offset, at))
            at += length
            log.seek(at)
    return found


def moments(events, first, count, seed):
    """Up to so many moments behind event `first`, one behind each flush, or behind `count` of them: each
    the number of events that the disk was told until then. And how many flushes there are."""
    dice = random.Random(seed)
    flushes = [i + 1 for i, event in enumerate(events) if event.kind == FLUSH and i >= first]
    ends = dict(zip(flushes, [after - 1 for after in flushes[1:]] + [len(events)]))  # before the next one
    chosen = flushes if len(flushes) <= count else sorted(dice.sample(flushes, count))
    return [dice.choice([ends[flush], dice.randint(flush, ends[flush])]) for flush in chosen], len(flushes)


class Replay:
    """Moments in ascending order: an image of what is durable, which grows, and copies of it."""

    def __init__(self, log, events, image, size, tear_bytes):
        self.log, self.events, self.image, self.tear_bytes = open(log, "rb"), events, image, tear_bytes
        self.done = 0  # of the events: so many are in the image
        with open(image, "wb") as file:
            file.truncate(size)

    def close(self):
        self.log.close()

    def data(self, event):
        self.log.seek(event.at)
        return self.log.read(event.bytes)

    def durable_until(self, moment):
        """Brings the image up to the last flush before that moment; returns the writes behind it."""
        last = max((i + 1 for i in range(self.done, moment) if self.events[i].kind == FLUSH), default=self.done)
        with open(self.image, "r+b") as file:
            for event in self.events[self.done:last]:
                self.write(file, event)
        self.done = last
        return [event for event in self.events[last:moment] if event.kind == WRITE]

    def write(self, file, event, keeps=lambda: True):
        data = self.data(event)
        for at in range(0, event.bytes, self.tear_bytes):
            if keeps():
                file.seek(event.offset + at)
                file.write(data[at:at + self.tear_bytes])

    def cut(self, moment, path, seed):
        """Makes the image of a cut there: (what became of the un-synced writes, in words; was one torn)."""
        dice, behind = random.Random(f"{seed}/{moment}"), self.durable_until(moment)
        subprocess.run(["cp", "--sparse=always", self.image, path], check=True)
        share, kept, torn = dice.choice(KEPT), 0, 0
        with open(path, "r+b") as file:
            for event in behind:
                if dice.random() >= share:
                    continue
                kept += 1
                if dice.random() < TORN:
                    torn += 1
                    self.write(file, event, lambda: dice.random() < 0.5)
                else:
                    self.write(file, event)
        return f"{len(behind)} un-synced writes, {kept} of them there, {torn} of these torn", torn > 0
