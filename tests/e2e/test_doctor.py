#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""aroctl doctor on a machine that is broken on purpose: the right FAIL, and its own command mends it.

    test_doctor.py AROCTL AROCACHED PMD_CONFIG [unittest arguments]

Runs itself in namespaces of its own; exit code 77: none can be made here. What touches the machine
itself (hugepages, a loop device) runs with ARO_TEST_HOST=1 only: tests/accept/doctor sets it.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

from node import Node

INSIDE = "ARO_TEST_DOCTOR_INSIDE"
AROCTL, AROCACHED, PROFILES = map(os.path.abspath, sys.argv[1:4])
MIB = 1 << 20
RING = 'port "p0" { device = "net_ring0" addresses = {"10.9.0.1/24"} }\n'
HUGE = "/proc/sys/vm/nr_hugepages"
on_host = os.environ.get("ARO_TEST_HOST") == "1"


def enter_namespace():
    """Replaces this process by itself inside; returns only when that is impossible."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    unshare += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        print(f"skipped: no namespace can be made: {tried.stderr.strip()}")
        sys.exit(77)
    os.environ[INSIDE] = "root" if os.geteuid() == 0 else "user"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def command(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


class Doctor(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="aro-doctor-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.config = f"{self.folder}/node.conf"
        command("ip", "link", "set", "lo", "up")

    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'# a comment\nruntime_dir = "{self.folder}/run"\n{text}')

    def examine(self, *options):
        """Findings by check; the exit code must agree with the worst of them."""
        done = subprocess.run([AROCTL, "doctor", "-j", "-c", self.config, *options],
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        failed = any(one["verdict"] == "FAIL" for one in findings)
        self.assertEqual(done.returncode, 1 if failed else 0, done.stdout)
        return {one["check"]: one for one in findings}

    def finding(self, check, verdict):
        found = self.examine()
        self.assertIn(check, found)
        self.assertEqual(found[check]["verdict"], verdict, found[check])
        return found[check]

    def mend(self, check, verdict="FAIL"):
        """The check fails, its own command is run as it stands, the check passes."""
        found = self.finding(check, verdict)
        done = subprocess.run(["bash", "-c", found["mend"]], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{found['mend']}\n{done.stderr}")
        self.finding(check, "PASS")
        return found

    def assert_starts(self):
        """What doctor lets pass, the daemon starts with."""
        with open(self.config, encoding="utf-8") as file:
            node = Node(AROCACHED, PROFILES, self.folder,
                        "".join(line for line in file if "runtime_dir" not in line))
        self.addCleanup(node.destroy)
        self.assertEqual(node.stop(), 0)

    def mount(self, *words):
        disk = f"{self.folder}/disk"
        os.mkdir(disk)
        command("mount", *words, disk)
        self.addCleanup(command, "umount", "-l", disk)
        return disk

    def fill(self, disk, leave_bytes):
        """Leaves so much on the disk."""
        room = os.statvfs(disk)
        with open(f"{disk}/filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave_bytes)

    # ---- as it should be ----

    def test_a_sound_machine_passes_and_the_daemon_starts(self):
        self.write('cache { memory = "64MiB" }\n' + RING)
        found = self.examine()
        for check in ("config", "runtime_dir", "memory", "memlock", "device p0", "iommu", "io_uring",
                      "store", "http"):
            self.assertIn(found[check]["verdict"], ("PASS", "WARN"), found[check])
        for one in found.values():
            self.assertEqual(set(one), {"check", "verdict", "evidence", "mend"})
            self.assertTrue(one["evidence"])
            self.assertTrue(one["mend"] or one["verdict"] == "PASS", one)
        self.assert_starts()

    def test_people_get_the_same_in_words(self):
        self.write('cache { memory = "64MiB" }\nport "p0" { device = "net_af_packet0,iface=nowhere" '
                   'addresses = {"10.9.0.1/24"} }\n')
        done = subprocess.run([AROCTL, "doctor", "-c", self.config], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"FAIL  device p0 +no interface nowhere")
        self.assertRegex(done.stdout, r"\n      try: ip link add nowhere")
        self.assertRegex(done.stdout, r"\n1 failed, \d+ warnings, \d+ passed\n$")
        self.assertEqual(subprocess.run([AROCTL, "doctor", "extra"], capture_output=True).returncode, 2)

    def test_without_a_configuration_it_looks_at_the_host(self):
        self.config = "/nonexistent/node.conf"
        found = self.examine()
        self.assertEqual(found["config"]["verdict"], "FAIL")
        self.assertIn("ARO-2001", found["config"]["evidence"])
        self.assertIn("io_uring", found)

    def test_a_running_daemon_is_seen_and_left_alone(self):
        node = Node(AROCACHED, PROFILES, self.folder, 'cache { memory = "64MiB" }\n' + RING)
        self.addCleanup(node.destroy)
        found = self.finding("runtime_dir", "PASS")
        self.assertIn(f"the daemon runs (pid {node.process.pid} ", found["evidence"])
        self.assertEqual(found["mend"], "", "nothing proposes to stop a healthy node")
        self.assertEqual(self.examine()["http"]["verdict"], "PASS", "the daemon's own listener")
        self.assertEqual(node.stop(), 0)
        self.assertNotIn("runs", self.finding("runtime_dir", "PASS")["evidence"])

    # ---- broken on purpose ----

    def test_a_missing_interface_is_made_by_its_command(self):
        self.write('port "p0" { device = "net_af_packet0,iface=va" addresses = {"10.9.0.1/24"} }\n')
        found = self.finding("device p0", "FAIL")
        self.assertIn("no interface va", found["evidence"])
        command("bash", "-c", found["mend"])
        self.addCleanup(command, "ip", "link", "del", "va")
        self.mend_link("va")

    def mend_link(self, name):
        found = self.finding("device p0", "WARN")
        self.assertIn("link is down", found["evidence"])
        command("bash", "-c", found["mend"])
        command("ip", "link", "set", f"{name}-b", "up")
        self.finding("device p0", "PASS")

    def test_a_misnamed_interface_becomes_one_that_is_there(self):
        command("ip", "link", "add", "vx", "type", "veth", "peer", "name", "vy")
        self.addCleanup(command, "ip", "link", "del", "vx")
        for name in "vx", "vy":
            command("ip", "link", "set", name, "up")
        self.write('port "p0" {\n  # device = "x"\n  device = "net_af_packet0,iface=vz,framecnt=256"\n'
                   '  addresses = {"10.9.0.1/24"}\n}\n')
        self.mend("device p0")
        with open(self.config, encoding="utf-8") as file:
            self.assertIn('"net_af_packet0,iface=vx,framecnt=256"', file.read())

    def test_the_way_to_this_machine_is_not_taken(self):
        command("ip", "link", "add", "vx", "type", "veth", "peer", "name", "vy")
        self.addCleanup(command, "ip", "link", "del", "vx")
        for name in "vx", "vy":
            command("ip", "link", "set", name, "up")
        command("ip", "addr", "add", "192.0.2.2/24", "dev", "vx")
        command("ip", "route", "add", "default", "via", "192.0.2.1")
        self.write('port "p0" { device = "net_af_packet0,iface=vx" addresses = {"10.9.0.1/24"} }\n')
        self.assertIn("default route", self.mend("device p0")["evidence"])
        with open(self.config, encoding="utf-8") as file:
            self.assertIn("iface=vy", file.read())

    def test_the_loopback_is_no_wire(self):
        self.write('port "p0" { device = "net_af_packet0,iface=lo" addresses = {"10.9.0.1/24"} }\n')
        self.assertEqual(self.mend("device p0")["evidence"],
                         "lo is the loopback: a port on it answers nobody")
        self.addCleanup(command, "ip", "link", "del", "aro0")

    def test_interfaces_are_this_namespaces_whatever_sys_shows(self):
        """/sys of another network namespace, as after unshare --net alone."""
        command("ip", "link", "add", "vx", "type", "veth", "peer", "name", "vy")
        self.addCleanup(command, "ip", "link", "del", "vx")
        for name in "vx", "vy":
            command("ip", "link", "set", name, "up")
        for device, verdict in (("vx", "PASS"), ("theirs", "FAIL")):
            self.write(f'port "p0" {{ device = "net_af_packet0,iface={device}" '
                       'addresses = {"10.9.0.1/24"} }\n')
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c",
                 "mount -t tmpfs none /sys/class/net && mkdir -p /sys/class/net/theirs && "
                 'echo up > /sys/class/net/theirs/operstate && exec "$0" doctor -j -c "$1"',
                 AROCTL, self.config], capture_output=True, text=True)
            found = {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}
            self.assertEqual(found["device p0"]["verdict"], verdict, found["device p0"])

    def serve(self, name):
        """Another daemon, as far as anybody can see: it has the interface's lock (test_wires has a real one)."""
        lock = socket.socket(socket.AF_UNIX)
        self.addCleanup(lock.close)
        lock.bind(f"\0arocache/interface/{name}")
        lock.listen(64)

    def test_what_another_daemon_serves_is_neither_passed_nor_proposed(self):
        for name in "vx", "vy":
            command("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-b")
            self.addCleanup(command, "ip", "link", "del", name)
            self.serve(name)
            self.serve(f"{name}-b")
            for end in name, f"{name}-b":
                command("ip", "link", "set", end, "up")
        self.write('port "p0" { device = "net_af_packet0,iface=vz" addresses = {"10.9.0.1/24"} }\n')
        self.assertTrue(self.finding("device p0", "FAIL")["mend"].startswith("ip link add vz "))
        self.finding("control interface", "WARN")
        self.write('port "p0" { device = "net_af_packet0,iface=vx" addresses = {"10.9.0.1/24"} }\n')
        self.assertIn(f"vx is served by another daemon (pid {os.getpid()})",
                      self.mend("device p0")["evidence"])
        self.addCleanup(command, "ip", "link", "del", "aro0")
        with open(self.config, encoding="utf-8") as file:
            self.assertIn("iface=aro0", file.read())
        self.serve("arotap0")
        self.write('port "p0" { device = "net_tap0,iface=arotap0" addresses = {"10.9.0.1/24"} }\n')
        self.assertIn("iface=arotap1", self.finding("device p0", "FAIL")["mend"])

    def test_more_memory_than_there_is_becomes_less(self):
        self.write('cache { memory = "3TiB" }\n' + RING)
        self.mend("memory")
        self.write(RING + 'cache {\n  policy = fifo\n  memory = 3TiB # much\n}\n')
        self.mend("memory")

    def test_a_store_without_a_parent_gets_one(self):
        self.write(f'store "main" {{ path = "{self.folder}/a/b" size = "64MiB" segment = "16MiB" }}\n'
                   'cache { memory = "64MiB" }\n' + RING)
        self.mend("store")
        self.assert_starts()

    @unittest.skipUnless("root" == os.environ.get(INSIDE), "root in a user namespace owns no disk")
    def test_a_store_larger_than_its_disk_shrinks_to_fit(self):
        disk = self.mount("-t", "tmpfs", "-o", "size=300M", "none")
        self.write(f'store "main" {{ path = "{disk}/store" size = "1GiB" segment = "512MiB" }}\n'
                   'cache { memory = "64MiB" }\n' + RING)
        self.assertIn("not even one segment", self.mend("store space")["evidence"])
        self.assert_starts()

    def test_a_taken_http_address_becomes_another(self):
        taken = socket.create_server(("127.0.0.1", 9501))
        self.addCleanup(taken.close)
        self.write('http { listen = "127.0.0.1:9501" }\n' + RING)
        self.mend("http")

    def test_lcores_that_leave_no_cpu_are_a_warning(self):
        cpus = ", ".join(str(cpu) for cpu in range(os.cpu_count()))
        self.write(f"dataplane {{ lcores = {{{cpus}}} }}\n" + RING)
        self.assertIn("share", self.finding("lcores", "WARN")["evidence"])

    # ---- on the machine itself ----

    @unittest.skipUnless(on_host, "reserves hugepages: tests/accept/doctor")
    def test_required_hugepages_are_reserved_by_its_command(self):
        with open(HUGE, encoding="ascii") as file:
            before = file.read().strip()
        self.addCleanup(command, "sysctl", "-w", f"vm.nr_hugepages={before}")
        command("sysctl", "-w", "vm.nr_hugepages=0")
        self.write('cache { memory = "64MiB" }\neal { hugepages = on }\n' + RING)
        self.mend("hugepages")
        self.assert_starts()

    @unittest.skipUnless(on_host, "mounts a loop device: tests/accept/doctor")
    def test_a_store_on_a_full_disk_is_moved_by_its_command(self):
        image = f"{self.folder}/image"
        with open(image, "wb") as file:
            file.truncate(160 * MIB)
        command("mkfs.ext4", "-q", "-m", "0", image)
        disk = self.mount("-o", "loop", image)
        self.fill(disk, 20 * MIB)
        self.write(f'store "main" {{ path = "{disk}/store" size = "128MiB" segment = "32MiB" }}\n'
                   'cache { memory = "64MiB" }\n' + RING)
        elsewhere = "/var/lib/arocache"
        existed = os.path.exists(elsewhere)
        found = self.mend("store space")
        self.addCleanup(command, "rm", "-rf", f"{elsewhere}/store" if existed else elsewhere)
        self.assertIn("available", found["evidence"])
        self.assert_starts()

    @unittest.skipUnless(on_host, "mounts a loop device: tests/accept/doctor")
    def test_a_store_on_a_disk_mounted_read_only_is_remounted(self):
        image = f"{self.folder}/image"
        with open(image, "wb") as file:
            file.truncate(160 * MIB)
        command("mkfs.ext4", "-q", image)
        disk = self.mount("-o", "loop", image)
        command("mount", "-o", "remount,ro", disk)
        self.write(f'store "main" {{ path = "{disk}/store" size = "64MiB" segment = "16MiB" }}\n'
                   'cache { memory = "64MiB" }\n' + RING)
        self.mend("store")


if __name__ == "__main__":
    if INSIDE not in os.environ:
        enter_namespace()
    command("mount", "-t", "sysfs", "none", "/sys")  # /sys/class/net of this namespace
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
