# SPDX-License-Identifier: BSD-3-Clause
"""Malformed and hostile HTTP, ids and CIDs of the wrong kind, origins that misbehave."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time

import foreign
import lib

sys.path.insert(0, lib.HERE)
import bad_origin  # noqa: E402

HTTP_LINE = "malformed and hostile HTTP: a clear status"
IDS_LINE = "an id of the wrong kind, a CID with another hash or codec: a clear status"
ORIGIN_LINE = "an origin that is absent, slow, endless, in a circle, changing, short or long"

# Sends bytes, prints status line and what follows until the server closes or rests.
RAW = """
import base64, json, socket, sys
host, _, port = sys.argv[1].rpartition(':')
for text in json.load(sys.stdin):
    link = socket.create_connection((host, int(port)), 10)
    link.settimeout(2)
    data = b''
    try:
        link.sendall(base64.b64decode(text))
        link.shutdown(socket.SHUT_WR)
        while piece := link.recv(65536):
            data += piece
    except OSError:
        pass
    link.close()
    print(json.dumps(data[:4000].decode('latin-1')))
"""


def raw(rig, texts):
    texts = [base64.b64encode(text).decode() for text in texts]
    result = subprocess.run(rig.inside("python3", "-c", RAW, foreign.GATE), input=json.dumps(texts),
                            capture_output=True, text=True, timeout=200)
    return [json.loads(line) for line in result.stdout.splitlines()]


def status_of(answer):
    words = answer.split(" ", 2)
    return int(words[1]) if answer.startswith("HTTP/1.1 ") and words[1].isdigit() else None


@lib.step("bad-http", HTTP_LINE, seconds=200)
def bad_http(context):
    rig = foreign.Rig(context, nodes=("a",)).start()
    with open(context.path("file"), "wb") as file:
        file.write(b"secret bytes" * 10)
    name = rig.nodes["a"].put(context.path("file"))["id"]
    at = f"/o/{name}".encode()
    host = b"Host: x.test\r\n"
    plain = b"GET " + at + b" HTTP/1.1\r\n" + host
    # what, bytes, statuses that are right (None: the connection is closed without a word)
    cases = [
        ("a good one", plain + b"Connection: close\r\n\r\n", {200}),
        ("bare LF", plain.replace(b"\r\n", b"\n") + b"\n", {200, 400, None}),
        ("CL with TE", plain + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil", {400}),
        ("two different lengths", plain + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", {400}),
        ("a negative length", plain + b"Content-Length: -5\r\n\r\n", {400}),
        ("no Host", b"GET " + at + b" HTTP/1.1\r\n\r\n", {400}),
        ("two Hosts", plain + b"Host: y.test\r\n\r\n", {400}),
        ("a Host with a space", plain.replace(b"x.test", b"x test") + b"\r\n", {400, 404}),
        ("64 KiB header", plain + b"X: " + b"a" * 65536 + b"\r\n\r\n", {400, 413, 431, None}),
        ("64 KiB path", b"GET /n/" + b"a" * 65536 + b" HTTP/1.1\r\n" + host + b"\r\n", {400, 414, 431, None}),
        ("10,000 headers", plain + b"".join(b"X%d: y\r\n" % n for n in range(10000)) + b"\r\n", {400, 413, 431, None}),
        ("dots", b"GET /o/../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n", {400}),
        ("dots, encoded", b"GET /n/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + b"\r\n", {400}),
        ("NUL, encoded", b"GET /n/a%00b HTTP/1.1\r\n" + host + b"\r\n", {400}),
        ("NUL, bare", b"GET /n/a\0b HTTP/1.1\r\n" + host + b"\r\n", {400, None}),
        ("a broken escape", b"GET /n/a%zz HTTP/1.1\r\n" + host + b"\r\n", {400}),
        ("absolute URL of a foreign host", b"GET http://evil.test/x HTTP/1.1\r\n" + host + b"\r\n", {400, 404}),
        ("CONNECT", b"CONNECT evil.test:443 HTTP/1.1\r\n" + host + b"\r\n", {400, 405}),
        ("POST", b"POST " + at + b" HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n\r\nabc", {405}),
        ("DELETE", b"DELETE " + at + b" HTTP/1.1\r\n" + host + b"\r\n", {405}),
        ("an unknown method", b"BREW " + at + b" HTTP/1.1\r\n" + host + b"\r\n", {400, 405, 501}),
        ("HTTP/9.9", b"GET " + at + b" HTTP/9.9\r\n" + host + b"\r\n", {400, 505}),
        ("no version", b"GET " + at + b"\r\n\r\n", {400, None}),
        ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, {400, None}),
        ("nothing", b"\r\n\r\n\r\n", {400, None}),
        ("a range that overflows", plain + b"Range: bytes=0-18446744073709551616\r\nConnection: close\r\n\r\n", {206}),
        ("a range that overflows backwards", plain + b"Range: bytes=-18446744073709551617\r\nConnection: close\r\n\r\n", {206}),
        ("a header without a colon", plain + b"nonsense\r\n\r\n", {200, 400}),
        ("a folded header", plain + b"X: a\r\n b\r\nConnection: close\r\n\r\n", {200, 400}),
        ("a space before the colon", plain + b"Range : bytes=0-1\r\n\r\n", {200, 400}),
    ]
    got = raw(rig, [text for _, text, _ in cases])
    wrong = [f"{what}: {answer[:60]!r}" for (what, _, right), answer in zip(cases, got)
             if status_of(answer) not in right]
    alive = rig.curl("-o", "/dev/null", "-w", "%{http_code}", rig.url(f"/o/{name}")).stdout == b"200"
    sentences = [what for (what, _, _), answer in zip(cases, got)
                 if (status_of(answer) or 0) >= 400 and not answer.partition("\r\n\r\n")[2].strip()]
    context.check(HTTP_LINE, not wrong and alive and len(got) == len(cases),
                  f"{len(cases)} cases, wrong: {'; '.join(wrong) or 'none'}; without a sentence: "
                  f"{', '.join(sentences) or 'none'}; the gateway goes on: {alive}")


def cid(version, codec, code, digest):
    body = bytes([version]) + codec + bytes([code, len(digest)]) + digest
    return "b" + base64.b32encode(body).decode().lower().rstrip("=")


@lib.step("bad-ids", IDS_LINE, seconds=120)
def bad_ids(context):
    rig = foreign.Rig(context, nodes=("a",)).start()
    with open(context.path("file"), "wb") as file:
        file.write(os.urandom(100_000))
    name = rig.nodes["a"].put(context.path("file"))["id"]
    digest = os.urandom(32)
    cases = [
        ("a chunk id as an object", "/o/c-" + "1" * 64, {400, 404}),
        ("an object id as a chunk", f"/c/{name}", {400, 404}),
        ("too short", "/o/o-1234", {400, 404}),
        ("no hex", "/o/o-" + "z" * 64, {400, 404}),
        ("unknown object", "/o/o-" + "1" * 64, {404}),
        ("unknown chunk", "/c/c-" + "1" * 64, {404}),
        ("a chunk that is no manifest, as an object", "/o/o-" + chunk_of(context), {404, 502}),
        ("CIDv0", "/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPBdG?format=raw", {400}),
        ("CID with SHA-512", "/ipfs/" + cid(1, b"\x55", 0x13, digest + digest) + "?format=raw", {400}),
        ("CID with blake2b", "/ipfs/" + cid(1, b"\x55", 0x1e, digest) + "?format=raw", {400}),
        ("CID of a dag-pb node", "/ipfs/" + cid(1, b"\x70", 0x12, digest) + "?format=raw", {400}),
        ("CID with a short digest", "/ipfs/" + cid(1, b"\x55", 0x12, digest[:20]) + "?format=raw", {400}),
        ("CID with trailing bytes", "/ipfs/" + cid(1, b"\x55", 0x12, digest) + "aa?format=raw", {400}),
        ("no CID at all", "/ipfs/hello?format=raw", {400}),
        ("another format", "/ipfs/" + cid(1, b"\x55", 0x12, digest) + "?format=car", {400, 406}),
        ("an unknown block", "/ipfs/" + cid(1, b"\x55", 0x12, digest) + "?format=raw", {404}),
        ("blob with another algorithm", "/v2/a/blobs/sha512:" + "1" * 128, {400, 404}),
        ("blob with a short digest", "/v2/a/blobs/sha256:1234", {400, 404}),
        ("an unknown blob", "/v2/a/blobs/sha256:" + "1" * 64, {404}),
        ("a name that nobody has", "/n/nothing", {404}),
    ]
    wrong = []
    for what, path, right in cases:
        got = rig.curl("-w", "\n%{http_code}", rig.url(path))
        text, _, status = got.stdout.decode(errors="replace").rpartition("\n")
        if int(status or 0) not in right or not text.strip():
            wrong.append(f"{what}: {status} {text[:60]!r}")
    context.check(IDS_LINE, not wrong, f"{len(cases)} cases, each with a sentence; wrong: {'; '.join(wrong) or 'none'}")


def chunk_of(context):
    """A chunk of the file's content, not its manifest."""
    with open(context.path("file"), "rb") as file:
        return hashlib.sha256(file.read(65536)).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


