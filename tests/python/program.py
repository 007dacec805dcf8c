"""The program under test: the release binary, as a user would call it."""

import os
import subprocess
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("WRITEPATH_BINARY", ROOT / "target/release/writepath"))
FILES = [
    "events.csv",
    "histogram.hgrm",
    "histogram.hlog",
    "info.txt",
    "intervals.hlog",
    "manifest.json",
    "result.json",
    "summary.csv",
    "timeline.csv",
]


def writepath(*arguments, **options):
    """Runs the program without standard input; the outcome with output and exit code."""
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 300} | options
    if "stdout" in options or "stderr" in options:
        del options["capture_output"]
    return subprocess.run([BINARY, *map(str, arguments)], **options)


def scenarios():
    """Names of the built-in scenarios."""
    listed = writepath("list", "scenarios")
    assert listed.returncode == 0, listed.stderr
    return [line.split()[0] for line in listed.stdout.splitlines()]


@contextmanager
def small_disk(folder, kib):
    """A file system of so many KiB mounted at `folder`; none where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "writepath-test", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def run_checks(checks):
    """Runs functions named as sentences, prints one line each; exit code 1 if one failed."""
    failed = 0
    for check in checks:
        start = time.monotonic()
        sentence = check.__name__.replace("_", " ")
        try:
            skipped = check()
        except AssertionError as error:
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAILED: {sentence}\n    {where.filename}:{where.lineno}: {where.line}\n    {error}")
        else:
            print(f"skipped: {sentence}: {skipped}" if skipped else f"ok: {sentence} ({time.monotonic() - start:.1f} s)")
    return 1 if failed else 0
