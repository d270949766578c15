#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What recycling costs: puts into a store with room, then into the same store when it is full.

usage: recycle_cost.py AROCACHED PMD_CONFIG [FOLDER]

One daemon per share of the store that is pinned, `store { recycle = on }`, 1 GiB in segments of 64 MiB. Objects of 16 MiB of
random bytes, one put after the other. While the store has room: 512 MiB. Then what fills it, uncounted; then twice its size. A
line of JSON for each: rates, and bytes carried over for each byte put. FOLDER: on the disk to be measured; /var/tmp.
"""
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
from node import Node  # noqa: E402

MIB = 1 << 20
STORE, SEGMENT, OBJECT, ROOM = 1024 * MIB, 64 * MIB, 16 * MIB, 512 * MIB

CONFIG = """
cache {{ memory = "512MiB" pin_max = "320MiB" }}
store "s" {{
  path = "{folder}/store"
  size = "{size}MiB"
  segment = "{segment}MiB"
  recycle = on
}}
dataplane {{ lcores = "0" }}
port "p" {{ device = "net_null0,no-rx=1" addresses = {{"10.9.0.1/24"}} }}
http {{ listen = "" }}
"""


def put(node, folder):
    """One object of new bytes; its id and how long the put took."""
    path = f"{folder}/object"
    with open(path, "wb") as file:
        file.write(os.urandom(OBJECT))
    began = time.monotonic()
    result = node.call("put", path=path)
    return result["id"], time.monotonic() - began


def puts(node, folder, size):
    """MiB per second of puts of so many bytes, one after the other."""
    took_s = sum(put(node, folder)[1] for _ in range(size // OBJECT))
    return size / MIB / took_s


def measure(program, profiles, base, pinned):
    """pinned: share of the store."""
    with tempfile.TemporaryDirectory(prefix="aro-recycle-", dir=base) as folder:
        text = CONFIG.format(folder=folder, size=STORE // MIB, segment=SEGMENT // MIB)
        node = Node(program, profiles, folder, text)
        try:
            room = puts(node, folder, ROOM)
            fill = puts(node, folder, STORE - ROOM)
            for number, entry in enumerate(node.call("ls")["objects"]):
                if number % 8 < 8 * pinned:  # some of each segment
                    node.call("pin", id=entry["id"])
            before = node.call("stats")["store"]
            full = puts(node, folder, 2 * STORE)
            after = node.call("stats")["store"]
        finally:
            node.destroy()
    carried = after["bytes_carried"] - before["bytes_carried"]
    return {"pinned_share": pinned, "room_mib_s": round(room), "full_mib_s": round(full),
            "ratio": round(full / room, 2), "carried_per_put": round(carried / (2 * STORE), 3),
            "segments": after["recycled"] - before["recycled"]}


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    for share in (0, 0.125, 0.25):
        print(json.dumps(measure(sys.argv[1], sys.argv[2],
                                 sys.argv[3] if len(sys.argv) == 4 else "/var/tmp", share)),
              flush=True)
