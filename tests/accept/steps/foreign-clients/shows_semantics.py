# SPDX-License-Identifier: BSD-3-Clause
"""Ranges and conditions: case by case against nginx on the same file, and 100,000 random Range
headers against integers without a limit."""

import email.utils
import hashlib
import json
import os
import random
import re
import subprocess

import foreign
import lib

MATRIX_LINE = "the Range and conditional matrix (at least 40 cases) equal to nginx's answers on the same file"
RANDOM_LINE = "10^5 random Range headers against a big-integer oracle"
SIZE = 200_001

# name, headers; {etag}, {modified} are the server's own, {before} and {after} an hour off
CASES = [
    ("plain", {}),
    ("first byte", {"Range": "bytes=0-0"}),
    ("first 100", {"Range": "bytes=0-99"}),
    ("middle", {"Range": "bytes=65530-65545"}),
    ("to the end", {"Range": "bytes=200000-"}),
    ("from 0 to the end", {"Range": "bytes=0-"}),
    ("last 100", {"Range": "bytes=-100"}),
    ("last 1", {"Range": "bytes=-1"}),
    ("suffix of all", {"Range": "bytes=-200001"}),
    ("suffix beyond all", {"Range": "bytes=-300000"}),
    ("suffix of nothing", {"Range": "bytes=-0"}),
    ("end beyond", {"Range": "bytes=199990-999999"}),
    ("exact end", {"Range": "bytes=0-200000"}),
    ("one beyond", {"Range": "bytes=0-200001"}),
    ("begins at the end", {"Range": "bytes=200001-"}),
    ("begins beyond", {"Range": "bytes=999999-"}),
    ("begins beyond, with an end", {"Range": "bytes=300000-400000"}),
    ("backwards", {"Range": "bytes=100-99"}),
    ("huge", {"Range": "bytes=0-99999999999999999999"}),
    ("huge begin", {"Range": "bytes=99999999999999999999-"}),
    ("huge suffix", {"Range": "bytes=-99999999999999999999"}),
    ("no dash", {"Range": "bytes=5"}),
    ("letters", {"Range": "bytes=a-b"}),
    ("empty", {"Range": "bytes="}),
    ("only a dash", {"Range": "bytes=-"}),
    ("other unit", {"Range": "lines=0-5"}),
    ("no unit", {"Range": "0-5"}),
    ("spaces", {"Range": "bytes= 0-9"}),
    ("upper-case unit", {"Range": "BYTES=0-9"}),
    ("negative", {"Range": "bytes=-5-10"}),
    ("two ranges", {"Range": "bytes=0-9,20-29"}),
    ("if-none-match, same", {"If-None-Match": "{etag}"}),
    ("if-none-match, weak", {"If-None-Match": "W/{etag}"}),
    ("if-none-match, other", {"If-None-Match": '"other"'}),
    ("if-none-match, list", {"If-None-Match": '"a", {etag}, "b"'}),
    ("if-none-match, any", {"If-None-Match": "*"}),
    ("if-none-match, same, with a range", {"If-None-Match": "{etag}", "Range": "bytes=0-9"}),
    ("if-none-match, other, with a range", {"If-None-Match": '"x"', "Range": "bytes=0-9"}),
    ("if-match, same", {"If-Match": "{etag}"}),
    ("if-match, other", {"If-Match": '"other"'}),
    ("if-match, any", {"If-Match": "*"}),
    ("if-match, weak", {"If-Match": "W/{etag}"}),
    ("if-match, other, with a range", {"If-Match": '"x"', "Range": "bytes=0-9"}),
    ("if-modified-since, same", {"If-Modified-Since": "{modified}"}),
    ("if-modified-since, before", {"If-Modified-Since": "{before}"}),
    ("if-modified-since, after", {"If-Modified-Since": "{after}"}),
    ("if-modified-since, nonsense", {"If-Modified-Since": "yesterday"}),
    ("if-none-match over if-modified-since", {"If-None-Match": '"x"', "If-Modified-Since": "{modified}"}),
    ("if-unmodified-since, same", {"If-Unmodified-Since": "{modified}"}),
    ("if-unmodified-since, before", {"If-Unmodified-Since": "{before}"}),
    ("if-unmodified-since, after", {"If-Unmodified-Since": "{after}"}),
    ("if-range, same tag", {"If-Range": "{etag}", "Range": "bytes=5-9"}),
    ("if-range, other tag", {"If-Range": '"other"', "Range": "bytes=5-9"}),
    ("if-range, weak tag", {"If-Range": "W/{etag}", "Range": "bytes=5-9"}),
    ("if-range, same date", {"If-Range": "{modified}", "Range": "bytes=5-9"}),
    ("if-range, earlier date", {"If-Range": "{before}", "Range": "bytes=5-9"}),
    ("if-range without a range", {"If-Range": "{etag}"}),
]

