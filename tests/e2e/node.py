# SPDX-License-Identifier: BSD-3-Clause
"""A running arocached for the end-to-end tests: start, JSON-RPC, clean stop, and what it left."""
import json
import os
import socket
import subprocess
import time

START_S, STOP_S, REST_S = 20, 15, 5


def links():
    """Names of this namespace's interfaces, the two ends of a veth as it calls them."""
    out = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split(":")[1].split("@")[0].strip() for line in out.splitlines()}


def wait_until(what, condition, limit_s):
    """Looks again and again; what: for the message when the limit is reached."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.01)


class Node:
    def __init__(self, program, profiles, folder, config):
        self.run = os.path.join(folder, "run")
        self.log = os.path.join(folder, "log")
        path = os.path.join(folder, "node.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'runtime_dir = "{self.run}"\nprofile_dir = "{profiles}"\n' + config)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([program, "-c", path], stderr=log)
        self.socket = None
        wait_until("arocached ready", self.is_ready, START_S)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(os.path.join(self.run, "control.sock"))
        self.lines = self.socket.makefile("r")

    def log_text(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"arocached ended with {self.process.returncode}:\n"
                                 + self.log_text())
        return "arocached ready" in self.log_text()

    def call(self, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "id" in answer:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
        raise AssertionError(f"{method}: the daemon hung up; its log:\n" + self.log_text())

    def counters(self):
        return self.call("stats")["dataplane"]

    def ports(self):
        return self.call("ports")["ports"]

    def at_rest(self):
        """Statistics once no request is under way."""
        wait_until("requests at rest",
                   lambda: self.call("stats")["balance"]["requests_now"] == 0, REST_S)
        return self.call("stats")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Stops through the socket; the exit code."""
        self.call("stop")
        return self.process.wait(STOP_S)

    def is_down_by(self, number):
        """Whether a signal ended the daemon just now; it gets a moment to show."""
        try:
            return self.process.wait(0.3) == -number
        except subprocess.TimeoutExpired:
            return False

    def destroy(self):
        """Whatever happened: nothing of it runs on."""
        if self.socket is not None:
            self.lines.close()
            self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
