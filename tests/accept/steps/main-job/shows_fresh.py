# SPDX-License-Identifier: BSD-3-Clause
"""Both README commands in a fresh clone: on a minimal Debian 12 as root, twice; as an ordinary user.

The minimal system is bootstrapped once and kept in the state directory with its package sources;
the clone inside is fresh for every commit. Packages come from this machine's own package source."""

import os
import re
import shutil
import subprocess
import time

import lib

LINE = "a debootstrap'ed minimal Debian 12, as root"


def mirror():
    """This machine's Debian archive, from its apt sources."""
    for folder, _, names in os.walk("/etc/apt"):
        for name in sorted(names):
            if name.endswith((".list", ".sources")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    found = re.findall(r"(https?://\S+/debian)/?(?:\s|$)", re.sub(r"#.*", "", file.read()))
                if found:
                    return found[0]
    return "http://deb.debian.org/debian"


def system(context):
    """The folder of the minimal system, made if need be; None (and a row) when it cannot be."""
    root = os.path.join(context.state.root, "debian")
    if os.path.exists(os.path.join(root, "ready")):
        return root
    lib.require("debootstrap")
    shutil.rmtree(root, ignore_errors=True)
    context.say(f"bootstrapping from {mirror()}")
    with open(context.log("debootstrap.log"), "wb") as log:
        made = lib.spawn(["debootstrap", "--variant=minbase", "--include=git", "bookworm", root,
                          mirror()], stdout=log, stderr=log, stdin=subprocess.DEVNULL).wait()
    if made != 0:
        context.skip(LINE, f"debootstrap could not reach its packages: "
                           f"{lib.tail(context.log('debootstrap.log'))}")
        return None
    for folder, _, names in os.walk("/etc/apt"):  # settings of this machine's package source
        for name in names:
            path = os.path.join(folder, name)
            if "apt.conf" in path and "Clean" not in open(path, encoding="utf-8").read():
                os.makedirs(root + folder, exist_ok=True)
                shutil.copy(path, root + path)
    shutil.copy("/etc/resolv.conf", os.path.join(root, "etc/resolv.conf"))
    open(os.path.join(root, "ready"), "w", encoding="ascii").close()
    return root


def clone(context, root, again):
    """Puts a clone of this commit inside; the second run uses the one of the first."""
    folder = os.path.join(root, "root/arocache")
    if again and os.path.isdir(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    lib.command("git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", lib.ROOT, folder)
    return folder


def run_inside(context, word, again):
    which = "the second run" if again else "the first run"
    line = f"{LINE}: ./arocache {word} succeeds, {which}"
    root = system(context)
    if root is None:
        return
    if word == "demo" or not os.path.isdir(os.path.join(root, "root/arocache")):
        clone(context, root, again)
    lib.command("mount", "--bind", root, root)  # so that its / is a mount, as on a machine of its own
    for kind, where in ("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "tmp"):
        lib.command("mount", "-t", kind, kind, os.path.join(root, where))
    lib.command("mount", "--rbind", "/dev", os.path.join(root, "dev"))
    log = context.log(f"{word}.log")
    context.say(f"./arocache {word}, {which}")
    began = time.monotonic()
    with open(log, "wb") as out:
        code = lib.spawn(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                          "chroot", root, "sh", "-c", f"cd /root/arocache && ./arocache {word}"],
                         stdout=out, stderr=out, stdin=subprocess.DEVNULL).wait()
    took = time.monotonic() - began
    limit = " (the quick tests: <= 10 minutes)" if word == "test" else ""
    context.check(line + limit, code == 0 and took <= 600,
                  f"exit {code} after {took:.0f} s: {lib.tail(log, 2)}")


for _again in False, True:
    for _word in "demo", "test":
        lib.step(f"debian-{_word}-{2 if _again else 1}", f"{LINE}: ./arocache {_word}", seconds=598,
                 needs=(), network="host")(
            lambda context, word=_word, again=_again: run_inside(context, word, again))


USER_LINE = "as an ordinary user, packages there: ./arocache demo succeeds (user namespace)"


@lib.step("user-demo", USER_LINE, seconds=300, needs=(), network="host")
def user_demo(context):
    os.chmod(context.work, 0o755)
    folder, home = context.path("arocache"), context.path("home")
    lib.command("git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", lib.ROOT, folder)
    os.makedirs(home)
    lib.command("chown", "-R", "65534:65534", folder, home)
    log = context.log("demo.log")
    began = time.monotonic()
    with open(log, "wb") as out:
        code = lib.spawn(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                          "--bounding-set=-all", "--no-new-privs", "env", "-i",
                          "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={home}", "LC_ALL=C.UTF-8",
                          "./arocache", "demo"], cwd=folder, stdout=out, stderr=out,
                         stdin=subprocess.DEVNULL).wait()
    context.check(USER_LINE, code == 0, f"uid 65534, exit {code} after {time.monotonic() - began:.0f} s: "
                  f"{lib.tail(log, 2)}")
