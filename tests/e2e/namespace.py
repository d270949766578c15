# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace of the test's own, which takes every interface along when the test ends."""
import os
import subprocess
import sys

INSIDE = "ARO_TEST_INSIDE"


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
