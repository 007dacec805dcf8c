"""A sweep on array engines, with tasks and workers killed on the way, has the bytes of a single run.

    check_array_engines.py [ENGINE …]       parallel, hyperqueue, slurm, kubernetes; all of them without a name

Method: the files of experiments/cluster are started as a user would, on this machine. When a shard has finished some of its
points and not all, its task, its worker or its job is killed with SIGKILL or requeued. In the end every file of the result
is compared with that of one `writepath sweep`. An engine that is not installed is skipped by name; of Kubernetes there is no
cluster here, so the commands of its Job are run index by index.
"""

import getpass
import multiprocessing
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from program import BINARY, ROOT, run_checks, writepath

CLUSTER = ROOT / "experiments/cluster"
SHARDS = 4
# About 0.05 s a point: a shard takes a second or two, and what it has done reaches the disk several times in it.
SWEEP = (
    "article --duration 150s --warmup 10s --vary redis.appendfsync=no,everysec,always --vary rate=4000/s..9000/s:24 "
    "--metric p99,throughput"
).split()
TABLES = ["results.csv", "points.csv", "histograms.hlog", "manifest.json"]
PATIENCE_S = 120


class Sweep:
    """A folder with a sweep in it: its environment, what was started, its result beside that of a single run."""

    def __init__(self, folder):
        self.folder, self.parts, self.result = folder, folder / "parts", folder / "result"
        self.starts_log = folder / "starts"
        program = folder / "writepath"
        line = 'echo "$$ $*" >> "{}"\nexec "{}" "$@"\n'.format(self.starts_log, BINARY.resolve())
        program.write_text("#!/bin/sh\n" + line)
        program.chmod(0o755)
        own = {"WRITEPATH": program, "PARTS": self.parts, "RESULT": self.result}
        self.environment = os.environ | {name: str(value) for name, value in own.items()}

    def start(self, *command, **environment):
        """Starts a command in the folder, in a process group of its own."""
        return subprocess.Popen(
            list(map(str, command)),
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def starts(self):
        """Process ids of the shards that were started, killed ones too."""
        lines = self.starts_log.read_text().splitlines() if self.starts_log.exists() else []
        return [int(line.split()[0]) for line in lines if line.split()[1] == "sweep"]

    def journals(self):
        """Sizes of the journals of shards that are not finished."""
        sizes = {}
        for path in self.parts.glob("*.journal"):
            try:
                sizes[path.name] = path.stat().st_size
            except FileNotFoundError:
                pass  # It has just been finished.
        return sizes

    def wait_for_points(self, process=None):
        """Waits until a shard that is not finished has some more points on the disk."""
        before, until = self.journals(), time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert process is None or process.poll() is None, f"it ended too early: {process.communicate()[0]}"
            now = self.journals()
            if any(size > before.setdefault(name, size) for name, size in now.items()):
                return
            time.sleep(0.01)
        raise AssertionError("no shard wrote a point")

    def kill_tasks(self):
        """Kills the shards that run."""
        running = [pid for pid in self.starts() if is_shard(pid)]
        assert running, "nothing is left to kill"
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_shard, running)), "killed shards live on")

    def finish(self, process):
        """Waits for a command that must succeed."""
        told = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0, f"exit code {process.returncode}: {told}"

    def same_as(self, single):
        """Asserts that something was repeated and that the result is that of a single run."""
        assert len(self.starts()) > SHARDS, "no task was repeated"
        for path in sorted(single.iterdir()):
            ours = self.result / path.name
            assert ours.exists(), f"no {path.name} in the result"
            assert ours.read_bytes() == path.read_bytes(), f"{path.name} differs from that of a single run"
        assert sorted(map(str, self.parts.glob("*.journal"))) == [], "a shard is unfinished"


def wait_until(holds, otherwise):
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, otherwise
        time.sleep(0.05)


