#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes one thread of a running process stick: ptrace stops it, and it alone. An lcore of arocached by
its number; any other thread by its name (a worker of arogate: gate-worker-0).

    stall.py PID LCORE|THREAD [SECONDS]

Nothing in the daemon knows of it, so it works with the very binary that is shipped and there is no
hook that an attacker could find. Needs root, or to be the daemon's parent.
"""
import ctypes
import os
import sys
import time

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def thread_of(pid, which):
    """An lcore has the name that EAL gives it: up to 22.11, and since 23.03."""
    names = {f"rte-worker-{which}", f"dpdk-worker{which}"} if str(which).isdigit() else {which}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            if file.read().strip() in names:
                return int(tid)
    raise LookupError(f"process {pid} has no thread {which}")


class Stall:
    """with Stall(pid, lcore): it stands still. From one thread only."""

    def __init__(self, pid, which):
        self.tid = thread_of(pid, which)

    def __enter__(self):
        ptrace(SEIZE, self.tid)
        ptrace(INTERRUPT, self.tid)
        os.waitpid(self.tid, WALL)
        return self

    def is_gone(self):
        """True once the process was killed. A tracer must look: until then it cannot be reaped."""
        return os.waitpid(self.tid, WALL | os.WNOHANG)[0] != 0

    def __exit__(self, *_):
        ptrace(DETACH, self.tid)


def main():
    end = time.monotonic() + (float(sys.argv[3]) if len(sys.argv) > 3 else 1e9)
    with Stall(int(sys.argv[1]), sys.argv[2]) as stall:
        while time.monotonic() < end:
            if stall.is_gone():
                os._exit(0)
            time.sleep(0.05)


if __name__ == "__main__":
    main()