@lib.step("bad-origin", ORIGIN_LINE, seconds=400)
def bad_origin_step(context):
    rig = foreign.Rig(context, nodes=("a",), origin={"max_object": "64MiB", "negative_ttl": "1s"})
    log = context.path("origin.log")
    daemon = rig.nodes["a"]
    rig.start()

    def get(path, timeout=60):
        head, body = context.path("head"), context.path("got")
        for name in (head, body):
            if os.path.exists(name):
                os.unlink(name)
        began = time.monotonic()
        got = rig.curl("-m", str(timeout), "-D", head, "-o", body, "-w", "%{http_code}", rig.url(path),
                       host="media.test", timeout=timeout + 10)
        size = os.path.getsize(body) if os.path.exists(body) else 0
        return got.returncode, got.stdout.decode()[:3], size, time.monotonic() - began

    rows = []
    code, status, size, took = get("/good/1000")
    rows.append(("absent", status in ("502", "503", "504"), f"{status} after {took:.1f} s"))
    origin = lib.spawn([sys.executable, os.path.join(lib.HERE, "bad_origin.py"), foreign.ORIGIN, log])
    context.closers.append(lambda: (origin.kill(), origin.wait()))
    foreign.wait_http(foreign.ORIGIN, [], "the origin", origin)
    for what in ("silent", "slow", "error", "circle", "away"):
        code, status, size, took = get("/" + what)
        rows.append((what, status in ("502", "503", "504") or (what == "slow" and code != 0),
                     f"{status}, curl exit {code}, {size} B after {took:.1f} s"))
    for what in ("endless", "flood", "short", "changes"):
        code, status, size, took = get("/" + what)
        mixed = what == "changes" and size > 0 and not any(
            bad_origin.content(1_000_000, b"%d" % turn).startswith(read(context.path("got")))
            for turn in range(1, 20))
        rows.append((what, (code != 0 or status.startswith("5")) and not mixed,
                     f"{status}, curl exit {code}, {size} B after {took:.1f} s{', MIXED' if mixed else ''}"))
    code, status, size, took = get("/long")
    good = size == 100_000 and code == 0 and lib.sha256(context.path("got")) == hashlib.sha256(
        bad_origin.content(100_000)).hexdigest()
    rows.append(("long", good or code != 0 or status.startswith("5"), f"{status}, curl exit {code}, {size} B"))
    time.sleep(0.5)
    names = [entry["name"] for entry in daemon.call("names")["names"]]
    objects = [entry["label"] for entry in daemon.call("ls")["objects"]]
    rows.append(("nothing half-pulled is visible as whole", not names and not objects,
                 f"names: {names or 'none'}; objects: {objects or 'none'}"))
    first = get("/once/x")[1]
    time.sleep(3.2)  # the gateway believes it for 2 s, the node for 1 s more
    again = get("/once/x")
    rows.append(("404, then there", first == "404" and again[1] == "200" and again[2] == 100_000,
                 f"{first}, then {again[1]}"))
    code, status, size, took = get("/good/1000000")
    rows.append(("the origin is well again", code == 0 and size == 1_000_000, f"{status}, {size} B"))
    stored, checked = [entry["bytes"] for entry in daemon.call("ls")["objects"]], daemon.call("verify")
    rows.append(("nothing wrong is stored", checked["ok"] and sorted(stored) == [100_000, 1_000_000],
                 f"objects of {stored} B; verify: {checked['problems']} problems in {checked['chunks']} chunks"))
    for what, good, measured in rows:
        context.check(f"{ORIGIN_LINE}: {what}", good, measured)
