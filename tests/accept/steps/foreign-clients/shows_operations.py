# SPDX-License-Identifier: BSD-3-Clause
"""docs/operations.md as a reader follows it: its commands, as they stand, on a host that has nothing
of us yet. /etc, /srv, /var/lib and /var/log are copies that the step throws away, /run is empty."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

import lib

LINE = "docs/operations.md: an origin with two nodes and a gateway, from nothing, in ten commands"
TABLE_LINE = "docs/operations.md: symptoms and causes; every error, command and metric it names exists"
PAGE = "docs/operations.md"
HEADING = "## An origin with two nodes and a gateway, from nothing, in ten commands\n"
SYMPTOMS = "## Symptoms -> causes\n"
URL = "http://127.0.0.1:8000/data.bin"
ORIGIN_LOG, GATE_LOG = "/var/log/nginx/origin.log", "/var/log/arogate-access.log"
COMMANDS_MAX, ROWS_MIN = 10, 25


def section(text, heading):
    if heading not in text:
        raise lib.Failure(f"{PAGE} has no '{heading.strip()}'")
    return text.split(heading, 1)[1].split("\n## ", 1)[0]


def blocks(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)


def commands(block):
    """The complete commands of a block, as the shell sees them: a loop is one, a here-document
    belongs to its command."""
    found, begun = [], ""
    for line in block.splitlines(keepends=True):
        begun += line
        seen = subprocess.run(["bash", "-n"], input=begun, capture_output=True, text=True, check=False)
        if seen.returncode == 0 and not seen.stderr:
            found, begun = [*found, begun], ""
    if begun:
        raise lib.Failure(f"no complete command: {begun[:200]}")
    return found


def fresh_host(context):
    lib.command("mount", "-t", "tmpfs", "none", "/run")
    for folder in ("/etc", "/srv", "/var/lib", "/var/log"):
        name = folder.replace("/", "-")
        up, work = context.path("up" + name), context.path("work" + name)
        os.makedirs(up)
        os.makedirs(work)
        lib.command("mount", "-t", "overlay", "none", "-o",
                    f"lowerdir={folder},upperdir={up},workdir={work}", folder)
    os.chmod(context.work, 0o755)


class Shell:
    """One bash, as the reader has it: what a command started and set stays for the next ones."""

    def __init__(self, context):
        programs = [os.path.dirname(context.program(path)) for path in lib.PROGRAMS]
        self.output = context.log("commands.log")
        self.process = lib.spawn(
            ["bash"], stdin=subprocess.PIPE, stdout=open(self.output, "wb"), stderr=subprocess.STDOUT,
            env=dict(os.environ, PATH=":".join([*dict.fromkeys(programs), os.environ["PATH"]])))
        context.closers.append(lambda: (self.process.kill(), self.process.wait()))
        self.number = 0

    def run(self, command, seconds=60):
        """The command's exit code and what was printed since the one before."""
        self.number += 1
        mark = f"\n=={self.number}== "
        before = os.path.getsize(self.output)
        self.process.stdin.write(f"{command}printf '\\n=={self.number}== %d\\n' $?\n".encode())
        self.process.stdin.flush()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(self.output, "rb") as file:
                file.seek(before)
                text = file.read().decode(errors="replace")
            told = re.search(re.escape(mark) + r"(\d+)\n", text)
            if told:
                return int(told[1]), text[:told.start()]
            time.sleep(0.02)
        raise lib.Failure(f"no end within {seconds} s: {command[:200]}")


def pattern_of(shown):
    """A line of the page; where it is abridged (...) its words and numbers are examples."""
    words = []
    for word in shown.split():
        if word.endswith("..."):
            words.append(re.escape(word[:2]) + r"\S*")
        elif "..." in shown:
            words.append(re.sub(r"\d+", r"\\d+", re.escape(word)))
        else:
            words.append(re.escape(word))
    return re.compile(r"\s+".join(words) + r"\s*$")


def not_printed(shown, printed):
    """Lines that the page shows and nobody printed, in their order."""
    lines, missing = iter(printed.splitlines()), []
    for line in filter(str.strip, shown.splitlines()):
        pattern = pattern_of(line)
        if not any(pattern.match(each) for each in lines):
            missing.append(line)
    return missing


def get_sha256():
    result = subprocess.run(["curl", "-sf", URL], capture_output=True, timeout=60, check=False)
    return hashlib.sha256(result.stdout).hexdigest()


