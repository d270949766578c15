# SPDX-License-Identifier: BSD-3-Clause
"""A block device that fails on request: image file <- nbdkit with failing_plugin.py <- nbdfuse <- loop
device, without a page cache between. A store lies on it directly, or on a file system there.

Nothing of it outlives the step: the loop device goes with its last user (autoclear), nbdfuse and
nbdkit are in the step's process namespace."""

import os
import shutil
import signal
import subprocess
import time

import failing_plugin
import lib

PARTS = {"nbdkit": "nbdkit", "nbdfuse": "libnbd-bin", "losetup": "mount"}
READY_S = 10


def lacks():
    """What this machine lacks for it, as a sentence; None: nothing."""
    for program, package in PARTS.items():
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: apt install {package})"
    for path in "/dev/loop-control", "/dev/fuse":
        if not os.path.exists(path):
            return f"{path} is not there"
    if lib.command("nbdkit", "python", "--dump-plugin", check=False).returncode != 0:
        return "nbdkit has no python (Debian: apt install nbdkit-plugin-python)"
    return None


def wait_for(what, condition):
    end = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > end:
            raise lib.Failure(f"not within {READY_S} s: {what}")
        time.sleep(0.01)


def drop_cached(path):
    """The kernel forgets what it keeps in memory of a device, or of the files in a folder."""
    names = [os.path.join(path, name) for name in os.listdir(path)] if os.path.isdir(path) else [path]
    for name in names:
        fd = os.open(name, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def unmount(path):
    """The kernel lets go of a killed daemon's files a moment after it is gone."""
    wait_for(f"{path} is unmounted", lambda: lib.command("umount", path, check=False).returncode == 0)


class Loop:
    """A loop device over a file, held open until closed. Whoever else uses it then keeps it."""

    def __init__(self, path, direct):
        self.device = lib.command("losetup", f"--direct-io={'on' if direct else 'off'}", "--find", "--show",
                                  path).strip()
        self.fd = os.open(self.device, os.O_RDONLY | os.O_CLOEXEC)
        lib.command("losetup", "--detach", self.device)  # once nobody has it open

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None


class FailingDisk:
    def __init__(self, context, size, seed, record=False):
        self.folder, self.context = context.path("failing"), context
        os.makedirs(os.path.join(self.folder, "nbd"))
        self.image, self.log = (os.path.join(self.folder, name) for name in ("image", "log"))
        for name, length in ("image", size), ("page", failing_plugin.PAGE_BYTES):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.truncate(length)
        self.page = failing_plugin.Page(os.path.join(self.folder, "page"))
        self.seed, self.process, self.loop, self.mounted = seed, None, None, None
        context.closers.append(self.close)
        if not record:
            self.begin()

    def begin(self, *words):
        """Exports the image and makes a block device of it."""
        path = os.path.join(self.folder, "nbd/disk")
        with open(self.context.log("nbdkit.log"), "ab") as log:
            self.process = lib.spawn(
                ["nbdfuse", path, "--command", "nbdkit", "-s", "--exit-with-parent", "python",
                 os.path.join(lib.HERE, "failing_plugin.py"), f"image={self.image}",
                 f"page={self.folder}/page", f"seed={self.seed}", *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        wait_for("nbdfuse shows the disk", lambda: os.path.exists(path) and os.path.getsize(path) > 0)
        self.loop = Loop(path, direct=True)
        self.device = self.loop.device

    def begin_recorded(self):
        """From here on every write and flush goes into the log; the image of now is what they are done to."""
        self.begin(f"log={self.log}")

    def mount(self, kind, *options):
        """A new file system on it; its mount point."""
        lib.command(f"mkfs.{kind}", "-q", *options, self.device)
        return self.mount_again()

    def mount_again(self):
        if self.mounted:
            unmount(self.mounted)
        self.mounted = os.path.join(self.folder, "mount")
        os.makedirs(self.mounted, exist_ok=True)
        lib.command("mount", "-o", "noatime", self.device, self.mounted)
        return self.mounted

    def fail(self, **rates):
        """What of these shall fail from now on, 0..1; what is not named works. clean=1: see the plugin."""
        for name in "read", "write", "flush", "clean":
            self.page.order(name, rates.get(name, 0.0))

    def stall(self, seconds):
        """Nothing is answered for so long."""
        self.page.order("stall_until", time.monotonic() + seconds)

    def heal(self):
        self.fail()
        self.page.order("stall_until", 0.0)

    def counts(self):
        return {name: self.page.counted(name) for name in failing_plugin.COUNTS}

    def close(self):
        self.heal()
        if self.mounted:
            unmount(self.mounted)
            self.mounted = None
        if self.loop:
            self.loop.close()
        if self.process:
            wait_for("nbdfuse ends", self.unmount_fuse)
            self.process = None

    def unmount_fuse(self):
        lib.command("umount", os.path.join(self.folder, "nbd"), check=False)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.poll() is not None
