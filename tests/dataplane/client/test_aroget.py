#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""aroget against the model server over loopback: contents, exit codes, what stays on disk.

test_aroget.py AROGET MODEL_SERVER
"""
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

AROGET, MODEL_SERVER = map(os.path.abspath, sys.argv[1:3])


class Server:
    """A model server with the given switches; ids as it printed them."""

    def __init__(self, *switches):
        self.process = subprocess.Popen([MODEL_SERVER, *map(str, switches)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        _, self.port, self.object, self.chunk, digest = self.process.stdout.readline().split()
        self.sha256 = digest.removeprefix("sha256:")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Aroget(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def aroget(self, *arguments, **environment):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("AROCACHE_")}
        return subprocess.run([AROGET, *map(str, arguments)], cwd=self.folder, capture_output=True,
                              env=clean | environment, timeout=60)

    def fetch(self, server, *arguments, host="127.0.0.1", name=None):
        return self.aroget("--from", f"{host}:{server.port}", *arguments, name or server.object)

    def assert_sha256(self, content, server):
        self.assertEqual(hashlib.sha256(content).hexdigest(), server.sha256)

    def assert_fails(self, result, code, error):
        """One sentence with its id, the right exit code, nothing left behind."""
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(f"ARO-{error}".encode(), result.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_an_object_becomes_a_file_named_by_its_id(self):
        for size in 0, 1, 65536, 5_000_001:
            with Server("--bytes", size) as server:
                result = self.fetch(server)
                self.assertEqual(result.returncode, 0, result.stderr)
                with open(os.path.join(self.folder, server.object), "rb") as file:
                    self.assert_sha256(file.read(), server)
                self.assertIn(b"verified", result.stderr)

    def test_the_output_file_appears_whole_or_not_at_all(self):
        path = os.path.join(self.folder, "out")
        with Server("--bytes", 3_000_000) as server:
            self.assertEqual(self.fetch(server, "-o", path, "-q").returncode, 0)
            self.assertEqual(os.listdir(self.folder), ["out"])
        with Server("--bytes", 3_000_000, "--seed", 2, "--missing") as server:
            self.assertEqual(self.fetch(server, "-o", path).returncode, 7)
        with open(path, "rb") as file:  # the earlier one is untouched
            self.assertEqual(len(file.read()), 3_000_000)
        self.assertEqual(os.listdir(self.folder), ["out"])

    def test_only_a_regular_file_is_ever_replaced(self):
        pipe, target, link = (os.path.join(self.folder, name) for name in ("pipe", "target", "link"))
        os.mkfifo(pipe)
        open(target, "w").close()
        os.symlink("target", link)
        with Server("--bytes", 300_000) as server:
            read = []

            def drain():
                with open(pipe, "rb") as file:
                    read.append(file.read())

            reader = threading.Thread(target=drain)
            reader.start()
            self.assertEqual(self.fetch(server, "-o", pipe).returncode, 0)
            reader.join()
            self.assert_sha256(read[0], server)
            self.assertTrue(stat.S_ISFIFO(os.lstat(pipe).st_mode))
            self.assertEqual(self.fetch(server, "-o", link).returncode, 0)
            self.assertTrue(os.path.islink(link))
            self.assertEqual(os.path.getsize(target), 300_000)
            self.assertEqual(self.fetch(server, "-o", self.folder).returncode, 4)

    def test_standard_output_streams_verified_chunks(self):
        with Server("--bytes", 2_000_000, "--chunk", 4096) as server:
            result = self.fetch(server, "-o", "-")
            self.assert_sha256(result.stdout, server)

    def test_a_lone_chunk_is_fetched_by_its_own_id(self):
        with Server("--bytes", 1 << 20, "--chunk", 1 << 20) as server:
            result = self.fetch(server, "-o", "-", name=server.chunk)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assert_sha256(result.stdout, server)

    def test_ipv6_and_the_environment_name_the_source_as_well(self):
        with Server("--host", "::1", "--bytes", 100_000) as server:
            result = self.fetch(server, "-o", "-", host="[::1]")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assert_sha256(result.stdout, server)
            result = self.aroget("-o", "-", server.object, AROCACHE_FROM=f"[::1]:{server.port}")
            self.assert_sha256(result.stdout, server)
            both = f"127.0.0.1:1,[::1]:{server.port}"
            result = self.aroget("-o", "-", server.object, AROCACHE_FROM=both)
            self.assert_sha256(result.stdout, server)

    def test_json_tells_all_timings_on_one_line(self):
        with Server("--bytes", 1_000_000) as server:
            result = self.fetch(server, "-j", "-q")
            told = json.loads(result.stdout)
            self.assertEqual(result.stdout.count(b"\n"), 1)
            self.assertEqual((told["error"], told["content_bytes"]), (0, 1_000_000))
            self.assertEqual(told["slices_memory"], told["slices"])
            self.assertEqual(told["token_round_trips"], 1)
            self.assertGreaterEqual(told["total_us"], told["first_byte_us"])
            self.assertEqual(result.stderr, b"")

    def test_loss_a_restart_and_one_damaged_answer_per_chunk_do_no_harm(self):
        for switches in ("--loss", 5), ("--restart-after", 20), ("--lie-once",), ("--narrow", 1408):
            with Server("--bytes", 4_000_000, *switches) as server:
                result = self.fetch(server, "-o", "-")
                self.assertEqual(result.returncode, 0, (switches, result.stderr))
                self.assert_sha256(result.stdout, server)

    def test_a_lying_source_is_an_integrity_failure(self):
        for switch in "--lie", "--lie-manifest", "--lie-length":
            with Server("--bytes", 1_000_000, switch) as server:
                self.assert_fails(self.fetch(server), 6, 7008)
        with Server("--bytes", 1_000_000, "--lie-total") as server:
            self.assert_fails(self.fetch(server), 6, 7009)

    def test_a_manifest_made_with_a_wrong_digest_of_the_whole_is_noticed_at_the_end(self):
        with Server("--bytes", 1_000_000, "--lie-digest") as server:
            self.assert_fails(self.fetch(server), 6, 7010)
            self.assertEqual(self.fetch(server, "--skip-content-digest").returncode, 0)

    def test_every_refusal_has_its_exit_code(self):
        for switches, code, error in ((("--refuse", 1), 1, 7004), (("--refuse", 4), 4, 7006),
                                      (("--refuse", 5), 4, 7007), (("--missing",), 7, 7005)):
            with Server("--bytes", 1_000_000, *switches) as server:
                self.assert_fails(self.fetch(server), code, error)

    def test_an_unknown_id_and_a_chunk_taken_for_an_object(self):
        with Server() as server:
            self.assert_fails(self.fetch(server, name="o-" + "5" * 64), 1, 7004)
            self.assert_fails(self.fetch(server, name="o" + server.chunk[1:]), 6, 7009)

    def test_silence_is_no_answer_and_sudden_silence_a_timeout(self):
        with Server("--silent") as server:
            self.assert_fails(self.fetch(server, "-t", 0.5), 3, 7002)
            port = server.port
        self.assert_fails(self.aroget("--from", f"127.0.0.1:{port}", "-t", "0.5", "o-" + "5" * 64),
                          3, 7002)  # closed by now: ICMP errors
        with Server("--silent-after", 20, "--bytes", 9_000_000) as server:
            self.assert_fails(self.fetch(server, "-t", 0.5), 5, 7003)

    def test_what_makes_no_sense_is_a_usage_error(self):
        for arguments in (), ("o-1",), ("../x",), ("sha256:" + "5" * 64,), ("--mtu", "9", "x"), \
                ("--from", "a:b", "x"), ("--from", "[::1", "x"), ("--timeout", "-1", "x"), \
                ("x", "y"), ("--nonsense",):
            result = self.aroget(*arguments)
            self.assertEqual(result.returncode, 2, (arguments, result.stderr))
            self.assertNotEqual(result.stderr, b"")
            self.assertEqual(os.listdir(self.folder), [])
        self.assert_fails(self.aroget("--from", "no.such.host.invalid", "o-" + "5" * 64), 3, 7001)

    def several(self, servers, *arguments):
        """Fetches from all of them; exit code, what was told about each, and the text."""
        froms = [word for server in servers for word in ("-f", f"127.0.0.1:{server.port}")]
        result = self.aroget(*froms, "-j", "-o", "out", *arguments, servers[0].object)
        told = json.loads(result.stdout)["sources"] if result.stdout else []
        return result.returncode, told, result.stderr.decode()

    def output(self):
        with open(os.path.join(self.folder, "out"), "rb") as file:
            return file.read()

    def test_two_sources_share_an_object_and_each_is_accounted_for(self):
        size = ("--bytes", 64_000_000)
        with Server(*size) as one, Server(*size) as two:
            code, told, text = self.several([one, two])
            self.assertEqual(code, 0, text)
            self.assert_sha256(self.output(), one)
            self.assertEqual(len(told), 2)
            for source in told:
                self.assertGreater(source["chunks"], 100)
                self.assertIn(source["name"], text)
            self.assertEqual(sum(s["chunks"] for s in told), 64_000_000 // 65536 + 2)

    def test_a_dead_and_a_lying_source_are_left_and_named(self):
        size = ("--bytes", 64_000_000)
        with Server(*size) as good, Server("--silent", *size) as dead, Server("--lie", *size) as liar:
            code, told, text = self.several([dead, liar, good])
            self.assertEqual(code, 0, text)
            self.assert_sha256(self.output(), good)
            self.assertEqual(told[1]["error"], 7008, text)
            self.assertGreaterEqual(told[1]["mismatches"], 2)
            self.assertEqual((told[0]["chunks"], told[2]["error"]), (0, 0))
            self.assertRegex(text, rf"left: 127.0.0.1:{liar.port} lies: chunk c-")

    def test_a_source_that_dies_midway_is_made_up_for(self):
        size = ("--bytes", 64_000_000)
        with Server(*size) as good, Server("--silent-after", 100, *size) as dying:
            code, told, text = self.several([dying, good])
            self.assertEqual(code, 0, text)
            self.assert_sha256(self.output(), good)
            self.assertGreater(told[0]["chunks"], 0)

    def test_a_part_is_resumed_whatever_is_in_it(self):
        part = os.path.join(self.folder, "out.part")
        with Server("--silent-after", 40, "--bytes", 9_000_000) as server:
            result = self.fetch(server, "-r", "-t", 0.3, "-o", "out")
            self.assertEqual(result.returncode, 5, result.stderr)
        self.assertEqual(os.listdir(self.folder), ["out.part"])
        arrived = os.path.getsize(part)
        self.assertGreater(arrived, 100_000)
        with open(part, "r+b") as file:  # one chunk of it was damaged meanwhile
            file.seek(70_000)
            file.write(b"damaged")
        with Server("--bytes", 9_000_000) as server:
            result = self.fetch(server, "--resume", "-o", "out", "-j")
            told = json.loads(result.stdout)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assert_sha256(self.output(), server)
            self.assertEqual(os.listdir(self.folder), ["out"])
            self.assertLess(told["received_bytes"], 9_500_000 - arrived + 2 * 65536)
        with open(part, "wb") as file:  # longer than the content, and none of it
            file.write(b"\1" * 10_000_000)
        with Server("--bytes", 9_000_000) as server:
            self.assertEqual(self.fetch(server, "-r", "-o", "out").returncode, 0)
            self.assert_sha256(self.output(), server)
            self.assertEqual(self.fetch(server, "-r", "-o", "-").returncode, 2)

    def test_an_output_that_cannot_be_written_is_said_at_once(self):
        self.assert_fails(self.aroget("-o", "no/such/folder/x", "o-" + "5" * 64), 4, 7011)

    def test_help_and_version_go_to_standard_output(self):
        self.assertIn(b"Usage", self.aroget("--help").stdout)
        self.assertRegex(self.aroget("--version").stdout, rb"^aroget \d+\.\d+")


unittest.main(argv=sys.argv[:1], verbosity=2)
