# SPDX-License-Identifier: BSD-3-Clause
"""The origin goes and comes back: what was fetched once goes on, past its time, too; what was not
fails with a sentence; then everything heals without anybody's help, and what changed is seen."""

import hashlib
import os
import re
import time

import foreign
import lib

DOWN_LINE = "origin down: warm names go on (stale-if-error), cold ones fail with a sentence; origin back: heals alone"
CHANGE_LINE = "origin back: a changed file is seen after its TTL, never mixed with the old one"
HOST = "media.test"
TTL_S, BELIEVED_S = 2, 5  # the node's for an answer without Cache-Control; the gateway's longest
SIZE = 24 * lib.MIB


class Got:
    """One fetch by Host and path: status, ETag, digest of the body, the body itself when it is short."""

    def __init__(self, context, rig, path, *words):
        head, body = context.path("head"), context.path("got")
        for name in (head, body):
            if os.path.exists(name):
                os.unlink(name)
        done = rig.curl("-m", "30", "-D", head, "-o", body, *words, rig.url(path), host=HOST)
        self.code, text, self.body = done.returncode, read(head).decode("latin-1"), read(body)
        self.status = int(text.split()[1]) if text else 0
        etag = re.search(r"^etag: *(\S+)", text, re.I | re.M)
        self.etag = etag[1] if etag else None
        self.digest = hashlib.sha256(self.body).hexdigest()

    def is_whole(self, digest, etag):
        return (self.code, self.status, self.digest, self.etag) == (0, 200, digest, etag)


def read(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def write(origin, name, body):
    """As a deployment does it: a whole new file takes the old one's place."""
    path = os.path.join(origin.root, name)
    with open(path + ".new", "wb") as file:
        file.write(body)
    os.replace(path + ".new", path)


def wait_past_ttl(rig, name):
    """Until every node says that it is past its time, and the gateway has to ask again."""
    time.sleep(max(TTL_S, BELIEVED_S) + 0.5)
    return {node: each.call("resolve", name=f"{HOST}/{name}")["stale"] for node, each in rig.nodes.items()}


def until(seconds, ask):
    """Asks until the answer is good; the seconds that it took, or None."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if ask():
            return time.monotonic() - began
        time.sleep(0.1)
    return None


@lib.step("origin-down", DOWN_LINE, seconds=240)
def origin_down(context):
    rig = foreign.Rig(context, origin={"ttl": f"{TTL_S}s", "stale": "1h", "negative_ttl": "1s"})
    origin = foreign.Origin(context).start()
    body = os.urandom(SIZE)
    digest = hashlib.sha256(body).hexdigest()
    for name in ("warm", "cold", "cold2"):
        write(origin, name, body)
    rig.start()
    for each in rig.nodes.values():
        each.call("pull", url=f"http://{foreign.ORIGIN}/warm")
    warm = Got(context, rig, "/warm")
    origin.kill()
    down(context, rig, warm, digest, body)
    requests = len(origin.requests())
    origin.start()
    heals(context, rig, warm, digest)
    told = [line.split('"')[2].split()[0] for line in origin.requests()[requests:] if "/warm" in line]
    context.check(f"{DOWN_LINE}: the warm name is asked for again, not fetched again",
                  "304" in told and "200" not in told, f"nginx answered {told}", "304")
    changes(context, rig, origin, warm)


def down(context, rig, warm, digest, body):
    stale = wait_past_ttl(rig, "warm")
    got = [Got(context, rig, "/warm") for _ in range(3)]
    part = Got(context, rig, "/warm", "-r", "1000000-2999999", "-H", f"If-Range: {warm.etag}")
    good = all(each.is_whole(digest, warm.etag) for each in [warm, *got])
    good_part = part.status == 206 and part.body == body[1000000:3000000]
    context.check(f"{DOWN_LINE}: warm", good and good_part and all(stale.values()),
                  f"past its TTL by the nodes' own word: {stale}; {len(got)} fetches whole and equal, ETag "
                  f"{warm.etag} kept: {good}; a part by If-Range: {part.status}, equal {good_part}")
    began = time.monotonic()
    cold = Got(context, rig, "/cold")
    text = cold.body.decode("latin-1")
    context.check(f"{DOWN_LINE}: cold", cold.status == 504 and re.match(r"ARO-8003: .*reached.*\.$", text, re.S),
                  f"{cold.status} after {time.monotonic() - began:.1f} s: {text.strip()!r}", "504, a sentence, an id")


def heals(context, rig, warm, digest):
    fetched = until(15, lambda: Got(context, rig, "/cold").is_whole(digest, Got(context, rig, "/cold").etag))
    fresh = until(15, lambda: not any(
        each.call("resolve", name=f"{HOST}/warm")["stale"] for each in rig.nodes.values()))
    good = Got(context, rig, "/warm").is_whole(digest, warm.etag)
    context.check(f"{DOWN_LINE}: back", fetched is not None and fresh is not None and good,
                  f"the cold name whole {shown(fetched)} after the origin's start, the warm one no longer stale "
                  f"on either node {shown(fresh)} later; its bytes and ETag as before: {good}")


def shown(seconds):
    return "never" if seconds is None else f"{seconds:.1f} s"


def changes(context, rig, origin, old):
    """Fetches without a pause while the file changes: each is all old or all new, and new ones stay."""
    time.sleep(1.1)  # nginx's ETag holds whole seconds
    body = os.urandom(SIZE)
    digest, seen = hashlib.sha256(body).hexdigest(), []
    write(origin, "warm", body)
    began, first = time.monotonic(), None
    while time.monotonic() < began + (first or 20) + 3:
        got = Got(context, rig, "/warm")
        if got.is_whole(old.digest, old.etag):
            seen.append("old")
        elif got.is_whole(digest, got.etag) and got.etag != old.etag:
            seen.append("new")
            first = first or time.monotonic() - began
        else:
            seen.append(f"curl exit {got.code}, {got.status}, ETag {got.etag}, {len(got.body)} B of neither")
    wrong = [one for one in seen if one not in ("old", "new")]
    ordered = seen == sorted(seen, key=lambda one: one == "new")
    late = first is None or first > TTL_S + BELIEVED_S + 1
    both = [each.call("resolve", name=f"{HOST}/warm")["etag"] for each in rig.nodes.values()]
    context.check(CHANGE_LINE, not wrong and ordered and not late and "old" in seen and old.etag not in both,
                  f"{seen.count('old')} fetches old, then {seen.count('new')} new, the first "
                  f"{shown(first)} after the change (TTL {TTL_S} s, the gateway's {BELIEVED_S} s at most); neither: "
                  f"{wrong[:2] or 'none'}; in this order: {ordered}; ETags {old.etag} -> {both}")