def lines_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def giver():
    """The node whose chunks the last answer was made of."""
    return lines_of(GATE_LOG)[-1].rpartition("node=")[2].split()[0]


def kill_node(context, number):
    told = lib.command(context.program("control/aroctl"), "-s",
                       f"/run/arocache-{number}/control.sock", "-j", "status")
    os.kill(json.loads(told)["pid"], signal.SIGKILL)


def follow(shell, ten):
    """Runs the commands of the page; how many there were, and sentences about what went wrong."""
    count, wrong, printed = 0, [], ""
    for block in blocks(ten, "sh"):
        for command in commands(block):
            code, text = shell.run(command)
            count, printed = count + 1, printed + text
            if code != 0:
                wrong.append(f"exit {code} of '{command.strip()[:80]}': {text.strip()[-200:]}")
    missing = not_printed("\n".join(blocks(ten, "text")), printed)
    return count, wrong + [f"the page shows '{line}'" for line in missing]


@lib.step("ten-commands", LINE, seconds=200)
def ten_commands(context):
    lib.require("nginx", "curl", "bash")
    with open(context.source(PAGE), encoding="utf-8") as file:
        page = file.read()
    ten, _, away = section(page, HEADING).partition("\n### And away again\n")
    fresh_host(context)
    shell = Shell(context)
    count, wrong = follow(shell, ten)
    once = get_sha256()
    asked = [line for line in lines_of(ORIGIN_LOG) if "GET /data.bin " in line]
    node, equal = giver(), once == lib.sha256("/srv/data.bin")
    kill_node(context, 2 if node == "two" else 1)
    other = giver() if get_sha256() == once else "nobody"
    context.check(LINE, not wrong and count <= COMMANDS_MAX and equal and len(asked) == 1 and
                  {node, other} == {"one", "two"},
                  f"{count} commands; bytes equal to the origin's file: {equal}; the origin was asked "
                  f"{len(asked)} times by two GETs; given by node {node}, when that was killed by "
                  f"{other}; wrong: {'; '.join(wrong) or 'nothing'}", f"at most {COMMANDS_MAX}, 1 time")
    symptoms(context, page)
    away_again(context, shell, away)


def away_again(context, shell, away):
    for command in commands("".join(blocks(away, "sh"))):
        shell.run(command)
    deadline, running = time.monotonic() + 10, ["?"]
    while running and time.monotonic() < deadline:
        time.sleep(0.1)
        states = [line.split() for line in lib.command("ps", "-eo", "comm=,stat=").splitlines()]
        running = [name for name, state in states
                   if name in ("arocached", "arogate", "nginx") and state[0] != "Z"]
    left = [path for path in ("/etc/arogate.conf", "/srv/data.bin", "/var/lib/arocache-1",
                              "/var/lib/arocache-2", "/sys/class/net/aro1") if os.path.exists(path)]
    context.check("docs/operations.md: and away again", not left and not running,
                  f"left: {', '.join(left + running) or 'nothing'}")


def commands_named(page):
    """First words behind aroctl and its options."""
    found = set()
    for text in re.findall(r"\baroctl((?: +[^\s|]+)+)", page):
        words = text.split()
        while words and words[0].startswith("-"):
            words = words[2 if words[0] in ("-s", "-c") else 1:]
        found.update(re.findall(r"^[a-z]+", words[0]) if words else ())
    return found


def symptoms(context, page):
    """Whatever the page names must exist."""
    rows = [line for line in section(page, SYMPTOMS).splitlines() if re.match(r"\| [^-]", line)]
    errors = lib.command("cat", context.source("cache/base/errors.def"))
    known = lib.command(context.program("control/aroctl"), "--help")
    metrics = lib.command("cat", context.source("docs/metrics.md"))
    unknown = [f"ARO-{number}" for number in set(re.findall(r"ARO-(\d{4})", page))
               if f"ARO_ERROR({number}," not in errors]
    unknown += [f"aroctl {word}" for word in commands_named(page)
                if not re.search(rf"^  {word}\b", known, re.M)]
    unknown += [name for name in set(re.findall(r"\baro(?:cache|gate)_\w+[a-z]\b", page))
                if f"`{name}`" not in metrics]
    context.check(TABLE_LINE, len(rows) >= ROWS_MIN and not unknown,
                  f"{len(rows)} symptoms; named but not there: {', '.join(unknown) or 'nothing'}",
                  f"at least {ROWS_MIN}")
