#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a program to which the kernel refuses io_uring, as containers' default filters do.

    NO_IO_URING=PROGRAM no_io_uring.py [arguments]
"""
import ctypes
import os
import struct
import sys

NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2
SETUP = 425  # io_uring_setup, the same number everywhere
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, EPERM = 0x7FFF0000, 0x00050000, 1

program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, SETUP), (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW)))
steps = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        SECCOMP, FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps)), 0, 0):
    sys.exit(f"no_io_uring: {os.strerror(ctypes.get_errno())}")
os.execv(os.environ["NO_IO_URING"], [os.environ["NO_IO_URING"], *sys.argv[1:]])
