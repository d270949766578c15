#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seed corpora: corpus.py FOLDER makes FOLDER/packet, FOLDER/manifest and FOLDER/origin.

The files are committed; run this again after the wire format or the manifest changed.
"""
import hashlib
import os
import struct
import sys

ID = hashlib.sha256(b"abc").digest()
TOKEN = bytes(range(16))


def get(kind=4, version=1, flags=1, size=1152, first=0, mask=0x3FF, reserved=0, ext=b"", ext_len=None):
    ext_len = len(ext) if ext_len is None else ext_len
    return struct.pack(">BBHHHQQ16s32sHH", kind, version, flags, size, first, mask,
                       0x0123456789ABCDEF, TOKEN, ID, ext_len, reserved) + ext


def ext(kind, value=b"", length=None):
    return struct.pack(">HH", kind, len(value) if length is None else length) + value


def data(size=1152, index=0, total=200, payload=200, reserved=0, version=1):
    return struct.pack(">BBBBHHIIQ", 5, version, 1, reserved, size, index, total, 250, 7) + b"x" * payload


def status(code, detail=0, reserved=0):
    return struct.pack(">BBBBIIIQ", 6, 1, code, reserved, 5000, 12, detail, 7)


def token(reserved=0):
    return struct.pack(">BBHIQ16s", 7, 1, 30, reserved, 7, TOKEN)


def manifest(level=0, chunk=65536, total=None, lengths=(3,), digest=ID, tlv=b"", magic=b"AROM",
             version=1, hash_type=0, reserved=0, count=None, tlv_len=None):
    total = sum(lengths) if total is None else total
    head = struct.pack(">4sBBBBIIQ32sII", magic, version, hash_type, level, 0, chunk,
                       len(lengths) if count is None else count, total, digest,
                       len(tlv) if tlv_len is None else tlv_len, reserved)
    return head + b"".join(ID + struct.pack(">I", n) for n in lengths) + tlv


FANOUT = 16384
FULL = 64 + 36 * FANOUT
PACKETS = {
    "get": get(), "get-ext": get(ext=ext(0, b"\0" * 7) + ext(9, b"abc")),
    "get-critical": get(ext=ext(9) + ext(0x8009, b"z")), "get-critical-padding": get(ext=ext(0x8000)),
    "get-ext-overrun": get(ext=ext(9, b"abc", 4)), "get-ext-stray": get(ext=ext(9) + b"abc"),
    "get-ext-long": get(ext=ext(9, b"\0" * 600)), "get-short": get()[:75], "get-trailing": get() + b"x",
    "get-ext-len": get(ext_len=4), "get-reserved": get(reserved=1), "get-version": get(version=2),
    "get-flags": get(flags=0x8000), "get-hash": get(flags=0x100), "get-size": get(size=1400),
    "get-size-max": get(size=8832), "get-repair": get(first=0x8001),
    "get-mask": get(mask=0), "locate": get(kind=8), "located": get(kind=9), "ping": get(kind=10),
    "type-12": get(kind=12), "empty": b"",
    "data": data(), "data-last": data(1152, 1, 1153, 1), "data-beyond": data(1152, 2, 1153, 1),
    "data-huge": data(1152, 0, 0xFFFFFFFF, 1152), "data-short": data(payload=199),
    "data-reserved": data(reserved=1), "data-size": data(size=100),
    "status": status(2), "status-bad": status(5, 4), "status-unknown": status(200, 99),
    "status-reserved": status(1, reserved=1), "token": token(), "token-reserved": token(1),
}
MANIFESTS = {
    "one": manifest(), "empty": manifest(lengths=()), "three": manifest(lengths=(65536, 65536, 9)),
    "tlv": manifest(tlv=ext(1, b"hello") + ext(2)), "tlv-overrun": manifest(tlv=ext(1, b"x", 9)),
    "tlv-stray": manifest(tlv=b"\0\0\0"), "level-1": manifest(1, lengths=(FULL, 100), total=FANOUT * 65536 + 3),
    "level-2": manifest(2, lengths=(FULL, 100), total=FANOUT * FANOUT * 65536 + 3),
    "level-1-alone": manifest(1, lengths=(100,), total=3), "level-1-empty": manifest(1, lengths=(), total=0),
    "level-1-short": manifest(1, lengths=(99, 100), total=FANOUT * 65536 + 3), "level-3": manifest(3),
    "magic": manifest(magic=b"AROm"), "version": manifest(version=2), "hash": manifest(hash_type=1),
    "reserved": manifest(reserved=1), "chunk-size": manifest(chunk=5000), "count": manifest(count=16385),
    "truncated": manifest()[:-1], "trailing": manifest() + b"x", "total": manifest(total=70000),
    "length": manifest(lengths=(65535, 1), total=65537),
}
ORIGINS = {
    "plain": b"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: video/mp4\nETag: \"1-2\"\nAccept-Ranges: bytes\n",
    "fresh": b"Cache-Control: public, s-maxage=\"60\", max-age=5, no-cache=\"x\"\nAge: 7\nExpires: 0\n",
    "dates": b"Date: Sun, 06 Nov 1994 08:49:37 GMT\nExpires: Sunday, 06-Nov-94 08:49:37 GMT\n"
             b"Last-Modified: Sun Nov  6 08:49:37 1994\n",
    "range": b"HTTP/1.1 206 x\nContent-Range: bytes 1-4/5\nContent-Length: 4\nETag: W/\"w\"\n",
    "twice": b"Content-Length: 5\nContent-Length: 6\nTransfer-Encoding: gzip, chunked\n",
    "redirect": b"HTTP/1.1 302 x\nLocation: ../b?c#d\n//b.example:8443/x\n?q\n/media/%2e%2E/x\n",
    "urls": b"http://a.example/media/a\nHTTPS://B.example:08443/x?y\nhttp://[2001:db8::1]:80/\nhttp://u@a.example/\n",
    "names": b"cdn.example/a/b?c=%20\ncdn.example/b/x\ncdn.example/../x\ncdn.example/%5c..%2fx\n",
    "junk": bytes(range(256)), "empty": b"",
}


def main():
    for kind, files in (("packet", PACKETS), ("manifest", MANIFESTS), ("origin", ORIGINS)):
        folder = os.path.join(sys.argv[1], kind)
        os.makedirs(folder, exist_ok=True)
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


main()
