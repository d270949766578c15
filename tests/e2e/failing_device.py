# SPDX-License-Identifier: BSD-3-Clause
"""A block device that fails on request: nbdkit's error filter over a file, as a file by nbdfuse, as
a loop device. None of it needs a module of the kernel that containers lack."""
import os
import shutil
import subprocess
import time


def missing():
    """What this machine lacks for one, or None."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        return "root, /dev/fuse and loop devices are needed"
    lacks = [name for name in ("nbdkit", "nbdfuse", "losetup") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacks)}" if lacks else None


def wait_until(what, is_so, seconds=10):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class FailingDevice:
    def __init__(self, folder, size):
        self.switch, self.point, self.path = f"{folder}/fails", f"{folder}/fuse", None
        image, sock = f"{folder}/image", f"{folder}/nbd.sock"
        os.mkdir(self.point)
        with open(image, "wb") as file:
            file.truncate(size)
        self.server = subprocess.Popen(["nbdkit", "-f", "-U", sock, "--filter=error", "file", image, "error=EIO",
                                        "error-rate=100%", f"error-file={self.switch}"], stderr=subprocess.DEVNULL)
        wait_until("nbdkit listens", lambda: os.path.exists(sock))
        self.fuse = subprocess.Popen(["nbdfuse", self.point, f"nbd+unix:///?socket={sock}"],
                                     stderr=subprocess.DEVNULL)
        wait_until("nbdfuse serves", lambda: os.path.exists(f"{self.point}/nbd"))
        self.path = subprocess.run(["losetup", "--direct-io=on", "--find", "--show", f"{self.point}/nbd"],
                                   check=True, capture_output=True, text=True).stdout.strip()

    def fail(self):
        """Every read, write and flush is an EIO from now on."""
        with open(self.switch, "wb"):
            pass

    def heal(self):
        if os.path.exists(self.switch):
            os.unlink(self.switch)

    def destroy(self):
        self.heal()
        if self.path is not None:
            subprocess.run(["losetup", "--detach", self.path], check=True)
        subprocess.run(["umount", self.point], check=True)
        self.fuse.wait(timeout=10)
        self.server.terminate()
        self.server.wait(timeout=10)
