# SPDX-License-Identifier: BSD-3-Clause
"""What the runner and its steps share: the list of steps, results, builds, processes, real data."""

import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
from collections import namedtuple

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GIB = 1 << 30
MIB = 1 << 20

Step = namedtuple("Step", "name line function seconds needs network")
_steps = []
_libc = ctypes.CDLL(None)

PROGRAMS = ["control/arocached", "control/aroctl", "control/arogate", "dataplane/client/aroget"]
BUILDS = {  # name -> (arguments of meson, compiler, targets)
    "release": (["--buildtype=release"], "gcc",
                PROGRAMS + ["tests/dataplane/client/model_server", "perf/bench_data"]),
    "asan": (["--buildtype=debugoptimized", "-Db_sanitize=address,undefined"], "gcc", PROGRAMS),
    "fuzz": (["--buildtype=debugoptimized", "-Db_lundef=false"], "clang",
             ["tests/fuzz/fuzz_packet", "tests/fuzz/fuzz_manifest"]),
    "engine": (["--buildtype=release"], "gcc",
               ["perf/arobench", "perf/bench_churn", "tests/cache/test_trace", "tests/cache/test_cache_flood",
                "tests/cache/stress_cache", "tests/cache/progress_cache"]),
    "disk": (["--buildtype=release"], "gcc", PROGRAMS + ["perf/arobench", "tests/cache/disk/make_store"]),
    "disk-debug": (["--buildtype=debugoptimized"], "gcc",  # assertions
                   ["tests/cache/disk/test_disk_" + name for name in
                    ("check", "crash", "faults", "recover", "recycle_crash", "start", "store", "super", "uring",
                     "verify")]),
    "engine-poison": (["--buildtype=debugoptimized"], "gcc",  # assertions; freed memory is poisoned
                      ["tests/cache/test_cache_" + name for name in ("arena", "cache", "erase", "model")] +
                      ["tests/control/test_control_jobs", "tests/dataplane/stress_reuse"]),
    "engine-tsan": (["--buildtype=debugoptimized", "-Db_sanitize=thread"], "clang",
                    ["tests/cache/stress_cache", "tests/cache/disk/stress_disk_places"]),
    "engine-asan": (["--buildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                    "clang", ["tests/cache/stress_cache", "tests/dataplane/stress_reuse"]),
}


class Failure(Exception):
    """A sentence for people; the step's line fails with it."""


def step(name, line, seconds=300, needs=("release",), network="own"):
    """Declares a step. seconds: the most it may take. network: own namespace, or the host's."""
    assert seconds < 600

    def declare(function):
        _steps.append(Step(name, line, function, seconds, needs, network))
        return function

    return declare


def steps_load(suite):
    folder = os.path.join(HERE, "steps", suite)
    for name in sorted(os.listdir(folder), key=lambda name: ("nbs".find(name[0]), name)):
        if name.endswith(".py"):  # numbers, bad input, what shows that it works
            spec = importlib.util.spec_from_file_location("step_" + name[:-3], os.path.join(folder, name))
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return list(_steps)


# ---- rows ----


def row(line, measured, verdict):
    return {"line": line, "measured": " ".join(str(measured).split()), "verdict": verdict}


def rows_read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tail(path, lines=3):
    if not os.path.exists(path):
        return "no log"
    with open(path, "rb") as file:
        text = file.read()[-4000:].decode(errors="replace").strip().splitlines()
    return " / ".join(text[-lines:]) or "nothing said"


class State:
    """Results per commit and step; builds and data that several commits share."""

    def __init__(self, root, release=None):
        self.root = os.path.realpath(root)
        git = ["git", "-c", "safe.directory=*", "-C", ROOT]
        self.commit = command(*git, "rev-parse", "--short=12", "HEAD").strip()
        if command(*git, "status", "--porcelain").strip():
            self.commit += "-changed"
        self.build_dirs = {name: os.path.join(self.root, "build-" + name) for name in BUILDS}
        if release:
            self.build_dirs["release"] = os.path.realpath(release)
        self.build_dirs["engine"] = self.build_dirs["disk"] = self.build_dirs["release"]  # built alike
        self.built = set()

    def folder(self, name):
        return os.path.join(self.root, self.commit, name)

    def load(self, name):
        path = self.folder(name) + ".json"
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def save(self, name, result):
        with open(self.folder(name) + ".json.part", "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
        os.replace(self.folder(name) + ".json.part", self.folder(name) + ".json")

    def forget(self, names):
        folder = os.path.join(self.root, self.commit)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if not names or name.removesuffix(".json") in names:
                path = os.path.join(folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def build(self, names):
        """Makes the builds that a step needs; a sentence when one fails."""
        for name in names:
            if name in self.built:
                continue
            arguments, compiler, targets = BUILDS[name]
            folder, log_path = self.build_dirs[name], os.path.join(self.root, f"build-{name}.log")
            os.makedirs(self.root, exist_ok=True)
            print(f"   building {name} in {folder}", flush=True)
            with open(log_path, "wb") as log:
                def run(*words):
                    return subprocess.run(words, stdout=log, stderr=log, cwd=ROOT,
                                          env=dict(os.environ, CC=compiler)).returncode
                if not os.path.exists(os.path.join(folder, "build.ninja")) and \
                        run("meson", "setup", folder, *arguments) != 0 or \
                        run("ninja", "-j2", "-C", folder, *targets) != 0:
                    return f"the {name} build failed: {tail(log_path)} ({log_path})"
            self.built.add(name)
        return None


class Context:
    """What a step gets: rows to fill, a folder for logs, a folder that is emptied afterwards."""

    def __init__(self, declared, state, rows_path, work):
        self.line, self.state, self.work = declared.line, state, work
        self.logs = state.folder(declared.name)
        self.rows_path = rows_path
        self.closers = []

    def row(self, line, measured, verdict):
        with open(self.rows_path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row(line, measured, verdict)) + "\n")

    def check(self, line, good, measured, expected=None):
        if not good and expected is not None:
            measured = f"{measured}; expected {expected}"
        self.row(line, measured, "PASS" if good else "FAIL")
        return good

    def skip(self, line, reason):
        self.row(line, reason, "SKIP")

    def say(self, text):
        print("   " + text, flush=True)

    def path(self, *names):
        return os.path.join(self.work, *names)

    def log(self, name):
        return os.path.join(self.logs, name)

    def program(self, path, build="release"):
        found = os.path.join(self.state.build_dirs[build], path)
        if not os.access(found, os.X_OK):
            raise Failure(f"{path} is not there (build {build})")
        return found

    def source(self, path):
        found = os.path.join(ROOT, path)
        if not os.path.exists(found):
            raise Failure(f"{path} is not there")
        return found

    def close(self):
        for closer in reversed(self.closers):
            closer()


# ---- processes ----


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def command(*words, check=True, **options):
    """Runs a program to its end; its output. Failure when it fails."""
    result = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                            errors="replace", **options)
    if check and result.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))[:200]}: exit {result.returncode}: "
                      f"{(result.stderr or result.stdout).strip()[-400:]}")
    return result.stdout if check else result


