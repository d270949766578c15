#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The unit files without a running systemd: exposure, syntax, and what an installation brings.

    test_units.py BUILD_DIRECTORY AROCACHED AROGATE [unittest arguments]

The units themselves run in tests/accept/service. Exit code 77: no systemd-analyze here.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, AROCACHED, AROGATE = map(os.path.abspath, sys.argv[1:4])
UNITS = os.path.join(BUILD, "control/systemd")
EXPOSURE_MAX = 2.5
OF_UNIT = {"arogate-port80": "arogate"}  # drop-ins are for arocached unless listed here


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Units(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-units-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def unit(self, name, dropin=""):
        """A unit whose program exists, with a drop-in behind it."""
        path = os.path.join(self.folder, f"{name}.service")
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", read(f"{UNITS}/{name}.service"),
                      flags=re.M)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + dropin)
        return path

    def exposure(self, path):
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path],
                              capture_output=True, text=True, check=True).stdout
        return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])

    def dropins(self):
        return {os.path.basename(path)[:-5]: read(path) for path in glob.glob(f"{UNITS}/*.conf")}

    def test_exposure_of_both_units_is_low(self):
        for name in "arocached", "arogate":
            self.assertLessEqual(self.exposure(self.unit(name)), EXPOSURE_MAX, name)

    def test_exposure_stays_low_with_every_drop_in(self):
        self.assertEqual(set(self.dropins()),
                         {"af_packet", "af_xdp", "block-store", "mlx5", "tap", "vfio", "arogate-port80"})
        for name, text in self.dropins().items():
            unit = self.unit(OF_UNIT.get(name, "arocached"), text)
            self.assertLessEqual(self.exposure(unit), EXPOSURE_MAX, name)

    def test_the_unit_itself_has_no_capability_and_drop_ins_only_what_their_device_wants(self):
        wanted = {"vfio": "", "block-store": "", "tap": "CAP_NET_ADMIN", "af_packet": "CAP_NET_RAW CAP_NET_ADMIN",
                  "mlx5": "CAP_NET_RAW CAP_NET_ADMIN",
                  "af_xdp": "CAP_NET_RAW CAP_NET_ADMIN CAP_BPF CAP_SYS_ADMIN",
                  "arogate-port80": "CAP_NET_BIND_SERVICE"}
        for name, text in self.dropins().items():
            for key in "CapabilityBoundingSet", "AmbientCapabilities":
                self.assertEqual("".join(re.findall(rf"^{key}=(.*)$", text, re.M)), wanted[name])
        for name in "arocached", "arogate":
            text = read(f"{UNITS}/{name}.service")
            self.assertIn("\nCapabilityBoundingSet=\n", text)
            self.assertIn("\nNoNewPrivileges=yes\n", text)
            self.assertIn("\nType=notify\n", text)
            self.assertIn(f"\nUser={name.replace('arocached', 'arocache')}\n", text)

    def test_systemd_understands_every_line(self):
        for name, text in [("arocached", ""), ("arogate", "")] + [
                (OF_UNIT.get(name, "arocached"), text) for name, text in self.dropins().items()]:
            said = subprocess.run(["systemd-analyze", "verify", "--man=no", self.unit(name, text)],
                                  capture_output=True, text=True)
            ours = [line for line in said.stderr.splitlines() if self.folder in line or "aro" in line]
            self.assertEqual(ours, [])

    def test_drop_ins_name_the_place_where_they_were_installed(self):
        for name, text in self.dropins().items():
            self.assertIn(f"/arocache/systemd/{name}.conf", text)
            self.assertNotIn("@", text)

    def test_the_examples_pass_the_test_of_their_program(self):
        for program in AROCACHED, AROGATE:
            example = os.path.join(os.path.dirname(__file__), "../../control/systemd",
                                   os.path.basename(program) + ".conf.example")
            said = subprocess.run([program, "-c", example, "-t"], capture_output=True, text=True)
            self.assertEqual(said.returncode, 0, said.stderr)

    def test_an_installation_brings_everything(self):
        said = subprocess.run(["meson", "introspect", "--installed", BUILD], capture_output=True,
                              text=True, check=True).stdout
        places = set(json.loads(said).values())
        for end in ("/bin/arocached", "/bin/aroctl", "/bin/aroget", "/bin/arogate", "/bin/arobench", "/lib/systemd/system/arocached.service",
                    "/lib/systemd/system/arogate.service", "/lib/sysusers.d/arocache.conf",
                    "/lib/tmpfiles.d/arocache.conf", "/arocache/arocached.conf.example", "/arocache/arogate.conf.example",
                    "/share/arocache/systemd/tap.conf", "/share/arocache/systemd/vfio.rules",
                    "/share/bash-completion/completions/aroctl"):
            self.assertTrue(any(place.endswith(end) for place in places), end)
        here = os.path.join(os.path.dirname(__file__), "../../pmd-config")
        for profile in glob.glob(f"{here}/*.conf"):
            end = "/share/arocache/pmd-config/" + os.path.basename(profile)
            self.assertTrue(any(place.endswith(end) for place in places), end)


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("skipped: no systemd-analyze (package systemd)")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
