"""What the program does when its surroundings fail it: exit codes, messages, and nothing half-written.

Method: each fault is made with the means of the system: /dev/full, a tmpfs, file modes, closed pipes, signals.
A fault that cannot be made here (no root, no mount) is skipped by name.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from program import BINARY, FILES, run_checks, small_disk, writepath

QUICK = ["run", "benchmark", "--duration", "10s"]
LONG = ["run", "article", "--duration", "2000h"]
DONE, USAGE, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 130


def expect(run, code, *words):
    told = run.stderr if isinstance(run.stderr, str) else ""
    assert run.returncode == code, f"exit code {run.returncode} instead of {code}: {told}"
    for word in words:
        assert word in told, f"{word!r} is not in the message: {told}"
    assert "panicked" not in told and "RUST_BACKTRACE" not in told, told


@contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def a_file_in_the_place_of_the_folder_is_wrong_usage():
    with folder() as parent:
        (parent / "taken").write_text("text")
        expect(writepath(*QUICK, "--out", parent / "taken"), USAGE, "taken", "is a file")
        expect(writepath(*QUICK, "--out", parent / "taken/below"), ENVIRONMENT, "cannot write")
        assert (parent / "taken").read_text() == "text"


def a_folder_with_other_content_is_left_alone():
    with folder() as parent:
        (parent / "thesis.tex").write_text("years of work")
        expect(writepath(*QUICK, "--out", parent), USAGE, "thesis.tex", "--force")
        assert [path.name for path in parent.iterdir()] == ["thesis.tex"]
        expect(writepath(*QUICK, "--out", parent, "--force"), DONE)
        assert sorted(path.name for path in parent.iterdir()) == sorted([*FILES, "thesis.tex"])


def a_folder_that_may_not_be_written_is_a_fault_of_the_environment():
    # Root may write anywhere but into /proc.
    expect(writepath(*QUICK, "--out", "/proc/writepath"), ENVIRONMENT, "cannot write /proc/writepath")
    if os.geteuid() == 0:
        return "the half about file modes: root may write everywhere"
    with folder() as parent:
        parent.chmod(0o555)
        expect(writepath(*QUICK, "--out", parent / "result"), ENVIRONMENT, "ermission")
        parent.chmod(0o755)
        assert not list(parent.iterdir())


def a_full_disk_under_standard_output_is_a_fault_of_the_environment():
    if not Path("/dev/full").exists():
        return "no /dev/full"
    for arguments in (QUICK, [*QUICK, "--format", "json"], [*QUICK, "--format", "csv"], ["list"], ["schema"]):
        with open("/dev/full", "w") as full:
            run = writepath(*arguments, stdout=full, stderr=subprocess.PIPE)
        expect(run, ENVIRONMENT, "cannot write to standard output")


def a_full_disk_under_the_folder_leaves_the_older_result_whole():
    with folder() as parent, small_disk(parent / "disk", 512) as disk:
        if disk is None:
            return "no tmpfs can be mounted here"
        expect(writepath(*QUICK, "--out", disk / "result", "--set", 'run.interval="1s"'), DONE)
        before = (disk / "result/manifest.json").read_bytes()
        run = writepath("run", "default-config", "--duration", "1h", "--out", disk / "result")
        expect(run, ENVIRONMENT, "cannot write", "o space left")
        assert [path.name for path in disk.iterdir()] == ["result"], "something is left over"
        assert (disk / "result/manifest.json").read_bytes() == before


def a_limit_on_file_size_is_a_fault_of_the_environment():
    limited = f'ulimit -f 8; trap "" XFSZ; exec "{BINARY}" run default-config --duration 10m --out result'
    with folder() as parent:
        run = subprocess.run(["bash", "-c", limited], cwd=parent, capture_output=True, text=True)
        expect(run, ENVIRONMENT, "cannot write")
        assert not list(parent.iterdir()), "something is left over"


def a_closed_pipe_is_no_error():
    for arguments in ("list", "schema", "run benchmark --duration 10s", "run benchmark --duration 10s --format json"):
        script = f'set -o pipefail; "{BINARY}" {arguments} | head -n 1'
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        expect(run, DONE)
        assert run.stderr == "", run.stderr
    # A pipe that nobody has ever read.
    reader, writer = os.pipe()
    os.close(reader)
    run = writepath("list", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    expect(run, DONE)


def interrupted_with(number):
    with folder() as parent:
        deep = parent / "new/folder"
        process = subprocess.Popen(
            [BINARY, *LONG, "--out", deep], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(200):
            if any(parent.rglob(".writepath-*")):
                break
            time.sleep(0.05)
        time.sleep(0.5)
        asked = time.monotonic()
        process.send_signal(number)
        out, told = process.communicate(timeout=30)
        took = time.monotonic() - asked
        assert process.returncode == INTERRUPTED, f"exit code {process.returncode}: {told}"
        assert b"interrupted" in told and out == b"", (out, told)
        assert took < 5, f"it took {took:.1f} s to stop"
        assert not list(parent.iterdir()), f"left over: {list(parent.rglob('*'))}"


def ctrl_c_leaves_nothing():
    interrupted_with(signal.SIGINT)


def sigterm_leaves_nothing():
    interrupted_with(signal.SIGTERM)


def two_runs_into_one_folder_leave_one_whole_result():
    with folder() as parent:
        command = [BINARY, "run", "benchmark", "--duration", "5s", "-q", "--out", parent / "result", "--seed"]
        runs = [subprocess.Popen([*command, seed], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for seed in "12"]
        codes = [run.wait(timeout=60) for run in runs]
        [stream.close() for run in runs for stream in (run.stdout, run.stderr)]
        assert set(codes) <= {DONE, ENVIRONMENT} and DONE in codes, codes
        assert sorted(path.name for path in (parent / "result").iterdir()) == FILES
        assert [path.name for path in parent.iterdir()] == ["result"], list(parent.iterdir())
        seed = json.loads((parent / "result/manifest.json").read_text())["seed"]
        table = (parent / "result/summary.csv").read_text().splitlines()[1]
        assert table.startswith(f"benchmark,{seed},"), "files of two runs are mixed"


def input_that_is_missing_or_wrong_is_wrong_usage():
    with folder() as parent:
        expect(writepath("run", parent / "absent.toml"), USAGE, "absent.toml")
        expect(writepath("run", parent), USAGE)
        expect(writepath("run", "--redis-conf", parent / "absent.conf"), USAGE, "absent.conf")
        expect(writepath("run", "--info", parent / "absent.txt"), USAGE, "absent.txt")
        expect(writepath("run", "--model", "abacus"), USAGE, "abacus")
        binary = parent / "binary.toml"
        binary.write_bytes(bytes(range(256)))
        expect(writepath("run", binary), USAGE, "binary.toml")
        expect(writepath("run", "--rate", "100M/s", "--out", parent / "new/folder"), USAGE, "offered load")
        assert sorted(path.name for path in parent.iterdir()) == ["binary.toml"], "a refused run leaves nothing"


def a_scenario_comes_from_standard_input():
    text = writepath("show", "benchmark").stdout
    run = writepath("run", "-", "--duration", "10s", "--format", "json", stdin=None, input=text)
    expect(run, DONE)
    assert json.loads(run.stdout)["scenario"] == "stdin"


def nothing_but_the_result_goes_to_standard_output():
    run = writepath(*QUICK, "--format", "json", "-v")
    expect(run, DONE, "simulated")
    json.loads(run.stdout)
    assert "\x1b" not in run.stdout + run.stderr


if __name__ == "__main__":
    sys.exit(
        run_checks(
            [
                a_file_in_the_place_of_the_folder_is_wrong_usage,
                a_folder_with_other_content_is_left_alone,
                a_folder_that_may_not_be_written_is_a_fault_of_the_environment,
                a_full_disk_under_standard_output_is_a_fault_of_the_environment,
                a_full_disk_under_the_folder_leaves_the_older_result_whole,
                a_limit_on_file_size_is_a_fault_of_the_environment,
                a_closed_pipe_is_no_error,
                ctrl_c_leaves_nothing,
                sigterm_leaves_nothing,
                two_runs_into_one_folder_leave_one_whole_result,
                input_that_is_missing_or_wrong_is_wrong_usage,
                a_scenario_comes_from_standard_input,
                nothing_but_the_result_goes_to_standard_output,
            ]
        )
    )
