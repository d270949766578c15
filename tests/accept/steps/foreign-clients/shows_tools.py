# SPDX-License-Identifier: BSD-3-Clause
"""Tools that judge HTTP servers for a living: varnishtest as a client with expectations, wrk as a
crowd, and a client that says all it has to say and closes its half."""

import hashlib
import os
import re
import subprocess

import foreign
import lib

VTC_LINE = "varnishtest's client"
WRK_LINE = "wrk: a warm 64 KiB chunk, keep-alive: no error and no other status than 2xx"
HALF_LINE = "a half-closed client gets all of its answer"
WRK_S, CONNECTIONS = 8, 32
SIZE = 200_000

# what, specification of the client; @...@ stand for the object under test
SPECS = [
    ("keep-alive: eight requests, one connection", """
        loop 4 {
            txreq -url "@path@" -hdr "Host: x.test"
            rxresp
            expect resp.proto == "HTTP/1.1"
            expect resp.status == 200
            expect resp.bodylen == @size@
            expect resp.http.content-length == "@size@"
            expect resp.http.accept-ranges == "bytes"
            expect resp.http.etag == {@etag@}
            txreq -url "/o/nonsense" -hdr "Host: x.test"
            rxresp
            expect resp.status == 400
            expect resp.http.connection != "close"
            expect resp.http.content-type ~ "^text/plain"
            expect resp.bodylen > 20
        }"""),
    ("keep-alive ends when the client says so", """
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Connection: close"
        rxresp
        expect resp.status == 200
        expect resp.http.connection ~ "(?i)close"
        expect resp.bodylen == @size@
        expect_close"""),
    ("HTTP/1.0 gets the content and the end of the connection", """
        txreq -proto HTTP/1.0 -url "@path@"
        rxresp
        expect resp.status == 200
        expect resp.bodylen == @size@
        expect_close"""),
    ("pipelined requests are answered in order", """
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Range: bytes=0-99"
        txreq -url "/o/nonsense" -hdr "Host: x.test"
        txreq -req HEAD -url "@path@" -hdr "Host: x.test"
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Range: bytes=-7"
        rxresp
        expect resp.status == 206
        expect resp.bodylen == 100
        expect resp.http.content-range == "bytes 0-99/@size@"
        rxresp
        expect resp.status == 400
        rxresp -no_obj
        expect resp.status == 200
        expect resp.http.content-length == "@size@"
        rxresp
        expect resp.status == 206
        expect resp.bodylen == 7
        expect resp.http.content-range == "bytes @last7@/@size@" """),
    ("HEAD: GET's header, no body, the connection goes on", """
        loop 3 {
            txreq -req HEAD -url "@path@" -hdr "Host: x.test"
            rxresp -no_obj
            expect resp.status == 200
            expect resp.http.content-length == "@size@"
            expect resp.http.etag == {@etag@}
            txreq -req HEAD -url "/o/o-1111111111111111111111111111111111111111111111111111111111111111" -hdr "Host: x"
            rxresp -no_obj
            expect resp.status == 404
        }
        txreq -url "@path@" -hdr "Host: x.test"
        rxresp
        expect resp.bodylen == @size@"""),
    ("conditions, ranges, methods: status and headers", """
        txreq -url "@path@" -hdr "Host: x.test" -hdr {If-None-Match: @etag@}
        rxresp -no_obj
        expect resp.status == 304
        expect resp.http.etag == {@etag@}
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Range: bytes=5-9" -hdr {If-Range: "other"}
        rxresp
        expect resp.status == 200
        expect resp.bodylen == @size@
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Range: bytes=5-9" -hdr {If-Range: @etag@}
        rxresp
        expect resp.status == 206
        expect resp.bodylen == 5
        txreq -url "@path@" -hdr "Host: x.test" -hdr "Range: bytes=@size@-"
        rxresp
        expect resp.status == 416
        expect resp.http.content-range == "bytes */@size@"
        txreq -url "@path@" -hdr "Host: x.test" -hdr {If-Match: "other"}
        rxresp
        expect resp.status == 412
        txreq -req DELETE -url "@path@" -hdr "Host: x.test"
        rxresp
        expect resp.status == 405
        expect resp.http.allow == "GET, HEAD" """),
]
WRONG = 'txreq -url "@path@" -hdr "Host: x.test"\nrxresp\nexpect resp.status == 201'

