"""Nothing of a sweep is lost: it is killed, interrupted, starved of disk and damaged, and goes on to the same bytes.

Method: one small sweep is run undisturbed; every disturbed one must end with the same files. Moments of killing are
random; their seed is printed and may be given as the first argument.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from program import BINARY, run_checks, small_disk, writepath

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 32)
CHANCE = random.Random(SEED)
KILLS = 24
DONE, USAGE, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 130

SCENARIO = """
[redis]
appendonly = true
appendfsync = "everysec"
[dataset]
keys = "10k"
[[workload]]
loop = "open"
rate = "2000/s"
operation = "SET"
[run]
duration = "12s"
warmup = "1s"
"""
AXES = ["--vary", "redis.appendfsync=no,everysec,always", "--vary", "rate=500/s..20000/s:15:log"]
AXES += ["--replications", "2", "--metric", "p50,p99,throughput,loss"]


@contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        (parent / "small.toml").write_text(SCENARIO)
        yield parent


def sweep(parent, out, *more):
    return [BINARY, "sweep", "small.toml", *AXES, "--no-progress", "--out", out, *map(str, more)]


def run(command, parent, **options):
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 120} | options
    return subprocess.run(command, cwd=parent, **options)


def expect(outcome, code, *words):
    assert outcome.returncode == code, f"exit code {outcome.returncode} instead of {code}: {outcome.stderr}"
    for word in words:
        assert word in outcome.stderr, f"{word!r} is not in the message: {outcome.stderr}"
    assert "panicked" not in outcome.stderr, outcome.stderr


def content(out):
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


class Undisturbed:
    """The files of the sweep that nothing happened to, and the time it took."""

    files = None
    seconds = 0.0


def undisturbed():
    if Undisturbed.files is None:
        with folder() as parent:
            start = time.monotonic()
            expect(run(sweep(parent, "whole"), parent), DONE)
            Undisturbed.seconds = time.monotonic() - start
            Undisturbed.files = content(parent / "whole")
            names = ["histograms.hlog", "manifest.json", "part-1-of-1.points", "points.csv", "results.csv"]
            assert sorted(Undisturbed.files) == names, sorted(Undisturbed.files)
    return Undisturbed.files


def assert_same(out):
    found, wanted = content(out), undisturbed()
    assert sorted(found) == sorted(wanted), f"{sorted(found)} instead of {sorted(wanted)}"
    for name, bytes_ in wanted.items():
        assert found[name] == bytes_, f"{name} differs"


def interrupted(parent, out, signals=signal.SIGINT):
    """A sweep stopped when some of its points are there."""
    process = subprocess.Popen(
        sweep(parent, out), cwd=parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = parent / out / "part-1-of-1.journal"
    for _ in range(2000):
        if journal.exists() and journal.stat().st_size > 30_000:
            break
        time.sleep(0.005)
    process.send_signal(signals)
    _, told = process.communicate(timeout=60)
    return process.returncode, told


def killed_at_any_moment_a_sweep_goes_on_to_the_same_bytes():
    undisturbed()
    kills = sweeps = 0
    while kills < KILLS:
        sweeps += 1
        with folder() as parent:
            while True:
                process = subprocess.Popen(
                    sweep(parent, "out", "--resume"),
                    cwd=parent,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                try:
                    _, told = process.communicate(timeout=CHANCE.uniform(0.01, 0.6 * Undisturbed.seconds))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    continue
                assert process.returncode == DONE, told
                break
            assert_same(parent / "out")
    print(f"    {kills} kills in {sweeps} sweeps, seed {SEED}")


def any_number_of_threads_gives_the_same_bytes():
    for jobs in (1, 3):
        with folder() as parent:
            expect(run(sweep(parent, "out", "--jobs", jobs), parent), DONE)
            assert_same(parent / "out")


def shards_that_are_killed_and_repeated_merge_to_the_bytes_of_one():
    shards = 3
    with folder() as parent:
        for number in CHANCE.sample(range(1, shards + 1), shards):
            shard = sweep(parent, "parts", "--shard", f"{number}/{shards}", "--resume")
            process = subprocess.Popen(shard, cwd=parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(CHANCE.uniform(0.05, 0.3 * Undisturbed.seconds))
            process.kill()
            process.wait()
            expect(run(shard, parent), DONE)
            expect(run(shard, parent), DONE)
        names = sorted(path.name for path in (parent / "parts").iterdir())
        assert names == [f"part-{number}-of-{shards}.points" for number in range(1, shards + 1)], names
        expect(run([BINARY, "merge", "parts", "--out", "merged"], parent), DONE)
        assert_same(parent / "merged")
        # One after the other from folders of their own, in any order.
        for number in range(1, shards + 1):
            (parent / f"node{number}").mkdir()
            (parent / f"parts/part-{number}-of-{shards}.points").rename(
                parent / f"node{number}/part-{number}-of-{shards}.points"
            )
        again = run([BINARY, "merge", "node3", "node1", "node2", "--out", "again"], parent)
        expect(again, DONE)
        assert_same(parent / "again")


def shards_that_do_not_make_a_sweep_are_refused():
    with folder() as parent:
        for number in (1, 2):
            expect(run(sweep(parent, f"s{number}", "--shard", f"{number}/2"), parent), DONE)
        other = [BINARY, "sweep", "small.toml", *AXES, "--seed", "2", "--out", "other", "--shard", "2/2"]
        expect(run(other, parent), DONE)
        merge = [BINARY, "merge", "--out", "merged"]
        expect(run([*merge, "s1"], parent), USAGE, "of the points are missing", "merge the folders of all shards")
        expect(run([*merge, "s1", "s2", "s2"], parent), USAGE, "is in", "part-2-of-2.points")
        expect(run([*merge, "s1", "other"], parent), USAGE, "different sweeps", "flags")
        expect(run([*merge, "s1", parent], parent), USAGE, "holds no part of a sweep")
        assert not (parent / "merged").exists(), "a refused merge leaves nothing"
        part = parent / "s2/part-2-of-2.points"
        whole = part.read_bytes()
        for damaged, told in (
            (whole[: len(whole) // 2], "cut off"),
            (whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :], "damaged"),
            (b"another file\n" + whole, "no part file"),
        ):
            part.write_bytes(damaged)
            expect(run([*merge, "s1", "s2", "--force"], parent), USAGE, "part-2-of-2.points: byte", told)
            leftover = [path.name for path in parent.glob("merged/*")]
            assert not leftover, leftover
        part.write_bytes(whole)
        expect(run([*merge, "s1", "s2"], parent), DONE)
        assert_same(parent / "merged")


def ctrl_c_keeps_what_is_done():
    for number in (signal.SIGINT, signal.SIGTERM):
        with folder() as parent:
            code, told = interrupted(parent, "out", number)
            assert code == INTERRUPTED, (code, told)
            assert "points are kept in out; go on with --resume" in told, told
            expect(run(sweep(parent, "out"), parent), USAGE, "go on with --resume")
            resumed = run(sweep(parent, "out", "--resume"), parent)
            expect(resumed, DONE, "going on: ")
            assert_same(parent / "out")
            expect(run(sweep(parent, "out", "--resume"), parent), DONE)
            assert_same(parent / "out")
            (parent / "out/points.csv").unlink()
            expect(run(sweep(parent, "out", "--resume"), parent), DONE)
            assert_same(parent / "out")


def a_torn_journal_is_cut_and_a_damaged_one_refused():
    with folder() as parent:
        interrupted(parent, "out")
        journal = parent / "out/part-1-of-1.journal"
        whole = journal.read_bytes()
        for length in (0, 7, 18, 100, *CHANCE.sample(range(101, len(whole)), 3)):
            journal.write_bytes(whole[:length])
            code = run([*sweep(parent, "out", "--resume"), "--jobs", "2"], parent)
            expect(code, DONE)
            assert_same(parent / "out")
            for path in (parent / "out").iterdir():
                path.unlink()
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 4
        journal.write_bytes(damaged)
        expect(run(sweep(parent, "out", "--resume"), parent), USAGE, "part-1-of-1.journal: byte ", "damaged")
        assert journal.read_bytes() == damaged, "it is left as it is"
        expect(run(sweep(parent, "out", "--force"), parent), DONE)
        assert_same(parent / "out")


def what_has_changed_is_named_and_refused():
    with folder() as parent:
        model = run([BINARY, "show", "cloud-vm"], parent).stdout
        (parent / "own.toml").write_text(model)
        interrupted(parent, "out")
        resume = sweep(parent, "out", "--resume")
        expect(run([*resume, "--rate", "7/s"], parent), USAGE, "has changed", "flags")
        expect(run([*resume, "--replications", "3"][:-2] + ["--exclude", "rate>10000/s"], parent), USAGE, "points: 45")
        (parent / "small.toml").write_text(SCENARIO.replace("10k", "11k"))
        expect(run(resume, parent), USAGE, "text of the scenario")
        (parent / "small.toml").write_text(SCENARIO)
        expect(run(resume, parent), DONE)
        assert_same(parent / "out")
        # A file that only some points read.
        models = [BINARY, "sweep", "small.toml", "--vary", "model=cloud-vm,./own.toml", "--out", "m", "--shard", "1/1"]
        expect(run(models, parent), DONE)
        (parent / "own.toml").write_text(model + "\n")
        expect(run([*models, "--resume"], parent), USAGE, "content of ./own.toml")
        (parent / "own.toml").write_text(model)
        expect(run([*models, "--resume"], parent), DONE)


def a_second_process_is_kept_out():
    with folder() as parent:
        slow = [BINARY, "sweep", "small.toml", *AXES, "--duration", "1000h", "--out", "out", "--resume"]
        first = subprocess.Popen(slow, cwd=parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = parent / "out/part-1-of-1.journal"
        while not (journal.exists() and journal.stat().st_size > 18):
            time.sleep(0.01)
        expect(run(slow, parent), ENVIRONMENT, "another process is writing it")
        first.kill()
        first.wait()


def a_full_disk_stops_it_and_keeps_what_is_done():
    # 40 blocks of 1024 bytes.
    limited = f'ulimit -f 40; trap "" XFSZ; exec {" ".join(map(repr, map(str, sweep(None, "out"))))}'
    with folder() as parent:
        expect(run(["bash", "-c", limited], parent), ENVIRONMENT, "cannot write out/part-1-of-1", "points are kept in out")
        expect(run(sweep(parent, "out", "--resume"), parent), DONE, "going on: ")
        assert_same(parent / "out")


def a_full_file_system_stops_it_and_keeps_what_is_done():
    size = 64
    with folder() as parent, small_disk(parent / "disk", size) as disk:
        if disk is None:
            return "no tmpfs can be mounted here"
        while True:
            outcome = run(sweep(parent, "disk/out", "--resume"), parent)
            if outcome.returncode == DONE:
                break
            expect(outcome, ENVIRONMENT, "o space left", "points are kept")
            assert not list((disk / "out").glob("*.tmp")), "something is left over"
            size += 64
            assert size < 10_000
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
        assert size > 128, "it was full at several moments"
        assert_same(disk / "out")


def bad_usage_is_told_before_anything_is_run():
    with folder() as parent:
        for more, told in (
            (["--shard", "4/3"], "there is no shard 4 of 3"),
            (["--shard", "auto"], "no array engine is seen"),
            (["--metric", "p98"], "did you mean p90?"),
            (["--design", "lhs"], "how many points"),
            (["--vary", "redis.appendfsink=no"], "appendfsink"),
        ):
            expect(run(sweep(parent, "out", *more), parent), USAGE, told)
        none = [BINARY, "sweep", "small.toml", "--vary", "rate=1/s,2/s", "--replications", "0", "--out", "out"]
        expect(run(none, parent), USAGE, "0 is not in")
        (parent / "thesis.tex").write_text("years of work")
        expect(run(sweep(parent, "."), parent), USAGE, "holds other files", "--force")
        assert sorted(path.name for path in parent.iterdir()) == ["small.toml", "thesis.tex"]


if __name__ == "__main__":
    sys.exit(
        run_checks(
            [
                killed_at_any_moment_a_sweep_goes_on_to_the_same_bytes,
                any_number_of_threads_gives_the_same_bytes,
                shards_that_are_killed_and_repeated_merge_to_the_bytes_of_one,
                shards_that_do_not_make_a_sweep_are_refused,
                ctrl_c_keeps_what_is_done,
                a_torn_journal_is_cut_and_a_damaged_one_refused,
                what_has_changed_is_named_and_refused,
                a_second_process_is_kept_out,
                a_full_disk_stops_it_and_keeps_what_is_done,
                a_full_file_system_stops_it_and_keeps_what_is_done,
                bad_usage_is_told_before_anything_is_run,
            ]
        )
    )
