# SPDX-License-Identifier: BSD-3-Clause
"""What other people's software meets: an origin (nginx), two nodes, a gateway, a client's
namespace. Everything is started for one step and ends with it.

    step's namespace:    nginx 10.8.0.1:8080, node a (va0), node b (va1); kernel veth 10.8.0.1
    client's namespace:  vb0 10.9.0.2, vb1 10.9.1.2, kernel veth 10.8.0.2; arogate 127.0.0.1:8000

The nodes reach the origin by the kernel's stack, the gateway reaches the nodes by the wires."""

import http.client
import os
import signal
import subprocess
import threading
import time

import lib
import node

START_S = 30
GATE = "127.0.0.1:8000"
GATE_METRICS = "127.0.0.1:9502"
ORIGIN = "10.8.0.1:8080"
NODES = {"a": ("10.9.0.1", "10.9.0.2"), "b": ("10.9.1.1", "10.9.1.2")}

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    include /etc/nginx/mime.types;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    sendfile on; tcp_nopush on; keepalive_requests 1000000;
    {http}
    server {{ listen {listen} backlog=4096; root {root}; {server} }}
}}
"""


class Origin:
    """nginx serving a folder."""

    def __init__(self, context, listen=ORIGIN, name="origin", server="", http="", prefix=()):
        self.context, self.listen, self.prefix = context, listen, list(prefix)
        self.folder = context.path(name)
        self.root = os.path.join(self.folder, "root")
        os.makedirs(self.root, exist_ok=True)
        os.chmod(context.work, 0o755)
        self.config = os.path.join(self.folder, "nginx.conf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(NGINX.format(folder=self.folder, root=self.root, listen=listen,
                                    server=server, http=http))
        self.process = None
        context.closers.append(self.kill)

    def start(self):
        lib.require("nginx")
        self.process = lib.spawn([*self.prefix, "nginx", "-c", self.config, "-p", self.folder, "-g",
                                  "user root;"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_http(self.listen, self.prefix, "nginx", self.process)
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def requests(self):
        """Lines of the access log."""
        path = os.path.join(self.folder, "nginx-access.log")
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()


class Wire:
    """A veth between a node and the client's namespace."""

    def __init__(self, number, holder, address):
        self.kind, self.iface = "veth", f"va{number}"
        self.device = (f"net_af_packet{number},iface=va{number},framesz=2048,blocksz=4096,"
                       "framecnt=4096")
        self.prefix = ["nsenter", "-t", str(holder.pid), "--net"]
        lib.command("ip", "link", "add", f"va{number}", "type", "veth", "peer", "name",
                    f"vb{number}", "netns", holder.pid)
        with open(f"/proc/sys/net/ipv6/conf/va{number}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
        lib.command("ip", "link", "set", f"va{number}", "up")
        lib.command(*self.inside("ip", "addr", "add", address + "/24", "dev", f"vb{number}"))
        lib.command(*self.inside("ip", "link", "set", f"vb{number}", "up"))

    def inside(self, *words):
        return [*self.prefix, *map(str, words)]


class Node(node.Daemon):
    """A node of the rig: its own address and HTTP port, and an origin when it is to have one."""

    def __init__(self, context, wire, name, number, origin_keys=None, **options):
        extra = f'http {{ listen = "127.0.0.1:{9601 + number}" }}\n' + options.pop("extra", "")
        if origin_keys is not None:
            extra += origin_block(origin_keys)
        super().__init__(context, wire, name="node-" + name, extra=extra, **options)
        own = NODES[name][0]
        with open(self.config, encoding="ascii") as file:
            text = file.read()
        text = text.replace(f'{{"{node.IP4}/24", "{node.IP6}/64"}}', f'{{"{own}/24"}}')
        with open(self.config, "w", encoding="ascii") as file:
            file.write(text)
        self.http, self.address = f"127.0.0.1:{9601 + number}", own


def origin_block(keys):
    settings = {"url": f"http://{ORIGIN}/", "prefix": "media.test/"} | keys
    return 'origin "media" { ' + " ".join(f'{key} = "{value}"' for key, value in
                                         settings.items()) + " }\n"


class Gate:
    """arogate in the client's namespace."""

    def __init__(self, rig, keys="", name="gate", nodes=None):
        self.rig, self.context = rig, rig.context
        self.folder = self.context.path(name)
        os.makedirs(self.folder, exist_ok=True)
        self.config = os.path.join(self.folder, "arogate.conf")
        self.log_path = self.context.log(name + ".log")
        self.access_path = os.path.join(self.folder, "access.log")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f'listen = {{"{GATE}"}}\nmetrics_listen = "{GATE_METRICS}"\n'
                       f'log = "{self.access_path}"\n{keys}\n')
            for each in nodes if nodes is not None else rig.nodes.values():
                file.write(f'node "{each.name}" {{ address = "{each.address}:9500" '
                           f'control = "{each.socket_path}" }}\n')
        self.process, self.env = None, {}
        self.context.closers.append(self.kill)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = lib.spawn(self.rig.inside(
                self.context.program("control/arogate"), "-c", self.config), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=dict(os.environ, **self.env))
        wait_http(GATE, self.rig.prefix, "arogate", self.process, self.log_path)
        return self

    @property
    def pid(self):
        """nsenter executes the program: the process is the gateway itself."""
        return self.process.pid

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


