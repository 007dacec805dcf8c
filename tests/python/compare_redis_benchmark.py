#!/usr/bin/env python3
"""Compare `writepath run` with a real Redis driven by redis-benchmark on this machine, as a markdown table.

    python3 tests/python/compare_redis_benchmark.py --writepath target/release/writepath
    python3 tests/python/compare_redis_benchmark.py --others     # workloads on which no price was fitted

Needs redis-server and redis-benchmark on PATH and nothing but the standard library. The server listens on a free
port of the loopback interface, works in a temporary folder and is gone afterwards. --quick runs two short points and
asks only that simulated and measured throughput agree within a factor of 2.
"""

import argparse
import csv
import datetime
import io
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

KEYS, VALUE, CONNECTIONS = 1_000_000, 100, 50
POLICIES = [("off", "no", "no"), ("no", "yes", "no"), ("everysec", "yes", "everysec"), ("always", "yes", "always")]
COMMANDS = {1: 150_000, 4: 400_000, 16: 800_000, 64: 1_200_000}
# Label, appendonly, appendfsync, redis-benchmark's command (none: SET), operation, value [B], connections, pipeline, commands.
OTHERS = [
    ("GET", "no", "no", "GET key:__rand_int__", "GET", 100, 50, 1, 150_000),
    ("GET", "no", "no", "GET key:__rand_int__", "GET", 100, 50, 16, 1_000_000),
    ("INCR", "no", "no", "INCR n:__rand_int__", "INCR", 8, 50, 16, 800_000),
    ("INCR", "yes", "everysec", "INCR n:__rand_int__", "INCR", 8, 50, 16, 800_000),
    ("DEL of nothing", "no", "no", "DEL none", "DEL", 100, 50, 16, 800_000),
    ("SET of 1 KiB", "no", "no", None, "SET", 1024, 50, 1, 120_000),
    ("SET of 1 KiB", "yes", "everysec", None, "SET", 1024, 50, 16, 300_000),
    ("SET of 10 KiB", "no", "no", None, "SET", 10240, 50, 1, 80_000),
    ("1 connection", "no", "no", None, "SET", 100, 1, 1, 40_000),
    ("1 connection", "yes", "always", None, "SET", 100, 1, 1, 10_000),
    ("5 connections", "no", "no", None, "SET", 100, 5, 1, 100_000),
    ("200 connections", "no", "no", None, "SET", 100, 200, 1, 150_000),
    ("200 connections", "yes", "everysec", None, "SET", 100, 200, 4, 300_000),
]
SCENARIO = """\
[redis]
version = "7.0"
appendonly = {appendonly}
appendfsync = "{appendfsync}"
auto-aof-rewrite-percentage = 0
save = ""
[dataset]
keys = {keys}
key-size = "16B"
value-size = "{value}B"
[[workload]]
loop = "closed"
connections = {connections}
pipeline = {pipeline}
operation = "{operation}"
[run]
duration = "6s"
warmup = "1s"
windows = ["1s"]
"""


class Server:
    """A redis-server of its own, filled, that ends with its `with` block."""

    def __init__(self, appendonly, appendfsync, keys):
        self.options = ["--save", "", "--appendonly", appendonly, "--appendfsync", appendfsync]
        self.options += ["--auto-aof-rewrite-percentage", "0"]
        self.keys = keys

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="compare-redis-")
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        self.process = subprocess.Popen(command + self.options, stdout=subprocess.DEVNULL)
        try:
            self.fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=30)
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise RuntimeError("redis-server has ended") from None
                time.sleep(0.05)
        raise RuntimeError("redis-server does not answer")

    def fill(self):
        """Sets every key that redis-benchmark -r draws."""
        value = b"\r\n$%d\r\n%s\r\n" % (VALUE, b"x" * VALUE)
        with self.connect() as client:
            for first in range(0, self.keys, 10_000):
                count = min(10_000, self.keys - first)
                keys = range(first, first + count)
                client.sendall(b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d" % key + value for key in keys))
                left = len(b"+OK\r\n") * count
                while left > 0:
                    left -= len(client.recv(1 << 20))

    def waited(self):
        """Time the main thread was runnable without a core so far [s]; 0 where the kernel does not tell."""
        try:
            with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[1]) / 1e9
        except OSError:
            return 0.0

    def benchmark(self, pipeline, commands, value=VALUE, connections=CONNECTIONS, words=None):
        """Commands a second, P50 and P99 in ms, as redis-benchmark sees them; share of time without a core."""
        command = ["redis-benchmark", "-p", str(self.port), "-d", str(value), "-r", str(self.keys)]
        command += ["-c", str(connections), "-P", str(pipeline), "-n", str(commands), "--csv"]
        command += words.split() if words else ["-t", "set"]
        waited, begun = self.waited(), time.monotonic()
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
        waited = (self.waited() - waited) / (time.monotonic() - begun)
        row = list(csv.DictReader(io.StringIO(answer)))[-1]
        return float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]), waited


