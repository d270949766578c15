# SPDX-License-Identifier: BSD-3-Clause
"""What an operator's host says: the installed units under systemd-analyze, and aroctl doctor on hosts
that are broken on purpose - its own command, run as printed, has to mend each of them."""

import glob
import json
import os
import re
import shutil
import subprocess

import lib

UNITS_LINE = "`systemd-analyze security --offline` of both installed units <= 2.5"
DOCTOR_LINE = "`aroctl doctor` on a host broken on purpose: the right FAIL, and its command mends it"
EXPOSURE_MAX = 2.5
HUGE = "/proc/sys/vm/nr_hugepages"
RING = 'port "p0" { device = "net_ring0" addresses = {"10.9.0.1/24"} }\n'
ELSEWHERE = "/var/lib/arocache"  # where doctor moves a store to
KEYS = {"check", "verdict", "evidence", "mend"}


# ---- units ----


def install(context):
    """As a package would: the release build below a directory."""
    build = context.state.build_dirs["release"]
    told = json.loads(lib.command("meson", "introspect", "--installed", build))
    made = [os.path.relpath(path, build) for path in told if path.startswith(build + "/")]
    lib.command("ninja", "-j2", "-C", build, *[path for path in made if not path.startswith("meson-private")
                                              and not path.endswith((".service", ".conf"))])
    root = context.path("root")
    lib.command("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
    return root, dict(told)


def exposure(root, unit):
    said = lib.command("systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={root}", unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    if found is None:
        raise lib.Failure(f"systemd-analyze says nothing of {unit}: {said[-200:]}")
    return float(found[1])


@lib.step("units", UNITS_LINE, seconds=300)
def units(context):
    lib.require("meson", "ninja", "systemd-analyze")
    root, places = install(context)
    missing = [place for place in places.values() if not os.path.lexists(root + place)]
    context.check("`meson install` puts everything in place", not missing and len(places) > 20,
                  f"{len(places)} files below --destdir, missing: {missing or 'none'}")
    values = {}
    for unit in ("arocached", "arogate"):
        values[unit] = exposure(root, unit + ".service")
    for path in glob.glob(f"{root}/usr/**/arocache/systemd/*.conf", recursive=True):
        name = os.path.basename(path)[:-5]
        unit = "arogate" if name.startswith("arogate") else "arocached"
        place = f"{root}/etc/systemd/system/{unit}.service.d"
        os.makedirs(place)
        shutil.copy(path, place)
        values[f"{unit} with {name}"] = exposure(root, unit + ".service")
        shutil.rmtree(place)
    context.check(UNITS_LINE, len(values) >= 8 and max(values.values()) <= EXPOSURE_MAX,
                  ", ".join(f"{name} {value}" for name, value in values.items()), f"<= {EXPOSURE_MAX}")


# ---- doctor ----


class Host:
    """A configuration and what doctor says of it; nothing of arocache runs."""

    def __init__(self, context):
        self.context, self.config = context, context.path("node.conf")

    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'runtime_dir = "{self.context.path("run")}"\nprofile_dir = "{lib.ROOT}/pmd-config"\n'
                       f'cache {{ memory = "64MiB" }}\n{text}')

    def ask(self, *words):
        return lib.command(self.context.program("control/aroctl"), "doctor", "-c", self.config, *words,
                           check=False)

    def findings(self):
        done = self.ask("-j")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        failed = any(one["verdict"] == "FAIL" for one in found)
        if done.returncode != int(failed) or done.stderr:
            raise lib.Failure(f"doctor -j: exit {done.returncode} with failures: {failed}; {done.stderr}")
        return {one["check"]: one for one in found}

    def mends(self, what, check, broken=("FAIL",), evidence=""):
        """One row: the check's verdict, what it saw, its command as printed, its verdict afterwards."""
        before = self.findings()[check]
        line = f"{DOCTOR_LINE}: {what}"
        if before["verdict"] not in broken or not before["mend"] or evidence not in before["evidence"]:
            self.context.check(line, False, before, f"{'/'.join(broken)}, {evidence!r}, a command")
            return False
        done = subprocess.run(["bash", "-c", before["mend"]], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        after = self.findings()[check]
        return self.context.check(line, done.returncode == 0 and after["verdict"] == "PASS",
                                  f"{before['verdict']} {check}: {before['evidence']} -- $ {before['mend']} (exit "
                                  f"{done.returncode}{' ' + done.stderr.strip() if done.stderr else ''}) -- "
                                  f"{after['verdict']}: {after['evidence']}")


@lib.step("doctor", DOCTOR_LINE, seconds=200)
def doctor(context):
    lib.command("mount", "-t", "sysfs", "none", "/sys")  # /sys/class/net of this namespace
    host = Host(context)
    sound(context, host)
    hugepages(context, host)
    missing_device(host)
    full_disk(context, host)


def sound(context, host):
    """No daemon anywhere; programs and people get the same."""
    host.write(RING)
    found = host.findings()
    shapes = [name for name, one in found.items() if set(one) != KEYS or not one["evidence"] or
              (one["verdict"] != "PASS" and not one["mend"])]
    said = host.ask().stdout
    lines = re.findall(r"^(PASS|WARN|FAIL)  ", said, re.M)
    same = sorted(lines) == sorted(one["verdict"] for one in found.values())
    failed = [name for name, one in found.items() if one["verdict"] == "FAIL"]
    running = os.path.exists(context.path("run"))
    context.check("`aroctl doctor` works with no daemon running; -j for programs", same and not shapes and not failed
                  and len(found) >= 10 and not running,
                  f"{len(found)} checks: {', '.join(found)}; FAIL on a sound host: {failed or 'none'}; objects of "
                  f"another shape: {shapes or 'none'}; people read the same verdicts: {same}")


def hugepages(context, host):
    with open(HUGE, encoding="ascii") as file:
        before = file.read().strip()
    context.closers.append(lambda: lib.command("sysctl", "-w", f"vm.nr_hugepages={before}"))
    lib.command("sysctl", "-w", "vm.nr_hugepages=0")
    host.write("eal { hugepages = on }\n" + RING)
    host.mends("no hugepages, and the configuration wants them", "hugepages", evidence="0 B free")


def missing_device(host):
    host.write('port "p0" { device = "net_af_packet0,iface=va" addresses = {"10.9.0.1/24"} }\n')
    found = host.findings()["device p0"]
    lib.command("bash", "-c", found["mend"] if found["mend"].startswith("ip link add va ") else "false")
    made = host.findings()["device p0"]
    host.context.check(f"{DOCTOR_LINE}: a missing device, none to take its place", found["verdict"] == "FAIL" and
                       "no interface va" in found["evidence"] and made["verdict"] == "WARN",
                       f"FAIL device p0: {found['evidence']} -- $ {found['mend']} -- {made['verdict']}: "
                       f"{made['evidence']}")
    lib.command("ip", "link", "set", "va-b", "up")
    host.mends("the device is there, its link is down", "device p0", ("WARN",), "link is down")
    host.write('port "p0" { device = "net_af_packet0,iface=vz" addresses = {"10.9.0.1/24"} }\n')
    host.mends("a missing device, another one is free", "device p0", evidence="no interface vz")


def full_disk(context, host):
    disk, existed = context.path("disk"), os.path.exists(ELSEWHERE)
    os.mkdir(disk)
    image = context.path("image")
    with open(image, "wb") as file:
        file.truncate(160 * lib.MIB)
    lib.command("mkfs.ext4", "-q", "-m", "0", image)
    lib.command("mount", "-o", "loop", image, disk)
    context.closers.append(lambda: lib.command("umount", "-l", disk))
    if existed and os.path.exists(f"{ELSEWHERE}/store"):
        context.skip(f"{DOCTOR_LINE}: a store on a full disk", f"{ELSEWHERE}/store exists on this machine")
        return
    context.closers.append(lambda: shutil.rmtree(f"{ELSEWHERE}/store" if existed else ELSEWHERE,
                                                 ignore_errors=True))
    room = os.statvfs(disk)
    with open(f"{disk}/filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - 4 * lib.MIB)
    host.write(f'store "main" {{ path = "{disk}/store" size = "128MiB" segment = "32MiB" }}\n' + RING)
    host.mends("a store on a full disk", "store space", evidence="available")