# Where the answers differ, on purpose: docs/http.md, "Where it differs from nginx".
JUSTIFIED = {
    "two ranges": "one range at a time: the whole is sent (RFC 9110 14.2 allows it)",
    "if-modified-since, after": "RFC 9110 13.1.3: not modified since then either; nginx compares for equality",
    "huge": "a number beyond 64 bits is the integer that it is (RFC 9110 14.1.2): cut at the end",
    "huge suffix": "the same: the whole as a part",
}


# Runs in the client's namespace: [[method, path, headers], ...] on stdin, one server.
ASKER = """
import hashlib, http.client, json, sys

def ask(link, method, path, headers):
    link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    link.putheader('Host', sys.argv[2])
    for name, value in headers.items():
        link.putheader(name, value)
    link.endheaders()
    answer = link.getresponse()
    return answer, answer.read()

link = http.client.HTTPConnection(sys.argv[1], timeout=20)
for request in json.load(sys.stdin):
    try:
        answer, body = ask(link, *request)
    except ConnectionError:  # the server ended the connection after the last answer
        link.close()
        answer, body = ask(link, *request)
    print(json.dumps([answer.status, {k.lower(): v for k, v in answer.getheaders()},
                      hashlib.sha256(body).hexdigest(), len(body)]))
"""