def simulate(
    writepath, model, appendonly, appendfsync, keys, pipeline, value=VALUE, connections=CONNECTIONS, operation="SET"
):
    scenario = SCENARIO.format(
        operation=operation,
        appendonly="true" if appendonly == "yes" else "false",
        appendfsync=appendfsync,
        keys=keys,
        value=value,
        connections=connections,
        pipeline=pipeline,
    )
    command = [writepath, "run", "-", "--model", model, "--format", "json"]
    done = subprocess.run(command, input=scenario, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    result = json.loads(done.stdout)
    sojourn = result["sojourn_ns"]
    return result["throughput_per_s"], sojourn["p50"] / 1e6, sojourn["p99"] / 1e6


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def others(options):
    """Workloads that no price was fitted on; keys that INCR creates exist from the second run on."""
    print("| workload | AOF | pipeline | measured commands/s | simulated | ratio | measured P50, P99 ms | simulated | no core |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for label, appendonly, appendfsync, words, operation, value, connections, pipeline, commands in OTHERS:
        keys = 100_000
        with Server(appendonly, appendfsync, keys) as server:
            server.benchmark(pipeline, commands // 2, value, connections, words)
            runs = [
                server.benchmark(pipeline, commands, value, connections, words) for _ in range(options.repeats)
            ]
        rates = [run[0] for run in runs]
        rate, p50, p99, waited = (statistics.median(values) for values in zip(*runs))
        simulated, sim_p50, sim_p99 = simulate(
            options.writepath, options.model, appendonly, appendfsync, keys, pipeline, value, connections, operation
        )
        aof = appendfsync if appendonly == "yes" else "off"
        print(
            f"| {label} | {aof} | {pipeline} | {rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
            f"| {simulated:,.0f} | {simulated / rate:.2f} | {p50:.2f}, {p99:.2f} | {sim_p50:.2f}, {sim_p99:.2f} "
            f"| {waited:.0%} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writepath", default="target/release/writepath", help="the program")
    parser.add_argument("--model", default="two-core-vm", help="prices to simulate with")
    parser.add_argument("--repeats", type=int, default=3, help="runs of redis-benchmark a point")
    parser.add_argument("--quick", action="store_true", help="two short points, agreement within a factor of 2")
    parser.add_argument("--others", action="store_true", help="the workloads on which no price was fitted")
    options = parser.parse_args()
    for program in ("redis-server", "redis-benchmark"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not on PATH; install Redis to compare with it")
    policies = [POLICIES[0], POLICIES[2]] if options.quick else POLICIES
    pipelines = [1, 16] if options.quick else list(COMMANDS)
    keys, divisor = (100_000, 5) if options.quick else (KEYS, 1)
    version = re.search(r"v=(\S+)", first_line("redis-server", "--version"))
    print(
        f"{datetime.date.today()}, Redis {version.group(1) if version else '?'}, "
        f"{first_line(options.writepath, '--version')}, model {options.model}; SET of {VALUE} B over {keys} keys, "
        f"{CONNECTIONS} connections, median of {options.repeats} (lowest to highest)\n"
    )
    if options.others:
        return others(options)
    print("| appendfsync | pipeline | measured SET/s | simulated | ratio | measured P50, P99 ms | simulated | no core |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    misses = []
    # "no core": share of time the server could run but others had the cores. Above a few % the row says
    # more about them than about Redis.
    for name, appendonly, appendfsync in policies:
        with Server(appendonly, appendfsync, keys) as server:
            for pipeline in pipelines:
                runs = [server.benchmark(pipeline, COMMANDS[pipeline] // divisor) for _ in range(options.repeats)]
                rates = [run[0] for run in runs]
                rate, p50, p99, waited = (statistics.median(values) for values in zip(*runs))
                simulated, sim_p50, sim_p99 = simulate(
                    options.writepath, options.model, appendonly, appendfsync, keys, pipeline
                )
                ratio = simulated / rate
                print(
                    f"| {name} | {pipeline} | {rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
                    f"| {simulated:,.0f} | {ratio:.2f} | {p50:.2f}, {p99:.2f} | {sim_p50:.2f}, {sim_p99:.2f} | {waited:.0%} |",
                    flush=True,
                )
                if not 0.5 < ratio < 2:
                    misses.append(f"appendfsync {name}, pipeline {pipeline}: ratio {ratio:.2f}")
    if options.quick and misses:
        sys.exit("simulated and measured throughput differ by more than a factor of 2: " + "; ".join(misses))


if __name__ == "__main__":
    main()