def spawn(words, **options):
    return subprocess.Popen([str(word) for word in words], preexec_fn=die_with_parent, **options)


def cpu_seconds(pid):
    """User and system time of a process, all threads, those that ended included."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def proc_value(pid, file_name, key):
    """A number of /proc/PID/FILE behind "key:"."""
    with open(f"/proc/{pid}/{file_name}", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise Failure(f"/proc/{pid}/{file_name} has no {key}")


# ---- real data ----


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def real_file(context, size):
    """A file of exactly so many bytes made from this machine's own files; kept between runs. A block
    that came before is left out: the store keeps equal chunks once, and would read them once."""
    path, block_bytes = os.path.join(context.state.root, f"real-{size}.unique"), 65536
    if not os.path.exists(path) or os.path.getsize(path) != size:
        context.say(f"making {size >> 20} MiB of this machine's files")
        seen, left = set(), size
        tar = spawn(["tar", "-c", "--sort=name", "-C", "/", "usr"], stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL)
        with open(path + ".part", "wb") as out:
            while left > 0 and (block := tar.stdout.read(block_bytes)):
                name = hashlib.sha256(block).digest()
                if name not in seen:
                    seen.add(name)
                    left -= out.write(block[:left])
        tar.kill()
        tar.wait()
        if left > 0:
            raise Failure(f"/usr holds less than {size} bytes")
        os.replace(path + ".part", path)
    return path


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def log_line(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def require(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Failure(f"missing on this machine: {', '.join(missing)}")


