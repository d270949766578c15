# SPDX-License-Identifier: BSD-3-Clause
"""A running arocached for a step: wires, configuration, start, stop, its control socket, the sums
of its counters, a client in the namespace at the other end."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import lib

IP4, IP6 = "10.9.0.1", "fd09::1"
OWN4, OWN6 = "10.9.0.2", "fd09::2"
START_S, STOP_S = 30, 20


class Refused(Exception):
    """An error answer of the control socket."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.id = error.get("data", {}).get("id") if isinstance(error.get("data"), dict) else None
        self.data, self.code = error.get("data"), error["code"]


# ---- wires ----


class Wire:
    """kind tap: the client sits in the daemon's namespace, at the kernel's end of the tap.
    kind veth: af_packet on one end; the client sits in a namespace of its own at the other.
    kind xdp: the same with AF_XDP."""

    def __init__(self, context, kind):
        self.kind, self.prefix = kind, []
        self.iface = "aro0" if kind == "tap" else "vb"
        if kind == "tap":
            self.device = "net_tap0,iface=aro0"
            return
        holder = lib.spawn(["unshare", "--net", "sleep", "1000"])
        context.closers.append(lambda: (holder.kill(), holder.wait()))
        self.prefix = ["nsenter", "-t", str(holder.pid), "--net"]
        self.device = ("net_af_xdp0,iface=va,start_queue=0,queue_count=1,busy_budget=0"
                       if kind == "xdp" else
                       "net_af_packet0,iface=va,framesz=2048,blocksz=4096,framecnt=4096")
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
            time.sleep(0.01)
        lib.command("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns",
                    holder.pid)
        with open("/proc/sys/net/ipv6/conf/va/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")  # the daemon alone speaks there
        lib.command("ip", "link", "set", "va", "up")
        self.up()

    def inside(self, *words):
        """A command line as the client's namespace runs it."""
        return [*self.prefix, *map(str, words)]

    def up(self):
        """Addresses of the client's end. For a tap: after each start of the daemon."""
        lib.command(*self.inside("ip", "link", "set", "lo", "up"))
        lib.command(*self.inside("ip", "addr", "replace", OWN4 + "/24", "dev", self.iface))
        lib.command(*self.inside("ip", "-6", "addr", "replace", OWN6 + "/64", "dev", self.iface,
                                 "nodad"))
        lib.command(*self.inside("ip", "link", "set", self.iface, "up"))


# ---- the daemon ----


class Daemon:
    def __init__(self, context, wire, cache="512MiB", store="4GiB", build="release", name="main",
                 extra="", device=None, store_path=None, store_keys="", cache_keys=""):
        self.context, self.wire, self.build, self.name = context, wire, build, name
        self.folder = context.path(name)
        os.makedirs(self.folder, exist_ok=True)
        self.store_path = store_path or os.path.join(self.folder, "store")
        self.socket_path = os.path.join(self.folder, "run", "control.sock")
        self.config = os.path.join(self.folder, "arocached.conf")
        self.log_path = context.log(f"arocached-{name}.log")
        self.process, self.env = None, {}
        device = device or (wire.device if wire else "net_null0,no-rx=1")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f'runtime_dir = "{self.folder}/run"\n'
                       f'profile_dir = "{lib.ROOT}/pmd-config"\n'
                       f'cache {{ memory = "{cache}" {cache_keys} }}\n')
            if store:
                file.write(f'store "main" {{ path = "{self.store_path}" size = "{store}" '
                           f'{store_keys} }}\n')
            file.write(f'port "p0" {{ device = "{device}" addresses = {{"{IP4}/24", "{IP6}/64"}} '
                       'lcores = {1} }\ndataplane { lcores = {1} }\n' + extra)
        context.closers.append(self.kill)

    def launch(self, *words):
        """Starts the process without waiting for anything."""
        log = open(self.log_path, "ab")
        self.process = lib.spawn([*words, self.context.program("control/arocached", self.build),
                                  "-c", self.config], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL, env=dict(os.environ, **self.env))
        log.close()

    def start(self):
        self.launch()
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.call("status")
                break
            except (OSError, lib.Failure):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise lib.Failure(f"arocached did not start (exit {self.process.poll()}): "
                                      f"{lib.tail(self.log_path)}") from None
                time.sleep(0.02)
        if self.wire and self.wire.kind == "tap":
            self.wire.up()
        return self

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """Ends it as a service manager does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise lib.Failure(f"arocached did not stop within {STOP_S} s") from None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def alive(self):
        return self.process.poll() is None and "version" in self.call("status")

    # -- control socket --

    def connect(self, timeout=30):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(timeout)
        link.connect(self.socket_path)
        return link

    def call(self, method, timeout=120, **params):
        with self.connect(timeout) as link:
            link.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                                     "params": params}).encode() + b"\n")
            return answer_read(link)

    def put(self, path, **params):
        return self.call("put", path=path, **params)

    def ctl(self, *words, **options):
        """aroctl: the finished process, with returncode, stdout, stderr."""
        return lib.command(self.context.program("control/aroctl", self.build), "-s",
                           self.socket_path, *words, check=False, timeout=120, **options)

    def stats(self, quiet=True):
        """Counters; quiet: once nothing moves any more."""
        before = self.call("stats")
        deadline = time.monotonic() + 5
        while quiet and time.monotonic() < deadline:
            time.sleep(0.2)
            after = self.call("stats")
            same = ("rx_packets", "tx_packets", "requests", "answered")
            if all(before["dataplane"][key] == after["dataplane"][key] for key in same) and \
                    after["balance"]["requests_now"] == 0:
                return after
            before = after
        return before

    def resources(self):
        """Free items per pool, chunks held, descriptors: equal to the idle ones, or leaked."""
        status, cache = self.call("status"), self.call("stats")["cache"]
        found = {pool["name"]: pool["items_free_now"] for pool in status["pools"]}
        found["chunks pinned"] = cache["pinned_now"]
        found["chunks retired"] = cache["retired_now"]
        found["descriptors"] = len(os.listdir(f"/proc/{self.pid}/fd"))
        return found

    # -- the client --

    def source(self, family=4):
        return IP4 if family == 4 else f"[{IP6}]"

    def fetch(self, name, output, *words, family=4, timeout=120):
        """aroget -j: what it told, with exit code, stderr and CPU seconds of its own."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = lib.command(*self.wire.inside(
            self.context.program("dataplane/client/aroget"), "--from", self.source(family), "-j",
            "-o", output, *words, name), check=False, timeout=timeout)
        told = json.loads(result.stdout) if result.stdout.strip() else {}
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        told["cpu_s"] = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        return told | {"code": result.returncode, "stderr": result.stderr.strip()}


