# SPDX-License-Identifier: BSD-3-Clause
"""The disk tier's defences, each broken by one line in a copy of the sources, which is built; the named
test passes before and must fail then. There is no snapshot to trust (docs/decisions/0007): a table's
record stands in for it."""

import os
import re
import shutil
import subprocess

import lib

LINE = "break seen, and the test that caught it"
BREAKS = {  # what -> file, what stands there, what is put there; the tests that catch it
    "skip the checksum": (
        "cache/disk/verify.c",
        "return aro_hash_stream_end(&verify->hash) == verify->place.checksum ? 0 : -EBADMSG;",
        "(void)aro_hash_stream_end(&verify->hash);\n    return 0;", ("verify",)),
    "skip the checksum of a record's payload at the start": (
        "cache/disk/scan.c", "!is_payload_of(&table->record[number], scan->payload))",
        "(!is_payload_of(&table->record[number], scan->payload) && false))", ("recover",)),
    "acknowledge before the fsync": (
        "cache/disk/sync.c", "if (s->batch.count > 0)\n            return false;",
        "if (s->batch.count > 0 && s->number == 0)\n            return false;", ("crash", "faults")),
    "drop the directory fsync": (
        "cache/disk/sync.c", "any |= s->naming;", "s->named |= s->naming;", ("crash",)),
    "trust a record of a table without its check": (
        "cache/disk/record.h",
        "return aro_load_le64(record->check) ==\n"
        "               aro_hash_bytes(record, offsetof(struct aro_record, check),\n"
        "                              aro_record_seed(uuid_hash, segment, number)) &&\n"
        "           aro_load_le32(record->segment) == segment;",
        "(void)uuid_hash, (void)number;\n    return aro_load_le32(record->segment) == segment;",
        ("recover", "check")),
}
TESTS = sorted({test for *_, tests in BREAKS.values() for test in tests})
SECONDS_MAX = 120


class Copy:
    """The sources, as git has them and as they are now, and a build of them."""

    def __init__(self, context):
        self.context, self.folder, self.build = context, context.path("source"), context.path("build")
        names = lib.command("git", "-c", "safe.directory=*", "-C", lib.ROOT, "ls-files").split("\n")
        for name in filter(None, names):
            os.makedirs(os.path.dirname(os.path.join(self.folder, name)), exist_ok=True)
            shutil.copy(os.path.join(lib.ROOT, name), os.path.join(self.folder, name))
        lib.command("meson", "setup", self.build, self.folder, "--buildtype=debugoptimized")

    def make(self):
        lib.command("ninja", "-j2", "-C", self.build, *(f"tests/cache/disk/test_disk_{test}" for test in TESTS))

    def run(self, test):
        """(exit code, the tests that failed)."""
        try:
            result = subprocess.run([f"{self.build}/tests/cache/disk/test_disk_{test}", "--verbose"], text=True,
                                    errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=SECONDS_MAX,
                                    env=dict(os.environ, TMPDIR=self.context.work))
        except subprocess.TimeoutExpired:
            return None, [f"{test}: no end"]
        text = re.sub(r"\x1b\[[\d;]*m", "", result.stdout)
        lib.log_line(self.context.log("output.log"), text)
        return result.returncode, re.findall(r"\[(?:FAIL|CRASH)\S*\]\s+(\w+::\w+)", text)


def broken(context, copy, what, path, old, new, tests):
    full = os.path.join(copy.folder, path)
    with open(full, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) != 1:
        context.check(f"{LINE}: {what}", False, f"{path} has the line to break {text.count(old)} times")
        return
    try:
        with open(full, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
        copy.make()
        caught = {test: copy.run(test) for test in tests}
    finally:
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    names = [f"disk_{test}: {', '.join(failed[:3])}{' ...' if len(failed) > 3 else ''} ({len(failed)} failed)"
             for test, (_, failed) in caught.items()]
    context.check(f"{LINE}: {what}", all(code != 0 and failed for code, failed in caught.values()),
                  f"{path}; caught by {'; '.join(names)}")


@lib.step("breaks", LINE, seconds=590, needs=())
def breaks(context):
    copy = Copy(context)
    copy.make()
    bad = {test: told for test in TESTS if (told := copy.run(test)) != (0, [])}
    if not context.check(f"{LINE}: unbroken, all of these tests pass", not bad, bad or ", ".join(TESTS)):
        return
    for what, (path, old, new, tests) in BREAKS.items():
        broken(context, copy, what, path, old, new, tests)
