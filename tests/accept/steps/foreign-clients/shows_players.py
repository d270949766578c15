# SPDX-License-Identifier: BSD-3-Clause
"""Software that nobody here wrote fetches through the gateway from two nodes, one killed midway."""

import base64
import hashlib
import os
import re
import subprocess
import time
import urllib.parse

import foreign
import lib

CURL_LINE = "unmodified curl -r through arogate from two nodes, one killed midway; bytes equal to the origin's"
HLS_LINE = "ffmpeg plays and seeks HLS from nginx behind the node, through arogate from two nodes, one killed midway"
CHROMIUM_LINE = "chromium plays a video through arogate from two nodes, one killed midway"
IPFS_LINE = "IPFS raw-block fetches whose bytes hash to their CID, from two nodes, one killed midway"
OCI_LINE = "an OCI blob by digest, from two nodes, one killed midway"
HOST = "media.test"


def pull_to_all(rig, names):
    """Each node has pulled each file: either can go on alone."""
    for each in rig.nodes.values():
        for name in names:
            each.call("pull", url=f"http://{foreign.ORIGIN}/{name}")


def media(path, seconds, *words):
    """A test film made here: moving picture and tone."""
    lib.require("ffmpeg")
    lib.command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
                f"testsrc2=size=640x360:rate=25:duration={seconds}", "-f", "lavfi", "-i",
                f"sine=frequency=440:duration={seconds}", *words, path, timeout=200)


@lib.step("curl", CURL_LINE, seconds=200)
def curl_ranges(context):
    path, size = lib.real_file(context, 256 * lib.MIB), 256 * lib.MIB
    rig = foreign.Rig(context, origin={})
    origin = foreign.Origin(context).start()
    lib.command("cp", path, os.path.join(origin.root, "film"))
    rig.start()
    digest = lib.sha256(path)
    name = rig.nodes["a"].put(path)["id"]
    rig.nodes["b"].put(path)
    wrong, file = [], open(path, "rb")
    for first, last in ((0, 0), (1, 65536), (65535, 65536), (size - 1, size + 5), (100_000_000, 200_000_000)):
        got = rig.curl("-r", f"{first}-{last}", rig.url(f"/o/{name}"), check=True).stdout
        file.seek(first)
        if got != file.read(min(last, size - 1) - first + 1):
            wrong.append(f"{first}-{last}")
    file.close()
    body = context.path("body")
    killer = foreign.Killer(rig, "b", size)
    whole = rig.curl("-o", body, "-w", "%{http_code} %{time_total}", rig.url(f"/o/{name}"))
    midway, told = killer.midway()
    equal = whole.returncode == 0 and lib.sha256(body) == digest
    named = rig.curl("-o", body + "2", "-w", "%{http_code}", rig.url("/film"), host=HOST)
    equal_name = named.returncode == 0 and lib.sha256(body + "2") == digest
    context.check(CURL_LINE, not wrong and equal and equal_name and midway,
                  f"5 ranges, wrong: {wrong or 'none'}; the whole while node b is killed ({told}): "
                  f"curl exit {whole.returncode}, {whole.stdout.decode()}, equal {equal}; by Host and path, "
                  f"pulled from nginx: status {named.stdout.decode()}, equal {equal_name}")