def answer_read(link):
    """The result of one call, progress skipped. Raises Refused."""
    with link.makefile("rb") as lines:
        for line in lines:
            answer = json.loads(line)
            if "error" in answer:
                raise Refused(answer["error"])
            if "result" in answer:
                return answer["result"]
    raise lib.Failure("the control socket closed before the answer")


# ---- the sums of dataplane/counters.def ----


def counters_declared():
    """name -> layer (None for plain counters), as the sources declare them."""
    with open(os.path.join(lib.ROOT, "dataplane/counters.def"), encoding="ascii") as file:
        text = file.read()
    found = dict.fromkeys(re.findall(r"^ARO_COUNTER\((\w+)", text, re.M))
    found.update(("drop_" + name, layer)
                 for name, layer in re.findall(r"^ARO_DROP\((\w+), (\w+)", text, re.M))
    return found


def sums_wrong(stats):
    """The two sums, computed here from the counters: sentences about what does not hold."""
    counters, declared, wrong = stats["dataplane"], counters_declared(), []
    drops = {layer: sum(counters[name] for name, at in declared.items() if at == layer)
             for layer in ("frame", "request")}
    frames = sum(counters[key] for key in ("arp_replies", "nd_replies", "icmp_replies",
                                           "requests")) + drops["frame"]
    requests = sum(counters[key] for key in ("answered", "partial", "refused", "challenged"))
    requests += drops["request"] + stats["balance"]["requests_now"]
    if frames != counters["rx_packets"]:
        wrong.append(f"rx_packets {counters['rx_packets']} != {frames} accounted for")
    if requests != counters["requests"]:
        wrong.append(f"requests {counters['requests']} != {requests} accounted for")
    for key in ("rx_packets_unaccounted", "requests_unaccounted"):
        if stats["balance"][key] != 0:
            wrong.append(f"{key} {stats['balance'][key]}")
    return wrong


def ports_wrong(daemon, stats):
    """Our counters against the port's own, and what was sent against what it was sent for. The
    port's are read between two equal readings of ours: a kernel may multicast at any time."""
    moving, deadline = ("rx_packets", "tx_packets"), time.monotonic() + 10
    while True:
        ports, before, stats = daemon.call("ports")["ports"], stats, daemon.call("stats")
        if all(stats["dataplane"][key] == before["dataplane"][key] for key in moving) or \
                time.monotonic() > deadline:
            break
    counters, wrong = stats["dataplane"], []
    for key in moving:
        device = sum(port[key] for port in ports)
        if device != counters[key]:
            wrong.append(f"{key} {counters[key]} but the port counts {device}")
    sent = sum(counters[key] for key in ("slices_memory", "slices_disk", "refused", "challenged",
                                         "tokens_refreshed", "arp_replies", "nd_replies",
                                         "icmp_replies"))
    if sent != counters["tx_packets"]:
        wrong.append(f"tx_packets {counters['tx_packets']} != {sent} slices and replies")
    return wrong


def settle(daemon, idle, seconds=5):
    """Waits until resources are back at idle; what is not."""
    deadline = time.monotonic() + seconds
    while True:
        now = daemon.resources()
        differs = [f"{key} {idle[key]} -> {now.get(key)}" for key in idle if now.get(key) != idle[key]]
        if not differs or time.monotonic() > deadline:
            return differs
        time.sleep(0.2)
