#!/usr/bin/env python3
"""A sweep on HyperQueue by its Python package (`pip install hyperqueue`), which brings a server and workers with it.

    hyperqueue_sweep.py SHARDS SCENARIO --vary KEY=VALUES …

The rest is as for `writepath sweep` without --out and --shard. Then the shards are merged into the folder RESULT.

With HQ_SERVER_DIR the tasks go to the server of that directory and its workers, as `hyperqueue.sh` does; without, a
cluster starts here, with a worker that has all cores, and ends with the sweep. HyperQueue repeats the tasks of a worker
that is lost; they go on where they were. Exit code 1 if a task failed: start it again when the cause is gone.
WRITEPATH is the program if it is not on the PATH, PARTS the folder of the part files, RESULT that of the result.
"""

import os
import subprocess
import sys
import tempfile

from hyperqueue import Client, Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

PROGRAM = os.environ.get("WRITEPATH", "writepath")
PARTS = os.environ.get("PARTS", "parts")
RESULT = os.environ.get("RESULT", "result")


def job(shards, arguments):
    """A task a shard. The package counts tasks from 0, shards count from 1: so each is told its own."""
    tasks = Job(name="sweep", max_fails=None, default_workdir=os.getcwd())
    for shard in range(1, shards + 1):
        place = ["--out", PARTS, "--shard", f"{shard}/{shards}", "--resume", "--jobs", "1", "--no-progress"]
        tasks.program([PROGRAM, "sweep", *arguments, *place], name=f"shard-{shard}")
    return tasks


def run(client, tasks):
    """Runs the tasks; whether all of them succeeded. What those that failed said is printed."""
    submitted = client.submit(tasks)
    if client.wait_for_jobs([submitted], raise_on_error=False):
        return True
    for number, failed in sorted(client.get_failed_tasks(submitted).items()):
        print(f"{tasks.task_by_id(number).label}: {failed.error}", file=sys.stderr)
    return False


def main(arguments):
    if len(arguments) < 2 or not arguments[0].isdecimal() or int(arguments[0]) < 1:
        print("usage: hyperqueue_sweep.py SHARDS SCENARIO --vary KEY=VALUES …", file=sys.stderr)
        return 2
    tasks = job(int(arguments[0]), arguments[1:])
    server_dir = os.environ.get("HQ_SERVER_DIR")
    if server_dir:
        succeeded = run(Client(server_dir), tasks)
    else:
        with tempfile.TemporaryDirectory(prefix="hq-") as folder, LocalCluster(folder, WorkerConfig()) as cluster:
            succeeded = run(cluster.client(), tasks)
    if not succeeded:
        return 1
    return subprocess.run([PROGRAM, "merge", PARTS, "--out", RESULT]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
