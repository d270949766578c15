# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 during put at 50 seeded offsets, in five steps of ten; every acknowledged object lives on
in one store through all of them."""

import json
import os
import random
import select
import shutil
import time

import lib
import node

LINE = "kill -9 during put: acknowledged objects verify, others are absent, start-up is clean"
BYTES = 48 * lib.MIB
ROUNDS, STEPS, SEED = 50, 5, 20250


class Put:
    """A put whose answer is waited for apart from everything else."""

    def __init__(self, daemon, path):
        self.link = daemon.connect()
        self.link.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "put",
                                      "params": {"path": path}}).encode() + b"\n")
        self.text, self.result = b"", None

    def poll(self, seconds=0):
        """True once answered. What the daemon sent before its death still counts as said."""
        end = time.monotonic() + seconds
        while self.result is None and select.select([self.link], [], [], max(0, end - time.monotonic()))[0]:
            block = self.link.recv(65536)
            if not block:
                break
            self.text += block
            *lines, self.text = self.text.split(b"\n")
            for line in lines:
                answer = json.loads(line)
                if "result" in answer or "error" in answer:
                    self.result = answer
        return self.result is not None


def content(context, number):
    path = context.path("content")
    with open(path, "wb") as file:
        file.write(random.Random(SEED * 1000 + number).randbytes(BYTES))
    return path


def written(daemon):
    return lib.proc_value(daemon.pid, "io", "write_bytes")


def put_timed(context, daemon, number):
    """Seconds from the first write to the acknowledgement, undisturbed; the object."""
    path, base = content(context, number), written(daemon)
    put = Put(daemon, path)
    while written(daemon) == base:
        pass
    first = time.monotonic()
    if not put.poll(60) or "result" not in put.result:
        raise lib.Failure(f"an undisturbed put failed: {put.result}")
    return time.monotonic() - first, put.result["result"]["id"]


def crash_put(context, daemon, number, seconds):
    """Kills the daemon in the middle: where (before, between, after), and the object if it was
    acknowledged."""
    path, base = content(context, number), written(daemon)
    fraction = random.Random(SEED + number).random()
    put = Put(daemon, path)
    deadline = time.monotonic() + 10
    while (now := written(daemon)) == base and time.monotonic() < deadline:
        pass
    time.sleep(fraction * 0.9 * seconds)
    grown = written(daemon) - base
    daemon.kill()
    put.poll(0.2)
    name = put.result["result"]["id"] if put.result and "result" in put.result else None
    where = "after" if name else "between" if now > base else "before"
    lib.log_line(context.log("crashes.jsonl"), json.dumps(
        {"number": number, "fraction": fraction, "written": grown, "where": where, "acknowledged": name}))
    return where, name


def aftermath(daemon, acknowledged):
    """What is wrong after a crash; empty when the promise is kept."""
    try:
        daemon.start()
    except lib.Failure as failure:
        return [str(failure)]
    names = set()
    while True:
        page = daemon.call("ls", after=len(names))
        names.update(entry["id"] for entry in page["objects"])
        if not page["more"]:
            break
    wrong = [f"{name[:14]} is lost" for name in acknowledged - names]
    wrong += [f"{name[:14]} is there, never acknowledged" for name in names - acknowledged]
    verdict = daemon.call("verify")
    if not verdict["ok"] or verdict["objects"] != len(names):
        wrong.append(f"verify: {verdict}")
    return wrong


def crash_step(context, number):
    """Rounds of one tenth; the store and what was acknowledged are kept between the steps."""
    kept = os.path.join(context.state.root, context.state.commit, "crash-store")
    record = os.path.join(kept, "record.json")
    if number == 0:
        shutil.rmtree(kept, ignore_errors=True)
        os.makedirs(kept)
    elif not os.path.exists(record):
        raise lib.Failure("run step crash-1 first: the store is carried from one to the next")
    known = {"acknowledged": [], "where": {}, "wrong": [], "rounds": 0}
    if number > 0:
        with open(record, encoding="utf-8") as file:
            known = json.load(file)
    daemon = node.Daemon(context, None, store="8GiB", store_path=os.path.join(kept, "store"),
                         store_keys='segment = "64MiB"').start()
    acknowledged = set(known["acknowledged"])
    times = []
    for i in range(3):
        seconds, name = put_timed(context, daemon, 1000 + number * 10 + i)
        times.append(seconds)
        acknowledged.add(name)
    wrong, counts = [], {"before": 0, "between": 0, "after": 0}
    for turn in range(number * ROUNDS // STEPS, (number + 1) * ROUNDS // STEPS):
        where, name = crash_put(context, daemon, turn, lib.median(times))
        counts[where] += 1
        if name:
            acknowledged.add(name)
        found = aftermath(daemon, acknowledged)
        wrong += [f"round {turn}: {text}" for text in found]
        context.say(f"round {turn + 1} of {ROUNDS}: killed {where}; {'; '.join(found) or 'clean'}")
        if found:
            break
    known["acknowledged"] = sorted(acknowledged)
    known["wrong"] += wrong
    known["rounds"] += sum(counts.values())
    for key, value in counts.items():
        known["where"][key] = known["where"].get(key, 0) + value
    with open(record, "w", encoding="utf-8") as file:
        json.dump(known, file)
    if daemon.process.poll() is None:
        daemon.stop()
    context.check(f"{LINE} (rounds {number * 10 + 1}..{number * 10 + 10})", not wrong,
                  f"{counts}; {len(acknowledged)} acknowledged; {'; '.join(wrong) or 'nothing wrong'}")
    if number == STEPS - 1:
        total = known["where"]
        context.check("kill -9 at 50 seeded offsets, at least 40 between first write and acknowledgement",
                      known["rounds"] == ROUNDS and total.get("between", 0) >= 40 and not known["wrong"],
                      f"{known['rounds']} rounds: {total}", "50 rounds, >= 40 between")
        shutil.rmtree(kept, ignore_errors=True)


for _number in range(STEPS):
    lib.step(f"crash-{_number + 1}", LINE, seconds=300)(
        lambda context, number=_number: crash_step(context, number))
