# SPDX-License-Identifier: BSD-3-Clause
"""Asks a node for chunks whose bytes the test knows, slice by slice as docs/protocol.md has it, and
looks at every byte that comes. A real client would hide a wrong byte: it asks again elsewhere."""
import socket
import struct
import time

GET = struct.Struct(">BBHHHQQ16s32sHH")
DATA = struct.Struct(">BBBBHHIIQ")
STATUS = struct.Struct(">BBBBIIIQ")
TOKEN = struct.Struct(">BBHIQ16s")
SLICE, MASK, NOT_FOUND, LONGEST_WAIT_S = 1408, 64, 1, 0.05
RIGHT, ABSENT, SILENT = "right", "absent", "silent"


class WrongBytes(AssertionError):
    """What no node may ever send."""


class ChunkClient:
    """One thread's. RIGHT: all bytes came, and were right; ABSENT: the node says it has no such chunk;
    SILENT: neither in all that time."""

    def __init__(self, address="10.9.0.1", port=9500):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect((address, port))
        self.token, self.echo, self.slices, self.resent = bytes(16), 0, 0, 0
        self.first_echo = 1  # of the chunk that is being asked for

    def close(self):
        self.socket.close()

    def get(self, chunk_id, content, patience_s=5.0):
        """Asks for the chunk that is known to be this content."""
        left, self.first_echo = set(range(-(-len(content) // SLICE))), self.echo + 1
        end = time.monotonic() + patience_s
        while left and time.monotonic() < end:
            first, before = min(left), len(left)
            wanted = {index for index in left if index < first + MASK}
            self.ask(chunk_id, first, wanted)
            if self.answers(wanted, left, content) == ABSENT:
                return ABSENT
            self.resent += len(left) == before
        return SILENT if left else RIGHT

    def ask(self, chunk_id, first, wanted):
        self.echo += 1
        mask = sum(1 << (index - first) for index in wanted)
        try:
            self.socket.send(GET.pack(4, 1, 0, SLICE, first, mask, self.echo, self.token, chunk_id, 0, 0))
        except OSError:  # nobody is there now
            time.sleep(0.01)

    def answers(self, wanted, left, content):
        """Takes what comes for this question until it is answered or nothing comes any more."""
        self.socket.settimeout(0.1)
        while wanted:
            try:
                answer = self.socket.recv(4096)
            except OSError:
                return None
            if answer[0] == 5 and len(answer) > DATA.size:
                self.data(answer, wanted, left, content)
            elif answer[0] == 6 and len(answer) == STATUS.size:
                _, _, code, _, hint, _, _, echo = STATUS.unpack(answer)
                if echo != self.echo:
                    continue
                if code == NOT_FOUND and hint == 0:
                    return ABSENT
                time.sleep(min(hint / 1e6, LONGEST_WAIT_S))
                return None
            elif answer[0] == 7 and len(answer) == TOKEN.size:
                old, self.token = self.token, TOKEN.unpack(answer)[5]
                if self.token != old and len(wanted) == min(MASK, len(left)):
                    return None
        return None

    def data(self, answer, wanted, left, content):
        _, _, _, _, size, index, length, _, echo = DATA.unpack_from(answer)
        if not self.first_echo <= echo <= self.echo:
            return  # about a chunk that was given up
        payload, at = answer[DATA.size:], index * SLICE
        if size != SLICE or length != len(content) or payload != content[at:at + SLICE]:
            raise WrongBytes(f"slice {index} of {length} bytes differs from what was stored")
        self.slices += 1
        wanted.discard(index)
        left.discard(index)