class Rig:
    """Origin, nodes and gateway. The client's own sockets: inside(), or curl()."""

    def __init__(self, context, nodes=("a", "b"), origin=None, node_options=None):
        self.context = context
        holder = lib.spawn(["unshare", "--net", "sleep", "1000"])
        context.closers.append(lambda: (holder.kill(), holder.wait()))
        self.prefix = ["nsenter", "-t", str(holder.pid), "--net"]
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
            time.sleep(0.01)
        lib.command(*self.inside("ip", "link", "set", "lo", "up"))
        lib.command("ip", "link", "add", "ko", "type", "veth", "peer", "name", "kc", "netns",
                    holder.pid)
        for words in (["ip", "addr", "add", "10.8.0.1/24", "dev", "ko"],
                      ["ip", "link", "set", "ko", "up"],
                      self.inside("ip", "addr", "add", "10.8.0.2/24", "dev", "kc"),
                      self.inside("ip", "link", "set", "kc", "up")):
            lib.command(*words)
        self.nodes = {}
        for number, name in enumerate(nodes):
            wire = Wire(number, holder, NODES[name][1])
            self.nodes[name] = Node(context, wire, name, number, origin_keys=origin,
                                    **(node_options or {}))

    def start(self, keys=""):
        for each in self.nodes.values():
            each.start()
        self.gate = Gate(self, keys).start()
        return self

    def inside(self, *words):
        return [*self.prefix, *map(str, words)]

    def curl(self, *words, host=None, timeout=120, check=False):
        """curl in the client's namespace; the finished process, text as bytes."""
        more = ["-H", "Host: " + host] if host else []
        result = subprocess.run(self.inside("curl", "-sS", *more, *words), capture_output=True,
                                stdin=subprocess.DEVNULL, timeout=timeout)
        if check and result.returncode != 0:
            raise lib.Failure(f"curl {' '.join(map(str, words))[:150]}: exit {result.returncode}: "
                              f"{result.stderr.decode(errors='replace').strip()}")
        return result

    def url(self, path):
        return f"http://{GATE}{path}"


class Killer:
    """Kills a node in the middle of a transfer: once `part` of `size` bytes has left the nodes. The
    nodes' own counters tell that the dead one had served, and that the others then went on."""

    SLICE_BYTES = 1408  # nearly every slice has as many

    def __init__(self, rig, name, size, part=0.3):
        self.rig, self.name, self.over = rig, name, False
        self.began, self.then = self.served(), None
        self.limit = part * size
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def served(self):
        """Bytes per node, about; a dead one is left out."""
        found = {}
        for name, each in self.rig.nodes.items():
            if each.process.poll() is None:
                counters = each.call("stats")["dataplane"]
                found[name] = self.SLICE_BYTES * (counters["slices_memory"] + counters["slices_disk"])
        return found

    def watch(self):
        while not self.over:
            now = self.served()
            now = {name: now[name] - self.began[name] for name in now}
            if sum(now.values()) >= self.limit and now[self.name] > 0:
                self.rig.nodes[self.name].kill()
                self.then = now
                return
            time.sleep(0.005)

    def midway(self):
        """After the transfer: a sentence, and whether it was as it should have been."""
        self.over = True
        self.thread.join()
        if self.then is None:
            return False, f"node {self.name} was never killed: {self.served()}"
        after = {name: bytes - self.began[name] - self.then[name] for name, bytes in self.served().items()}
        return any(value > 0 for value in after.values()), (
            f"node {self.name} was killed after {self.then[self.name] >> 10} of {sum(self.then.values()) >> 10} "
            f"KiB, {', '.join(f'{name} sent {value >> 10} KiB more' for name, value in after.items())}")


def wait_http(address, prefix, what, process, log=None):
    """Until somebody accepts connections there."""
    host, _, port = address.rpartition(":")
    code = ("import socket,sys\n"
            "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)\n"
            "except OSError: sys.exit(1)\n")
    deadline = time.monotonic() + START_S
    while subprocess.run([*prefix, "python3", "-c", code, host, port], check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise lib.Failure(f"{what} did not start (exit {process.poll()})"
                              f"{': ' + lib.tail(log) if log else ''}")
        time.sleep(0.05)


def http_get(address, path, timeout=10):
    """From this namespace: status and body."""
    host, _, port = address.rpartition(":")
    link = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        link.close()