@lib.step("hls", HLS_LINE, seconds=300)
def hls(context):
    lib.require("ffmpeg", "ffprobe")
    rig = foreign.Rig(context, origin={})
    origin = foreign.Origin(context, server="limit_rate 40m;").start()
    media(os.path.join(origin.root, "film.m3u8"), 60, "-c:v", "libx264", "-preset", "ultrafast", "-g",
          "50", "-c:a", "aac", "-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod",
          "-hls_segment_filename", os.path.join(origin.root, "film%03d.ts"))
    rig.start()
    segments = sorted(name for name in os.listdir(origin.root) if name.endswith(".ts"))
    pull_to_all(rig, ["film.m3u8", *segments])
    direct = frames(rig, f"http://{foreign.ORIGIN}/film.m3u8", [])
    header = ["-headers", f"Host: {HOST}\r\n"]
    size = sum(os.path.getsize(os.path.join(origin.root, name)) for name in segments)
    killer = foreign.Killer(rig, "b", size)
    ours = frames(rig, rig.url("/film.m3u8"), header)
    midway, told = killer.midway()
    sought = frames(rig, rig.url("/film.m3u8"), [*header, "-ss", "37"])
    sought_direct = frames(rig, f"http://{foreign.ORIGIN}/film.m3u8", ["-ss", "37"])
    different = [name for name in segments
                 if rig.curl(rig.url("/" + name), host=HOST).stdout != read(os.path.join(origin.root, name))]
    kind = rig.curl("-o", "/dev/null", "-w", "%{content_type}", rig.url("/film.m3u8"), host=HOST)
    good = ours == direct and sought == sought_direct and ours[0] == 1500 and not different and midway
    context.check(HLS_LINE, good, f"{len(segments)} segments, {told}; frames and their hash as from nginx: "
                  f"{ours == direct} ({ours[0]} frames), after seeking to 37 s: {sought == sought_direct} "
                  f"({sought[0]} frames); segments that differ: {different or 'none'}; playlist's type "
                  f"{kind.stdout.decode()}")


def frames(rig, url, words):
    """Plays all of it: number of decoded frames and a hash over every one."""
    result = subprocess.run(rig.inside("ffmpeg", "-v", "error", *words, "-i", url, "-map", "0:v", "-f",
                                       "framemd5", "-"), capture_output=True, timeout=200)
    lines = [line.split(b",")[-1] for line in result.stdout.splitlines() if not line.startswith(b"#")]
    return len(lines), hashlib.sha256(b"".join(lines)).hexdigest(), result.stderr.decode()[:100]


def read(path):
    with open(path, "rb") as file:
        return file.read()


# Plays, seeks, plays on; what happens is told by requests, which stand in the gateway's log.
PAGE = """<!doctype html><title>film</title><video id=v muted autoplay src="/film.webm"></video>
<script>
const v = document.getElementById("v"), say = text => fetch("/report/" + encodeURIComponent(text));
let state = "begins";
v.onerror = () => say("error " + v.error.message);
v.ontimeupdate = () => {
  if (state == "begins" && v.currentTime > 2) { state = "seeks"; v.currentTime = 45; }
  if (state == "seeks" && v.currentTime > 47) {
    state = "played";
    say("played " + v.videoWidth + "x" + v.videoHeight + " to " + Math.floor(v.currentTime) + " of " +
        Math.floor(v.duration) + " dropped " + v.getVideoPlaybackQuality().droppedVideoFrames);
  }
};
</script>"""


