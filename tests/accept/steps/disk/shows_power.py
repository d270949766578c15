# SPDX-License-Identifier: BSD-3-Clause
"""Power cuts below a real daemon, a real block layer and a real file system: a workload is recorded
where the disk is (failing_disk.py), with each answer noted between the writes and flushes, and played
again up to every flush and some way on (power_cut.py). From each of these disks a daemon starts: what
had been answered by then is there, chunk by chunk, and nothing else but what was on its way."""

import os
import random
import threading

import disk_tier
import engine
import failing_disk
import fault_load
import lib
import node
import power_cut

LINE = "every flush point of a recorded workload, replayed on a real block layer"
DISK_BYTES, OBJECT_BYTES_MAX, PUTS, EVICT_SHARE = 256 * lib.MIB, lib.MIB, 100, 0.2
PEOPLE = 4
CUTS = int(os.environ.get("ARO_POWER_CUTS", 150))
NEVER = 1 << 60


class Life:
    """One content: when its put and its evict were asked for and answered, in events of the disk."""

    def __init__(self, content, asked):
        self.content, self.asked = content, asked
        self.put = self.evict_asked = self.evicted = NEVER


class Workload:
    """Some who put; each evicts something of its own now and then."""

    def __init__(self, context, disk, daemon, seed):
        self.context, self.disk, self.daemon, self.seed = context, disk, daemon, seed
        self.lives, self.wrong, self.lock, self.number = [], [], threading.Lock(), 0

    def now(self):
        return self.disk.page.counted("events")

    def next_content(self):
        while True:
            with self.lock:
                self.number += 1
                number = self.number
            content = fault_load.Content(self.seed, number)
            if len(content.bytes) <= OBJECT_BYTES_MAX:
                return content

    def person(self, which):
        dice, own = random.Random(f"{self.seed}/{which}"), []
        path = self.context.path(f"content-{which}")
        for _ in range(PUTS // PEOPLE):
            content = self.next_content()
            with open(path, "wb") as file:
                file.write(content.bytes)
            life = Life(content, self.now())
            content.id = self.daemon.put(path, chunk_bytes=content.chunk_bytes)["id"]
            life.put = self.now()
            self.lives.append(life)
            own.append(life)
            if dice.random() < EVICT_SHARE:
                gone = own.pop(dice.randrange(len(own)))
                gone.evict_asked = self.now()
                self.daemon.call("evict", id=gone.content.id)
                gone.evicted = self.now()

    def guard(self, which):
        try:
            self.person(which)
        except Exception as error:  # a thread must not end unnoticed
            self.wrong.append(f"{type(error).__name__}: {error}")

    def run(self):
        threads = [threading.Thread(target=self.guard, args=(which,)) for which in range(PEOPLE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.wrong:
            raise lib.Failure(self.wrong[0])


class Device:
    """The store is the disk itself."""
    tear_bytes = failing_disk.failing_plugin.SECTOR

    def __init__(self, context):
        self.context, self.loop = context, None

    def make(self, disk):
        daemon = self.daemon("recorded", disk.device)
        lib.command(self.context.program("control/arocached", "disk"), "-c", daemon.config, "--make-store", disk.device)
        return daemon

    def daemon(self, name, path):
        return make_daemon(self.context, name, path, "1TiB")

    def open(self, image):
        self.loop = failing_disk.Loop(image, direct=False)
        return self.daemon("cut", self.loop.device)

    def close(self):
        self.loop.close()


class FileSystem(Device):
    """The store is a directory of an ext4 on the disk. Half a superblock would be for e2fsck to mend."""
    tear_bytes = 4096

    def make(self, disk):
        folder = disk.mount("ext4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-m", "0")
        os.mkdir(self.context.path("cut-mount"))
        return make_daemon(self.context, "recorded", os.path.join(folder, "store"), "192MiB")

    def open(self, image):
        self.loop = failing_disk.Loop(image, direct=False)
        mount = self.context.path("cut-mount")
        lib.command("mount", "-o", "noatime", self.loop.device, mount)
        return make_daemon(self.context, "cut", os.path.join(mount, "store"), "192MiB")

    def close(self):
        failing_disk.unmount(self.context.path("cut-mount"))
        self.loop.close()


def make_daemon(context, name, path, size):
    return node.Daemon(context, fault_load.Wire, cache="64MiB", store=size, build="disk", name=name, store_path=path,
                       store_keys='segment = "16MiB" recycle = off',
                       extra='http { listen = "" }\nlimits { ceiling = 0 ceiling_net = 0 }\n')


def judge(daemon, lives, moment):
    """What is wrong after a start, in words."""
    there = {entry["digest"]: entry["id"] for entry in disk_tier.listed(daemon)}
    client, wrong = fault_load.ChunkClient(), []
    for life in lives:
        content = life.content
        if content.digest in there and (moment <= life.asked or life.evicted <= moment):
            wrong.append(f"{content.id} should not be there")
        elif content.digest not in there and life.put <= moment <= life.evict_asked:
            wrong.append(f"{content.id}, acknowledged, is lost")
        elif content.digest in there:
            told = {client.get(*chunk) for chunk in content.chunks}
            wrong += [f"{content.id}: {', '.join(told)}"] if told != {"right"} else []
    client.close()
    return wrong


def complaints(daemon, offline):
    """What is called damaged offline and by a scrub: (all of it; what no lost write excuses)."""
    called, worse = disk_tier.scrubbed(daemon)
    if offline.returncode != 0:
        said = " ".join((offline.stdout + offline.stderr).split())
        called.append(f"--check-store: exit {offline.returncode}: {said[:200]}")
    if offline.returncode not in (0, 6):
        worse.append(called[-1])
    return called, worse


class Verdict:
    """Of all cuts together."""

    def __init__(self):
        self.wrong, self.called_damaged = [], 0


def cut_and_start(where, replay, image, moment, lives, seed, verdict):
    """One cut; in words what it was and what is wrong."""
    how, torn = replay.cut(moment, image, seed)
    daemon = where.open(image)
    try:
        offline = disk_tier.check_offline(daemon)
        daemon.start()
        disk_tier.wait_whole(daemon)
        wrong, (called, worse) = judge(daemon, lives, moment), complaints(daemon, offline)
        if lost := daemon.call("status")["store"]["recovery"]["lost"]:
            wrong.append(f"{lost} segments set aside")
    finally:
        daemon.kill()
        where.close()
    verdict.called_damaged += torn and bool(called)
    wrong += worse if torn else called
    verdict.wrong += [f"cut at event {moment} ({how}): {sentence}" for sentence in wrong]
    return f"cut at event {moment}: {how}: {'; '.join(wrong + called) or 'all right'}"


def power_step(context, where, line):
    if lacking := failing_disk.lacks():
        return context.skip(line, lacking)
    seed = engine.seed()
    fault_load.namespace.wire()
    disk = failing_disk.FailingDisk(context, DISK_BYTES, seed, record=True)
    disk.begin_recorded()
    daemon = where.make(disk)
    daemon.start()
    disk_tier.wait_whole(daemon)
    work = Workload(context, disk, daemon, seed)
    first = work.now()
    work.run()
    daemon.kill()
    disk.close()
    events = power_cut.read_events(disk.log)
    moments, flushes = power_cut.moments(events, first, CUTS, seed)
    replay = power_cut.Replay(disk.log, events, context.path("durable"), DISK_BYTES, where.tear_bytes)
    context.closers.append(replay.close)
    verdict, image = Verdict(), context.path("cut-image")
    for moment in moments:
        lib.log_line(context.log("output.log"),
                     cut_and_start(where, replay, image, moment, work.lives, seed, verdict))
    answered = sum(life.put <= moment < life.evict_asked for moment in moments for life in work.lives)
    evicts = sum(life.evicted < NEVER for life in work.lives)
    context.check(line, not verdict.wrong and len(moments) >= min(CUTS, 100) and answered > 10 * len(moments),
                  f"seed {seed}: {len(work.lives)} puts and {evicts} evicts in {len(events) - first} events; "
                  f"{len(moments)} of {flushes} flush points; {answered} times an acknowledged object had to be there; "
                  f"{verdict.called_damaged} cuts with a torn write called damage; {len(verdict.wrong)} wrong: "
                  f"{'; '.join(verdict.wrong[:3]) or 'none'}")


@lib.step("power-device", LINE, seconds=590, needs=("disk",))
def power_device(context):
    power_step(context, Device(context), f"{LINE}: a block device")


@lib.step("power-ext4", LINE, seconds=590, needs=("disk",))
def power_ext4(context):
    power_step(context, FileSystem(context), f"{LINE}: ext4")
