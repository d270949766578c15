#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fetch.py against the model server: test_fetch.py FETCH_PY MODEL_SERVER"""
import hashlib
import os
import subprocess
import sys
import tempfile
import unittest

FETCH, MODEL_SERVER = map(os.path.abspath, sys.argv[1:3])


def fetch(*switches, chunk=False):
    """Runs both; returns the exit code, what fetch.py said, and whether the output is right."""
    with subprocess.Popen([MODEL_SERVER, *switches], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as server, tempfile.TemporaryDirectory() as folder:
        _, port, object_id, chunk_id, digest = server.stdout.readline().split()
        out = os.path.join(folder, "out")
        result = subprocess.run([sys.executable, FETCH, "--from", f"127.0.0.1:{port}",
                                 chunk_id if chunk else object_id, out], capture_output=True)
        server.stdin.close()
        right = None
        if os.path.exists(out):
            with open(out, "rb") as file:
                right = "sha256:" + hashlib.sha256(file.read()).hexdigest() == digest
        return result.returncode, result.stderr.decode(), right


class Fetch(unittest.TestCase):
    def test_objects_and_a_chunk_arrive_right(self):
        for size in "0", "1", "65536", "1000001":
            self.assertEqual(fetch("--bytes", size), (0, "", True))
        self.assertEqual(fetch("--bytes", "50000", chunk=True), (0, "", True))

    def test_a_tree_of_manifests_is_walked(self):
        self.assertEqual(fetch("--bytes", str(16385 * 4096), "--chunk", "4096"), (0, "", True))

    def test_loss_and_a_restart_do_no_harm(self):
        self.assertEqual(fetch("--bytes", "300000", "--loss", "3"), (0, "", True))
        self.assertEqual(fetch("--bytes", "300000", "--restart-after", "5"), (0, "", True))

    def test_lies_and_refusals_leave_no_file(self):
        for switch in "--lie", "--lie-manifest", "--lie-total":
            code, said, right = fetch("--bytes", "100000", switch)
            self.assertEqual((code, right), (1, None), said)
            self.assertRegex(said, r"^fetch.py: [^\n]+\n$")
        self.assertIn("not found", fetch("--refuse", "1")[1])


unittest.main(argv=sys.argv[:1], verbosity=2)