def answers(rig, server, host, requests):
    result = subprocess.run(rig.inside("python3", "-c", ASKER, server, host), input=json.dumps(requests),
                            capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise lib.Failure(f"asking {server}: {result.stderr.strip()[-300:]}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def requests_for(server_head):
    modified = server_head["last-modified"]
    moment = email.utils.parsedate_to_datetime(modified).timestamp()
    known = {"etag": server_head["etag"], "modified": modified,
             "before": email.utils.formatdate(moment - 3600, usegmt=True),
             "after": email.utils.formatdate(moment + 3600, usegmt=True)}
    return [["GET", "/file.bin", {name: value.format(**known) for name, value in headers.items()}]
            for _, headers in CASES] + \
           [["HEAD", "/file.bin", {name: value.format(**known) for name, value in headers.items()}]
            for _, headers in CASES[:8]]


@lib.step("matrix", MATRIX_LINE, seconds=200)
def matrix(context):
    rig = foreign.Rig(context, nodes=("a",), origin={})
    origin = foreign.Origin(context).start()
    with open(os.path.join(origin.root, "file.bin"), "wb") as file:
        file.write(os.urandom(SIZE))
    rig.start()
    found = {}
    for name, server in (("nginx", foreign.ORIGIN), ("arogate", foreign.GATE)):
        head = answers(rig, server, "media.test", [["GET", "/file.bin", {}]] * 2)[1][1]
        found[name] = answers(rig, server, "media.test", requests_for(head))
    names = [name for name, _ in CASES] + ["HEAD, " + name for name, _ in CASES[:8]]
    differ, justified = [], []
    for name, theirs, ours in zip(names, found["nginx"], found["arogate"]):
        keys = ("content-range", "content-length") if theirs[0] in (200, 206) else ("content-range",)
        wrong = [f"status {theirs[0]} / {ours[0]}"] if theirs[0] != ours[0] else \
            [f"{key} {theirs[1].get(key)} / {ours[1].get(key)}" for key in keys
             if theirs[1].get(key) != ours[1].get(key)]
        if not wrong and theirs[0] in (200, 206) and theirs[2] != ours[2]:
            wrong = ["body"]
        if wrong and name.removeprefix("HEAD, ") in JUSTIFIED:
            justified.append(name)
        elif wrong:
            differ.append(f"{name}: {', '.join(wrong)}")
    with open(lib.ROOT + "/docs/http.md", encoding="utf-8") as page:
        text = page.read().lower()
    unlisted = [name for name in justified if name.removeprefix("HEAD, ") not in text]
    context.check(MATRIX_LINE, not differ and not unlisted and len(names) >= 40,
                  f"{len(names)} cases; equal {len(names) - len(differ) - len(justified)}; justified in "
                  f"docs/http.md: {', '.join(justified) or 'none'}; different: {'; '.join(differ) or 'none'}"
                  f"{'; not listed: ' + ', '.join(unlisted) if unlisted else ''}")


def range_random(chance):
    """A Range header, mostly sensible, sometimes absurd."""
    edge = [0, 1, 99, 1000, SMALL - 1, SMALL, SMALL + 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30]
    number = lambda: str(chance.choice(edge) if chance.random() < 0.3 else chance.randrange(2 * SMALL))
    kind = chance.random()
    if kind < 0.45:
        return f"bytes={number()}-{number()}"
    if kind < 0.65:
        return f"bytes={number()}-"
    if kind < 0.85:
        return f"bytes=-{number()}"
    if kind < 0.9:
        return f"bytes={'0' * chance.randrange(30)}{number()}-{number()}"
    return "".join(chance.choice("bytes=0123456789-, ") for _ in range(chance.randrange(1, 24))).strip() or "x"


SMALL = 5003


RANGE_SPEC = re.compile(r"[ \t]*(?:(\d+)[ \t]*-[ \t]*(\d*)|-(\d+))[ \t]*")


def oracle(text, total):
    """docs/http.md with integers of any size: (status, first, last). What makes no sense in bytes is
    416, as nginx has it; several parts that lie inside: the whole."""
    whole, outside = (200, 0, total - 1), (416, 0, 0)
    if not text.lower().startswith("bytes=") or len(text) == 6:
        return whole
    found = []
    for spec in text[6:].split(","):
        match = RANGE_SPEC.fullmatch(spec)
        if match is None:
            return outside
        first, last, suffix = match.groups()
        if suffix is not None:
            first, last = max(0, total - int(suffix)), total - 1
        else:
            first, last = int(first), int(last) if last else total - 1
        if first <= last and first < total:
            found.append((206, first, min(last, total - 1)))
    if len(found) > 1:
        return whole
    return found[0] if found else outside


@lib.step("random-ranges", RANDOM_LINE, seconds=300)
def random_ranges(context):
    rig = foreign.Rig(context, nodes=("a",)).start()
    body = os.urandom(SMALL)
    with open(context.path("small"), "wb") as file:
        file.write(body)
    name = rig.nodes["a"].put(context.path("small"))["id"]
    chance, wrong, count, statuses = random.Random(9110), [], 100_000, {}
    while count > 0:
        texts = [range_random(chance) for _ in range(min(count, 20_000))]
        count -= len(texts)
        got = answers(rig, foreign.GATE, "x.test", [["GET", f"/o/{name}", {"Range": text}] for text in texts])
        for text, (status, head, digest, length) in zip(texts, got):
            statuses[status] = statuses.get(status, 0) + 1
            expected, first, last = oracle(text, SMALL)
            part = body[first:last + 1]
            right = status == expected
            if right and status != 416:
                right = digest == hashlib.sha256(part).hexdigest() and length == len(part)
            if right and status == 206:
                right = head.get("content-range") == f"bytes {first}-{last}/{SMALL}"
            if right and status == 416:
                right = head.get("content-range") == f"bytes */{SMALL}"
            if not right:
                wrong.append(f"{text!r}: {status} {head.get('content-range')}, expected {expected} {first}-{last}")
    context.check(RANDOM_LINE, not wrong, f"100000 headers, answers {statuses}; wrong: {len(wrong)} {wrong[:3]}")