def reported(rig, process, seconds):
    """What the page has said, once it says how it ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with open(rig.gate.access_path, encoding="utf-8", errors="replace") as log:
            found = re.search(r"GET /report/(\S+)", log.read())
        if found:
            return urllib.parse.unquote(found[1])
        time.sleep(0.2)
    return f"nothing (chromium's exit code {process.poll()})"


@lib.step("chromium", CHROMIUM_LINE, seconds=300)
def chromium(context):
    lib.require("chromium", "ffmpeg")
    rig = foreign.Rig(context, origin={"prefix": foreign.GATE + "/"})
    origin = foreign.Origin(context).start()
    film = os.path.join(origin.root, "film.webm")
    media(film, 60, "-c:v", "libvpx", "-b:v", "3M", "-deadline", "realtime", "-cpu-used", "8", "-c:a",
          "libopus")
    with open(os.path.join(origin.root, "page.html"), "w", encoding="ascii") as file:
        file.write(PAGE)
    rig.start()
    pull_to_all(rig, ["film.webm", "page.html"])
    killer = foreign.Killer(rig, "b", os.path.getsize(film), 0.05)
    with open(context.log("chromium.log"), "wb") as log:
        process = lib.spawn(
            rig.inside("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio",
                       "--autoplay-policy=no-user-gesture-required", "--no-first-run", "--no-proxy-server",
                       f"--user-data-dir={context.path('chromium')}", rig.url("/page.html")),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=context.work))
    said = reported(rig, process, 120)
    midway, told = killer.midway()
    process.terminate()
    process.wait(20)
    equal = rig.curl(rig.url("/film.webm")).stdout == read(film)
    with open(rig.gate.access_path, encoding="utf-8", errors="replace") as log:
        ranges = sum(1 for line in log if "film.webm" in line and " 206 " in line)
    context.check(CHROMIUM_LINE, said.startswith("played 640x360 to 47 of ") and equal and midway and ranges >= 2,
                  f"the page says: {said!r}; {ranges} partial answers; {told}; bytes equal: {equal}", "played")


@lib.step("ipfs", IPFS_LINE, seconds=100)
def ipfs(context):
    rig = foreign.Rig(context).start()
    wrong, blocks = [], 0
    for size in (1, 1000, 65536, 1048576, 1048576):
        if blocks == 8:
            rig.nodes["b"].kill()
        body = os.urandom(size)
        path = context.path("block")
        with open(path, "wb") as file:
            file.write(body)
        for each in rig.nodes.values():
            if each.process.poll() is None:
                each.put(path, chunk_bytes=1048576)
        digest = hashlib.sha256(body).digest()
        cid = "b" + base64.b32encode(b"\x01\x55\x12\x20" + digest).decode().lower().rstrip("=")
        for words in (["?format=raw"], ["", "-H", "Accept: application/vnd.ipld.raw"]):
            got = rig.curl("-D", context.path("head"), *words[1:], rig.url(f"/ipfs/{cid}{words[0]}"))
            head = read(context.path("head")).decode()
            blocks += 1
            if hashlib.sha256(got.stdout).digest() != digest or \
                    "application/vnd.ipld.raw" not in head or " 200 " not in head:
                wrong.append(f"{size}: {head.splitlines()[0] if head else got.stderr.decode()}")
    context.check(IPFS_LINE, not wrong, f"{blocks} fetches of blocks up to 1 MiB, node b killed before the last 2; wrong: {wrong or 'none'}")


@lib.step("oci", OCI_LINE, seconds=100)
def oci(context):
    path = lib.real_file(context, 64 * lib.MIB)
    rig = foreign.Rig(context).start()
    for each in rig.nodes.values():
        each.put(path)
    digest = lib.sha256(path)
    url = rig.url(f"/v2/library/thing/blobs/sha256:{digest}")
    body, head = context.path("body"), context.path("head")
    missing = rig.curl("-w", " %{http_code}", rig.url(f"/v2/library/thing/blobs/sha256:{'5' * 64}")).stdout.decode()
    killer = foreign.Killer(rig, "b", 64 * lib.MIB)
    got = rig.curl("-o", body, "-D", head, url)
    midway, told = killer.midway()
    ask = rig.curl("-I", url).stdout.decode()
    version = rig.curl("-w", "%{http_code}", "-o", "/dev/null", rig.url("/v2/")).stdout.decode()
    equal = got.returncode == 0 and lib.sha256(body) == digest
    named = f"docker-content-digest: sha256:{digest}" in read(head).decode().lower()
    length = f"content-length: {64 * lib.MIB}" in ask.lower()
    refused = missing.endswith(" 404") and "BLOB_UNKNOWN" in missing
    context.check(OCI_LINE, equal and midway and named and length and refused and version == "200",
                  f"64 MiB equal: {equal}, {told}; Docker-Content-Digest right: {named}; HEAD tells the length: "
                  f"{length}; an unknown one: {missing[:80]}; /v2/: {version}")
