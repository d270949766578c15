# SPDX-License-Identifier: BSD-3-Clause
"""A disk that fails on request and remembers what it was told: a plugin of nbdkit (python), over an
image file. failing_disk.py makes a block device of it.

    nbdkit python failing_plugin.py image=FILE page=FILE seed=N [log=FILE]

What it shall do stands in a page that both sides map; what it did is counted there. A write that
fails leaves a part of itself behind, in whole sectors, unless it is told not to. A flush that fails
loses what was written since the last good one, each write or not, as the seed has it: a kernel that
drops the pages does no less. One request after the other (nbdkit's default for Python), so the log is an order that the
device could have had: whatever stands before a flush is durable after it."""

import builtins
import errno
import mmap
import os
import random
import struct
import time

API_VERSION = 2
SECTOR = 512
PAGE_BYTES = 4096
# Rates 0..1 of what fails; CLOCK_MONOTONIC, s; 1: a write that fails leaves nothing behind.
ORDERS = ("read", "write", "flush", "stall_until", "clean")
COUNTS = ("reads", "writes", "flushes", "read_errors", "write_errors", "flush_errors", "stalled", "events")
EVENT = struct.Struct("<BxxxIQ")  # kind, bytes of data behind it, where on the disk
WRITE, FLUSH = 1, 2


class Page:
    """Each field is written by one side only, in one piece."""

    def __init__(self, path):
        self.file = builtins.open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), PAGE_BYTES)
        self.orders = memoryview(self.map)[:8 * len(ORDERS)].cast("d")
        self.counts = memoryview(self.map)[256:256 + 8 * len(COUNTS)].cast("Q")

    def order(self, name, value):
        self.orders[ORDERS.index(name)] = value

    def ordered(self, name):
        return self.orders[ORDERS.index(name)]

    def count(self, name):
        self.counts[COUNTS.index(name)] += 1

    def counted(self, name):
        return self.counts[COUNTS.index(name)]


class Disk:
    def __init__(self, settings):
        self.image = os.open(settings["image"], os.O_RDWR)
        self.bytes = os.fstat(self.image).st_size
        self.page = Page(settings["page"])
        self.dice = random.Random(int(settings["seed"]))
        self.log = builtins.open(settings["log"], "ab") if "log" in settings else None
        self.unsynced = []  # (where, what stood there), oldest first

    def fails(self, kind):
        """Stands still as long as it is told to; then whether this request is one to fail."""
        while (left := self.page.ordered("stall_until") - time.monotonic()) > 0:
            self.page.count("stalled")
            time.sleep(min(left, 0.1))
        rate = self.page.ordered(kind)
        if rate == 0 or self.dice.random() >= rate:
            return False
        self.page.count(kind + "_errors")
        return True

    def event(self, kind, offset, data=b""):
        if self.log is not None:
            self.log.write(EVENT.pack(kind, len(data), offset) + data)
            self.log.flush()
            self.page.count("events")

    def write(self, data, offset):
        self.unsynced.append((offset, os.pread(self.image, len(data), offset)))
        self.event(WRITE, offset, data)
        os.pwrite(self.image, data, offset)

    def lose(self):
        for offset, before in reversed(self.unsynced):
            if self.dice.random() < 0.5:
                os.pwrite(self.image, before, offset)
        self.unsynced = []


disk, settings = None, {}


def refuse():
    import nbdkit  # there is one inside nbdkit only
    nbdkit.set_error(errno.EIO)
    raise OSError(errno.EIO, "on request")


def config(key, value):
    settings[key] = value


def config_complete():
    global disk
    disk = Disk(settings)


def open(_readonly):
    return disk


def get_size(_handle):
    return disk.bytes


def can_write(_handle):
    return True


def can_flush(_handle):
    return True


def is_rotational(_handle):
    return False


def pread(_handle, buffer, offset, _flags):
    disk.page.count("reads")
    if disk.fails("read"):
        refuse()
    if os.preadv(disk.image, [buffer], offset) != len(buffer):
        refuse()


def pwrite(_handle, buffer, offset, _flags):
    disk.page.count("writes")
    if disk.fails("write"):
        if disk.page.ordered("clean"):
            refuse()
        disk.write(bytes(buffer[:disk.dice.randrange(len(buffer) // SECTOR + 1) * SECTOR]), offset)
        refuse()
    disk.write(bytes(buffer), offset)


def flush(_handle, _flags):
    disk.page.count("flushes")
    if disk.fails("flush"):
        disk.lose()
        refuse()
    disk.unsynced = []
    disk.event(FLUSH, 0)