def is_shard(pid):
    """Whether the process is a shard that runs: process ids come again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False
    return b"--shard" in words


@contextmanager
def sweep_folder():
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Sweep(Path(name))


def single_run(folder, *sweep):
    """The sweep in one go, with all tables."""
    out = folder / "single"
    run = writepath("sweep", *sweep, "--out", out, "--no-progress")
    assert run.returncode == 0, run.stderr
    missing = [name for name in TABLES if not (out / name).exists()]
    assert not missing, f"a single run has no {missing}"
    return out


# --- GNU parallel ----------------------------------------------------------------------------------------------


def parallel_repeats_tasks_that_are_killed():
    if not shutil.which("parallel"):
        return "no parallel on the PATH"
    with sweep_folder() as sweep:
        process = sweep.start(CLUSTER / "parallel.sh", SHARDS, *SWEEP)
        sweep.wait_for_points(process)
        sweep.kill_tasks()
        sweep.finish(process)
        sweep.same_as(SINGLE)


def parallel_killed_and_started_again_goes_on():
    if not shutil.which("parallel"):
        return "no parallel on the PATH"
    with sweep_folder() as sweep:
        for _ in range(2):
            process = sweep.start(CLUSTER / "parallel.sh", SHARDS, *SWEEP)
            sweep.wait_for_points(process)
            # Its tasks are in process groups of their own.
            os.killpg(process.pid, signal.SIGKILL)
            sweep.kill_tasks()
            process.communicate()
        sweep.finish(sweep.start(CLUSTER / "parallel.sh", SHARDS, *SWEEP))
        sweep.same_as(SINGLE)


# --- HyperQueue --------------------------------------------------------------------------------------------------


def hyperqueue_worker(server_dir, own_dir):
    """A worker of the server in `server_dir`, in this process.

    The Python package starts workers as threads beside a server of its own: that one's directory, `own_dir`, is pointed
    to the server meant.
    """
    from hyperqueue.ffi.cluster import Cluster

    own = Cluster(own_dir)
    current = Path(own_dir) / "hq-current"
    current.unlink()
    current.symlink_to((Path(server_dir) / "hq-current").resolve())
    own.add_worker(1)
    while True:
        signal.pause()


def without_hyperqueue():
    try:
        import hyperqueue  # noqa: F401
    except ImportError:
        return "no hyperqueue among the Python packages"
    return None


def hyperqueue_repeats_the_tasks_of_workers_that_are_killed():
    if missing := without_hyperqueue():
        return missing
    from hyperqueue import LocalCluster

    processes = multiprocessing.get_context("spawn")
    with sweep_folder() as sweep, ExitStack() as workers:
        server_dir = str(sweep.folder / "hq")
        workers.enter_context(LocalCluster(server_dir))

        def worker():
            own_dir = tempfile.mkdtemp(dir=sweep.folder)
            process = processes.Process(target=hyperqueue_worker, args=(server_dir, own_dir), daemon=True)
            process.start()
            workers.callback(process.kill)
            return process

        running = [worker(), worker()]
        process = sweep.start(sys.executable, CLUSTER / "hyperqueue_sweep.py", SHARDS, *SWEEP, HQ_SERVER_DIR=server_dir)
        for _ in range(2):
            sweep.wait_for_points(process)
            running.pop(0).kill()
            running.append(worker())
        sweep.finish(process)
        assert len(sweep.starts()) >= SHARDS + 2, f"{len(sweep.starts())} starts: two workers died with a task each"
        sweep.same_as(SINGLE)


def hyperqueue_tells_of_tasks_that_are_killed_and_goes_on_when_started_again():
    if missing := without_hyperqueue():
        return missing
    with sweep_folder() as sweep:
        command = [sys.executable, CLUSTER / "hyperqueue_sweep.py", SHARDS, *SWEEP]
        process = sweep.start(*command)
        sweep.wait_for_points(process)
        sweep.kill_tasks()
        told = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 1 and "shard-" in told, (process.returncode, told)
        assert not sweep.result.exists(), "merged without all shards"
        sweep.finish(sweep.start(*command))
        sweep.same_as(SINGLE)


# --- Slurm -------------------------------------------------------------------------------------------------------

SLURM_CONF = """
ClusterName=one
SlurmctldHost={host}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=1
NodeName={host} CPUs={cores} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(number):
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def slurm(folder):
    """A Slurm of one node: runs a command of it and returns what that prints."""
    for name in ("spool", "state"):
        (folder / name).mkdir()
    conf = folder / "slurm.conf"
    names = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "cores": os.cpu_count()}
    conf.write_text(SLURM_CONF.format(folder=folder, ports=free_ports(2), **names))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    munge = {"key-file": key, "socket": folder / "munge.sock", "pid-file": folder / "munge.pid"}
    munge |= {"seed-file": folder / "munge.seed", "log-file": folder / "munge.log"}
    daemons = [
        ["munged", "--foreground", *(f"--{name}={value}" for name, value in munge.items())],
        ["slurmctld", "-D", "-f", conf],
        ["slurmd", "-D", "-f", conf],
    ]
    environment = os.environ | {"SLURM_CONF": str(conf), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

    def run(*command, **options):
        command = list(map(str, command))
        options = {"env": environment | options, "cwd": folder, "capture_output": True, "text": True}
        done = subprocess.run(command, timeout=PATIENCE_S, **options)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        return done.stdout.strip()

    with ExitStack() as running, open(folder / "daemons.log", "w") as log:
        for daemon in daemons:
            process = subprocess.Popen(list(map(str, daemon)), env=environment, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
            if daemon[0] == "munged":
                wait_until(lambda: munge["socket"].exists(), "munged does not start")
        answers = {"args": ["sinfo", "-h"], "env": environment, "capture_output": True}
        wait_until(lambda: subprocess.run(**answers).returncode == 0, "slurmctld does not answer")
        wait_until(lambda: run("sinfo", "-h", "-o", "%T") == "idle", "the node does not come up")
        # Jobs outlive the daemons.
        running.callback(run, "scancel", "--user", getpass.getuser())
        yield run


def slurm_goes_on_with_tasks_that_are_requeued():
    programs = ["munged", "slurmctld", "slurmd", "sbatch", "scontrol"]
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing:
        return f"no {', '.join(missing)} on the PATH"
    with sweep_folder() as sweep, slurm(sweep.folder) as run:
        own = {name: sweep.environment[name] for name in ("WRITEPATH", "PARTS", "RESULT")}
        place = ["--chdir", sweep.folder]
        job = run("sbatch", "--parsable", *place, f"--array=1-{SHARDS}", CLUSTER / "slurm.sbatch", *SWEEP, **own)
        sweep.wait_for_points()
        requeued = run("squeue", "-h", "-t", "RUNNING", "-o", "%F_%K").split()
        assert requeued, "no task runs"
        for task in requeued:
            run("scontrol", "requeue", task)
        state = "squeue -h -o %T -j".split()
        wait_until(lambda: all(run(*state, task) == "PENDING" for task in requeued), "not requeued")
        # A requeued job waits two minutes for its old credential to expire; nothing of it is left to wait for.
        for task in requeued:
            run("scontrol", "update", f"JobId={task}", "StartTime=now")
        merge = shlex.join([str(sweep.environment["WRITEPATH"]), "merge", "parts", "--out", "result"])
        run("sbatch", "--wait", *place, f"--dependency=afterok:{job}", "--wrap", merge, **own)
        assert len(sweep.starts()) >= SHARDS + len(requeued)
        sweep.same_as(SINGLE)


# --- Kubernetes --------------------------------------------------------------------------------------------------

SCENARIO = """
[dataset]
keys = "100k"
[[workload]]
loop = "open"
rate = "1000/s"
operation = "SET"
[run]
duration = "6s"
warmup = "1s"
"""


def the_commands_of_the_kubernetes_job_join_to_a_single_run():
    try:
        import yaml
    except ImportError:
        return "no yaml among the Python packages"
    shards, merge = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    with sweep_folder() as sweep:
        scenario = sweep.folder / "scenario.toml"
        scenario.write_text(SCENARIO)

        def command(job):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            words = [word.replace("/results", str(sweep.folder)) for word in container["command"]]
            return [word.replace("/scenario/scenario.toml", str(scenario)) for word in words]

        words = command(shards)
        own = ("--out=", "--shard=", "--resume", "--no-progress")
        single = single_run(sweep.folder, *(word for word in words[2:] if not word.startswith(own)))
        for index in range(shards["spec"]["completions"]):
            # A pod that is made again runs the same command.
            for _ in range(2 if index == 0 else 1):
                pod = sweep.start(sweep.environment["WRITEPATH"], *words[1:], JOB_COMPLETION_INDEX=str(index))
                sweep.finish(pod)
        sweep.finish(sweep.start(sweep.environment["WRITEPATH"], *command(merge)[1:]))
        sweep.same_as(single)


ENGINES = {
    "parallel": [parallel_repeats_tasks_that_are_killed, parallel_killed_and_started_again_goes_on],
    "hyperqueue": [
        hyperqueue_repeats_the_tasks_of_workers_that_are_killed,
        hyperqueue_tells_of_tasks_that_are_killed_and_goes_on_when_started_again,
    ],
    "slurm": [slurm_goes_on_with_tasks_that_are_requeued],
    "kubernetes": [the_commands_of_the_kubernetes_job_join_to_a_single_run],
}


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(ENGINES)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ENGINES)}")
    with tempfile.TemporaryDirectory(prefix="writepath-") as folder:
        # Whatever a killed engine leaves goes with the folder; munged wants one that all may enter.
        os.chmod(folder, 0o755)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        SINGLE = single_run(Path(folder), *SWEEP)
        code = run_checks(check for name in sys.argv[1:] or ENGINES for check in ENGINES[name])
    sys.exit(code)
