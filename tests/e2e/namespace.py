# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace of the test's own, which takes every interface along when the test ends."""
import os
import subprocess
import sys

INSIDE = "ARO_TEST_INSIDE"
WIRE = "net_af_packet0,iface=va0,framesz=2048,blocksz=65536,framecnt=4096"


def is_root():
    """Real root, not one of a user namespace."""
    return os.environ.get(INSIDE) == "root"


def enter():
    """Replaces this process by itself inside (an ordinary user: in a user namespace, too)."""
    if INSIDE in os.environ:
        return
    root = os.geteuid() == 0
    unshare = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    unshare += [] if root else ["--user", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        print(f"skipped: no network namespace can be made: {tried.stderr.strip()}")
        sys.exit(77)
    os.environ[INSIDE] = "root" if root else "user"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def wire():
    """A wire of two ends: va0, which a daemon takes (WIRE), and vb0, the kernel's, 10.9.0.2. Deleting
    either end deletes both."""
    for command in ("link add va0 type veth peer name vb0", "addr add 10.9.0.2/24 dev vb0",
                    "link set va0 up", "link set vb0 up"):
        subprocess.run(["ip", *command.split()], check=True)
