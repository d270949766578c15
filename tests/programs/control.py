#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Drives arocached with Python's standard library, written from docs/control-api.md alone.

usage: control.py SOCKET FILE

Puts FILE by descriptor and by path, lists it, reads statistics, meets errors, and checks that the
answers are what the page promises. Prints one line per step; exits 0 when all hold.
"""
import hashlib
import json
import os
import socket
import sys


class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.id = error["data"]["id"]
        self.remedy = error["data"]["remedy"]


class Control:
    """One connection: requests, progress, answers."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.buffer = b""
        self.last_id = 0
        self.progress = 0

    def line(self):
        while b"\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the daemon closed the connection")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def answer(self):
        while True:
            message = self.line()
            assert message["api"] == 1
            if message.get("method") == "progress":
                self.progress += 1
                continue
            if "error" in message:
                raise Refused(message["error"])
            assert message["id"] == self.last_id
            return message["result"]

    def ask(self, method, descriptor=None, **params):
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        line = json.dumps(request).encode() + b"\n"
        if descriptor is None:
            self.socket.sendall(line)
        else:
            socket.send_fds(self.socket, [line], [descriptor])
        return self.answer()


def refused(expected, call):
    try:
        call()
    except Refused as error:
        assert error.id == expected, f"{error.id} instead of {expected}"
        print(f"error   {error.id}: {error} (try: {error.remedy})")
        return
    raise AssertionError(f"no error where {expected} was due")


def every_object(control):
    objects, more = [], True
    while more:
        page = control.ask("ls", after=len(objects), limit=100)
        objects, more = objects + page["objects"], page["more"]
    return objects


def main():
    path, file = sys.argv[1], os.path.abspath(sys.argv[2])
    control = Control(path)
    with open(file, "rb") as source:
        digest = "sha256:" + hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        print("version", control.ask("version"))

        put = control.ask("put", descriptor=source.fileno(), label="from control.py")
    assert put["digest"] == digest and put["bytes"] == os.path.getsize(file)
    print(f"put     {put['id']} {put['bytes']} bytes, {control.progress} progress lines")

    again = control.ask("put", path=file)
    assert again["id"] == put["id"] and again["new_bytes"] == 0, "same bytes, same id, nothing new"
    assert again["label"] == os.path.basename(file)
    print("put     by path: the same object, nothing new")

    assert put["id"] in [one["id"] for one in every_object(control)]
    print(f"ls      {len(every_object(control))} objects")

    where = control.ask("stat", id=digest)
    assert where["kind"] == "object" and where["chunks_missing"] == 0
    print(f"stat    {where['chunks_in_memory']} chunks in memory, {where['chunks_on_disk']} on disk")

    stats = control.ask("stats")
    assert stats["cache"]["admitted"] >= 1 and stats["balance"]["frame_drops"] >= 0
    print(f"stats   {stats['cache']['entries_now']} chunks in memory")

    cache = control.ask("cache", part="tiers")
    assert cache["memory"]["chunks_now"] == stats["cache"]["entries_now"] and "top" not in cache
    print(f"cache   {cache['memory']['hits']} hits in memory, {cache['memory']['misses']} misses")

    refused("ARO-6020", lambda: control.ask("stat", id="o-" + 64 * "0"))
    refused("ARO-1002", lambda: control.ask("stat", id="no id"))
    refused("ARO-6011", lambda: control.ask("statsu"))
    refused("ARO-6012", lambda: control.ask("ls", limit=0))
    refused("ARO-6022", lambda: control.ask("put", path="/nonexistent"))
    control.socket.sendall(b"no JSON at all\n")
    refused("ARO-6010", control.answer)
    assert control.ask("version")["api"] == 1, "the connection lives on"

    verify = control.ask("verify", id=put["id"])
    assert verify["ok"] and verify["problems"] == 0
    evicted = control.ask("evict", id=put["id"])
    print(f"evict   {evicted['removed_chunks']} chunks removed")
    refused("ARO-6020", lambda: control.ask("stat", id=put["id"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
