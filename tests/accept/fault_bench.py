# SPDX-License-Identifier: BSD-3-Clause
"""A daemon on a disk that fails, what it must do meanwhile, and what must be there afterwards."""

import time

import disk_tier
import engine
import failing_disk
import fault_load
import lib
import node

# A cold question waits 2 s at most (dataplane { pending_deadline }), then it is answered.
COLD_MAX_S, STATUS_MAX_S, PUT_MAX_S, NORMAL_MAX_S = 3.0, 1.0, 10.0, 5.0


class Bench:
    """A daemon, its contents, and the disk below."""

    def __init__(self, context, store_path, disk=None, store="1TiB"):
        self.context, self.disk, self.seed = context, disk, engine.seed()
        fault_load.namespace.wire()
        self.daemon = node.Daemon(context, fault_load.Wire, cache="64MiB", store=store, build="disk",
                                  store_path=store_path, store_keys='segment = "16MiB" recycle = off',
                                  extra='http { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n')
        self.contents = fault_load.Contents(context, self.daemon, self.seed)

    def make_store(self):
        lib.command(self.context.program("control/arocached", "disk"), "-c", self.daemon.config, "--make-store",
                    self.daemon.store_path)

    def counters(self):
        stats = self.daemon.call("stats")
        return {name: stats["store"].get(name, 0) + stats["dataplane"].get(name, 0)
                for name in ("disk_errors", "disk_mismatches", "write_failures", "sync_failures", "rejected")}

    def grown(self, before):
        return {name: value - before[name] for name, value in self.counters().items()}

    def normal_again(self):
        """Seconds until a put is acknowledged and cold chunks come at the first question; None: never."""
        began, client, error = time.monotonic(), fault_load.Asker(), None
        while time.monotonic() < began + 4 * NORMAL_MAX_S:
            error, _ = self.contents.put()
            self.contents.cool()
            told = {client.once(*content.chunks[0])[0] for content in self.contents.there[-5:]}
            if error is None and told == {"DATA"}:
                return time.monotonic() - began
            time.sleep(0.05)
        return None


def during(bench, line, load, grown, may_refuse, must_grow, disk_did):
    """The row about what happened while it failed."""
    good = (load.hits.share("DATA") >= 0.95 and load.hits.total() > 100 and
            load.cold.counts.keys() <= {"DATA", "RETRY_LATER"} and load.cold.longest_s <= COLD_MAX_S and
            load.cold.total() > 0 and load.puts.counts.keys() <= {"acknowledged", may_refuse} and
            load.puts.total() > 0 and load.puts.longest_s <= PUT_MAX_S and load.status.longest_s <= STATUS_MAX_S and
            not load.wrong and grown["disk_mismatches"] == 0 and all(grown[name] > 0 for name in must_grow))
    writable = "takes no writes" if load.unwritable else "always takes writes"
    bench.context.check(
        f"{line}: memory hits go on, all else is answered in time and by its id, the counters tell", good,
        f"seed {bench.seed}; hits {load.hits}; cold {load.cold}; puts {load.puts}; status "
        f"{load.status.longest_s:.2f} s, {writable}; "
        f"counted {grown}; {disk_did}; {'; '.join(load.wrong[:3]) or 'no wrong byte'}",
        f"hits >= 95%, cold DATA or RETRY_LATER in {COLD_MAX_S} s, puts acknowledged or {may_refuse} in {PUT_MAX_S} s, "
        f"status in {STATUS_MAX_S} s, counted {', '.join(must_grow)}")


def afterwards(bench, line, recovered_s, may_refuse=()):
    """The fault is over. Nothing acknowledged is lost, now and after a kill. may_refuse: errors of what
    is put again."""
    bench.context.check(f"{line}: normal again without a restart, {NORMAL_MAX_S:.0f} s after its end at the latest",
                        recovered_s is not None and recovered_s <= NORMAL_MAX_S,
                        "never" if recovered_s is None else f"{recovered_s:.2f} s")
    told = [state(bench, "now")]
    restart(bench)
    told.append(state(bench, "after kill -9"))
    again = set(bench.contents.put_again())
    restart(bench, forget=True)
    told.append(state(bench, "what was refused put again, killed, the page cache dropped"))
    bench.context.check(f"{line}: nothing acknowledged is lost or wrong",
                        again <= set(may_refuse) and all(not any(found.values()) for _, found in told),
                        f"seed {bench.seed}; {len(bench.contents.there)} objects; what was put again: "
                        f"{' '.join(again) or 'taken'}; " + "; ".join(f"{when}: {found}" for when, found in told))
    for content in bench.contents.hot:
        bench.daemon.call("pin", id=content.id)


def restart(bench, forget=False):
    bench.daemon.kill()
    if forget:
        failing_disk.drop_cached(bench.daemon.store_path)
    bench.daemon.start()
    disk_tier.wait_whole(bench.daemon)


def state(bench, when):
    """How many of what there should be none; a word more about records called damaged by mistake."""
    daemon, there = bench.daemon, bench.contents.there
    listed = {entry["id"] for entry in disk_tier.listed(daemon)}
    recovery = daemon.call("status")["store"]["recovery"]
    called, worse = disk_tier.scrubbed(daemon)
    excused = f" ({len(called) - len(worse)} records called damaged)" if len(called) > len(worse) else ""
    return when + excused, {
        "not right": len(bench.contents.wrong()), "not listed": sum(one.id not in listed for one in there),
        "verify": daemon.call("verify")["problems"], "scrub": len(worse), "set aside": recovery["lost"]}


def warm(bench):
    """What is pinned comes into memory."""
    client = fault_load.ChunkClient()
    for content in bench.contents.hot:
        for chunk in content.chunks:
            client.get(*chunk)
    client.close()