# One request in several pieces, then the half is closed at once; all that comes back.
HALF = """
import socket, sys, time
host, _, port = sys.argv[1].rpartition(':')
link = socket.create_connection((host, int(port)), 10)
for piece in sys.argv[2:]:
    link.sendall(piece.encode('latin-1').decode('unicode_escape').encode('latin-1'))
    time.sleep(0.05)
link.shutdown(socket.SHUT_WR)
while data := link.recv(1 << 20):
    sys.stdout.buffer.write(data)
"""


def prepared(context, size):
    rig = foreign.Rig(context, nodes=("a",)).start()
    body = os.urandom(size)
    with open(context.path("file"), "wb") as file:
        file.write(body)
    return rig, body, rig.nodes["a"].put(context.path("file"))["id"]


def varnishtest(rig, text):
    """None, or what it did not like."""
    path = rig.context.path("client.vtc")
    with open(path, "w", encoding="ascii") as file:
        file.write(f'varnishtest "a client"\nclient c1 -connect "{foreign.GATE}" {{\n{text}\n}} -run\n')
    done = subprocess.run(rig.inside("varnishtest", "-t", "20", path), capture_output=True, text=True)
    if done.returncode == 0:
        return None
    told = [line for line in done.stdout.splitlines() if line.startswith("----")]
    return f"exit {done.returncode}: {' / '.join(told[-2:]) or done.stderr[-200:]}"


@lib.step("varnishtest", VTC_LINE, seconds=120)
def expectations(context):
    lib.require("varnishtest")
    rig, body, name = prepared(context, SIZE)
    etag = re.search(r"(?im)^etag: *(\S+)", rig.curl("-I", rig.url(f"/o/{name}")).stdout.decode())[1]
    known = {"path": f"/o/{name}", "size": str(SIZE), "etag": etag, "last7": f"{SIZE - 7}-{SIZE - 1}"}
    fill = lambda text: re.sub(r"@(\w+)@", lambda match: known[match[1]], text)
    for what, text in SPECS:
        wrong = varnishtest(rig, fill(text))
        context.check(f"{VTC_LINE}: {what}", wrong is None, wrong or f"{text.count('expect')} expectations hold")
    wrong = varnishtest(rig, fill(WRONG))
    context.check(f"{VTC_LINE}: an expectation that does not hold is noticed", wrong is not None and "201" in wrong,
                  wrong)
    get = f"GET /o/{name} HTTP/1.1\\r\\n"
    for what, pieces in (("at once", [get + "Host: x.test\\r\\n\\r\\n"]),
                         ("after a request in pieces", [get, "Host: x", ".test\\r\\n", "\\r\\n"])):
        got = subprocess.run(rig.inside("python3", "-c", HALF, foreign.GATE, *pieces), capture_output=True, timeout=60)
        head, _, content = got.stdout.partition(b"\r\n\r\n")
        first = head.decode("latin-1").splitlines()[:1]
        context.check(f"{HALF_LINE}, closed {what}", first == ["HTTP/1.1 200 OK"] and content == body,
                      f"{first}, {len(content)} of {SIZE} B, equal: {content == body}")


@lib.step("wrk", WRK_LINE, seconds=120)
def crowd(context):
    lib.require("wrk")
    rig, body, _ = prepared(context, 65536)
    url = rig.url(f"/c/c-{hashlib.sha256(body).hexdigest()}")
    if rig.curl(url).stdout != body:
        raise lib.Failure("the chunk does not come")
    done = subprocess.run(rig.inside("wrk", "-t", "1", "-c", CONNECTIONS, "-d", f"{WRK_S}s", "--latency", url),
                          capture_output=True, text=True, timeout=WRK_S + 40)
    told = done.stdout
    numbers = {key: re.search(pattern, told) for key, pattern in (
        ("rate", r"Requests/sec: +([0-9.]+)"), ("count", r"(\d+) requests in"), ("p50", r"50% +(\S+)"),
        ("p99", r"99% +(\S+)"), ("bytes", r"Transfer/sec: +(\S+)"))}
    if not all(numbers.values()):
        raise lib.Failure(f"wrk said {told[-300:]!r} {done.stderr[-200:]!r}")
    value = {key: match[1] for key, match in numbers.items()}
    errors = re.findall(r"(?:Socket errors|Non-2xx).*", told)
    context.check(WRK_LINE, done.returncode == 0 and not errors and int(value["count"]) >= 100 * WRK_S,
                  f"{value['rate']} requests/s ({value['bytes']}/s) of {value['count']}, {CONNECTIONS} connections, "
                  f"p50 {value['p50']}, p99 {value['p99']}; {'; '.join(errors) or 'no error'}", "no error line of wrk")
