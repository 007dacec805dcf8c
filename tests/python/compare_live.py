#!/usr/bin/env python3
"""Lay real servers' expiring keys, racing clients and moving slots beside the simulator's, as a markdown table.

    python3 tests/python/compare_live.py --writepath target/release/writepath [--seconds 30] [--save measured.jsonl]
    python3 tests/python/compare_live.py --measured measured.jsonl
    python3 tests/python/compare_live.py --repeats 3 cluster-reshard cluster-hot-slot cluster-rebalance

Measures with `cargo test --test live` (tests/live), which starts redis-server, from PATH or WRITEPATH_REDIS_SERVER;
--measured takes lines recorded before instead. Nothing but the standard library. The simulator gets the measured
turnaround by network.one-way: what of it is not the server's and the client's price is the way. Measured figures are
as good as the machine was idle: the load average before each experiment is in its row.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys

import compare_cluster

# A key without a time to live is never whole again in the simulator, while the live clients delete it: one simulated
# run ends with its first such key. So runs of further seeds are added until there are as many expiries as this.
EXPIRIES, SEEDS = 400, 200
FILL_S = 18  # from making the keys to the instant at which they expire, as tests/live waits

# The live client spins: it is never woken, and the server never pays for waking it.
SPINNING = 'client.wakeup = "1ms:0us"\ncpu.wake-client = "1ms:0us"'
PATTERN = """\
[redis]
version = "{version}"
appendonly = true
appendfsync = "no"
auto-aof-rewrite-percentage = 0
save = ""
[dataset]
keys = 1000
[[workload]]
loop = "open"
rate = "{rate}/s"
connections = {connections}
{what}
[machine]
model = "{model}"
{spinning}
{way}
[run]
duration = "{seconds}s"
warmup = "0s"
windows = ["1s"]
"""
STORM = """\
[redis]
version = "{version}"
hz = {hz}
save = ""
[dataset]
keys = {keys}
key-size = "16B"
value-size = "100B"
ttl = "{fill}s"
[[workload]]
loop = "open"
rate = "{rate}/s"
connections = 50
operation = "SET"
keys = {{ dist = "single" }}
[machine]
model = "{model}"
{spinning}
[run]
duration = "{duration}s"
warmup = "{warmup}s"
windows = ["1s"]
"""
PATTERNS = {"racy": "get-set-incr", "lua": "lua-incr-expire", "nx": "set-nx-ex-incr"}


class NotSimulated(Exception):
    """The program refuses the scenario."""


def simulate(options, scenario, seed=1):
    command = [options.writepath, "run", "-", "--seed", str(seed), "--format", "json", "--quiet"]
    command += [word for setting in options.set for word in ("--set", setting)]
    done = subprocess.run(command, input=scenario, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise NotSimulated((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0])
    return json.loads(done.stdout)


def measure(options):
    server = os.environ.get("WRITEPATH_REDIS_SERVER") or shutil.which("redis-server")
    if server is None:
        sys.exit("redis-server is not on PATH; install Redis, or set WRITEPATH_REDIS_SERVER")
    command = ["cargo", "test", "--release", "--test", "live", "--", f"--seconds={options.seconds}", *options.names]
    environment = os.environ | {"WRITEPATH_REDIS_SERVER": server}
    text = ""
    for _ in range(options.repeats):
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit("the live experiments have failed")
        text += done.stdout
    return text


def version(measured):
    return ".".join(measured["redis_version"].split(".")[:2])


def us(nanos):
    return "-" if nanos is None else f"{nanos / 1e3:,.0f} us" if nanos < 1e6 else f"{nanos / 1e6:.2f} ms"


def share(part, whole):
    """A share and its standard error as text."""
    if not whole:
        return "-"
    p = part / whole
    return f"{p:.2f} ± {math.sqrt(p * (1 - p) / whole):.2f} (of {whole})"


def one_way(options, measured, fields):
    """network.one-way with which the simulated turnaround is the measured one; none if nothing was measured."""
    if measured["turnaround_ns"] is None:
        return ""
    fields = fields | {"what": 'operation = "INCR"', "seconds": 10}
    bare = simulate(options, PATTERN.format(way='network.one-way = "0us"', **fields))
    way = max(0.0, (measured["turnaround_ns"]["p50"] - bare["sojourn_ns"]["p50"]) / 2e3)
    return f'network.one-way = "{way:.3f}us"'


def pattern_rows(options, measured):
    """(figure, measured, simulated) of a pattern's experiment."""
    windows = measured["windows"]
    real = {
        "keys left without TTL": share(measured["windows_without_ttl"], windows),
        "½(1 − e^(−2λr))": f"{measured['without_ttl_expected']:.2f}",
        "SETs per expiry": f"{measured['sets_per_expiry_mean']:.2f} (max {measured['sets_per_expiry_max']})",
        "increments lost per expiry": f"{measured['increments_lost'] / windows:.2f}" if windows else "-",
        "operation P50": us(measured["sojourn_ns"]["p50"]),
        "operation P99": us(measured["sojourn_ns"]["p99"]),
        "server busy": f"{measured['server_busy_share']:.0%}",
    }
    kind = re.search(r"rate-limiter-(\w+)-", measured["experiment"]).group(1)
    fields = {
        "version": version(measured),
        "rate": measured["rate_per_s"],
        "connections": measured["connections"],
        "seconds": round(measured["duration_s"]),
        "model": options.model,
        "spinning": SPINNING,
        "what": f'pattern = "{PATTERNS[kind]}"\nwindow = "1s"',
    }
    if kind == "lua":
        # One step: no turnaround, and nothing that a SET could destroy.
        real = {figure: value for figure, value in real.items() if figure not in list(real)[1:4]}
    expiries = immortal = lost = most = 0
    sets = 0.0
    first = None
    try:
        way = one_way(options, measured, fields)
        for seed in range(1, SEEDS + 1):
            result = simulate(options, PATTERN.format(way=way, **fields), seed)
            pattern = result["patterns"][0]
            first = first or result
            expiries += pattern["expiries"]
            # One key: it lost its time to live once in this run, or never.
            immortal += pattern["windows_without_ttl"] > 0
            lost += pattern["increments_lost"]
            sets += pattern["sets_per_expiry_mean"] * pattern["expiries"] if pattern["expiries"] else 0.0
            most = max(most, pattern.get("sets_per_expiry_max") or 0)
            if expiries >= EXPIRIES:
                break
        sojourn = first["patterns"][0]["sojourn_ns"]
        simulated = {
            "keys left without TTL": share(immortal, expiries),
            "½(1 − e^(−2λr))": "the same r",
            "SETs per expiry": f"{sets / expiries:.2f} (max {most})" if expiries else "-",
            "increments lost per expiry": f"{lost / expiries:.2f}" if expiries else "-",
            "operation P50": us(sojourn["p50"]),
            "operation P99": us(sojourn["p99"]),
            "server busy": f"{first['server_busy_share']:.0%}",
        }
    except NotSimulated as error:
        print(f"{measured['experiment']} is not simulated: {error}", file=sys.stderr)
        simulated = dict.fromkeys(real, "-")
    return [(figure, value, simulated[figure]) for figure, value in real.items()]


def tail_length(options, fields, storm):
    """Time from the end of the storm until the last key has gone [s], to 20 ms; none if it takes over 10 s."""

    def all_gone(tail):
        result = simulate(options, STORM.format(duration=f"{FILL_S + storm + tail:.3f}", **fields))
        # The key that is written lives on.
        return result["expiry"]["expired_keys"] >= fields["keys"] - 1

    low, high = 0.0, 10.0
    if not all_gone(high):
        return None
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if all_gone(middle) else (middle, high)
    return high


def storm_rows(options, measured):
    """(figure, measured, simulated) of a storm: first the whole, then a run that ends with the storm."""
    slices = measured["stall_ns"] or {"max": None}
    real = {
        "until a tenth is left": f"{measured['storm_s']:.2f} s",
        "keys expired a second": f"{measured['reclaimed_per_s']:,.0f}",
        "share of expire-cycle": f"{measured['cycle_share']:.0%}",
        "us a key": f"{measured['cycle_us_per_key']:.2f}",
        "cycles ended by time": f"{measured['expired_time_cap_reached_count']:.0f}",
        "longest slice": us(slices["max"]),
        "SET in the storm P50": us(measured["sojourn_ns_storm"]["p50"]),
        "SET in the storm P99": us(measured["sojourn_ns_storm"]["p99"]),
        "last tenth gone in": "over 10 s" if measured["left_after_tail"] else f"{measured['tail_s']:.2f} s",
    }
    fields = {
        "version": version(measured),
        "hz": measured["hz"],
        "keys": measured["keys"],
        "fill": FILL_S,
        "rate": measured["rate_per_s"],
        "model": options.model,
        "spinning": SPINNING,
        "warmup": FILL_S,
    }
    try:
        length = measured["storm_s"]
        for _ in range(8):
            result = simulate(options, STORM.format(duration=f"{FILL_S + length:.3f}", **fields))
            expired = result["expiry"]["expired_keys"]
            # The length at which nine tenths are gone, from the speed so far.
            if abs(expired / (0.9 * measured["keys"]) - 1) < 0.005:
                break
            length *= min(4.0, max(0.25, 0.9 * measured["keys"] / max(1, expired)))
        tail = tail_length(options, fields, length)
        cycle_ms = result["busy_ns"]["expire-cycle"] / 1e6
        simulated = {
            "until a tenth is left": f"{length:.2f} s",
            "keys expired a second": f"{expired / length:,.0f}",
            "share of expire-cycle": f"{cycle_ms / 1e3 / length:.0%}",
            "us a key": f"{cycle_ms * 1e3 / expired:.2f}",
            "cycles ended by time": f"{result['expiry']['time_cap_reached']}",
            "longest slice": us(result["expiry"]["slice_ns_max"]),
            "SET in the storm P50": us(result["sojourn_ns"]["p50"]),
            "SET in the storm P99": us(result["sojourn_ns"]["p99"]),
            "last tenth gone in": "over 10 s" if tail is None else f"{tail:.2f} s",
        }
    except NotSimulated as error:
        print(f"{measured['experiment']} is not simulated: {error}", file=sys.stderr)
        simulated = dict.fromkeys(real, "-")
    return [(figure, value, simulated[figure]) for figure, value in real.items()]


def rows_of(options, repeats):
    """(figure, measured, simulated, ratio) of one experiment; only moving slots have a ratio."""
    for measured in repeats:
        if "storm_s" in measured or "windows_without_ttl" in measured:
            rows = storm_rows if "storm_s" in measured else pattern_rows
            yield from ((*row, "") for row in rows(options, measured))
    if "slots_moved" in repeats[0]:
        try:
            yield from compare_cluster.rows(simulate, version(repeats[0]), SPINNING, options, repeats)
        except (NotSimulated, ValueError) as error:
            print(f"{repeats[0]['experiment']} is not simulated: {error}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="parts of experiments' names; all without")
    parser.add_argument("--writepath", default="target/release/writepath", help="the program")
    parser.add_argument("--model", default="two-core-vm", help="prices to simulate with")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="for the program")
    parser.add_argument("--seconds", type=int, default=30, help="length of a pattern's experiment")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each experiment")
    parser.add_argument("--measured", help="lines recorded before, instead of measuring")
    parser.add_argument("--save", help="keep the measured lines in this file")
    options = parser.parse_args()
    if options.measured:
        with open(options.measured, encoding="utf-8") as file:
            text = file.read()
    else:
        text = measure(options)
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if options.save:
        with open(options.save, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
    experiments = {}
    for measured in map(json.loads, lines):
        if not options.names or any(name in measured["experiment"] for name in options.names):
            experiments.setdefault(measured["experiment"], []).append(measured)
    print("| experiment | load | figure | measured | simulated | ratio |\n|---|---:|---|---:|---:|---:|")
    for name, repeats in experiments.items():
        for index, row in enumerate(rows_of(options, repeats)):
            loads = [f"{line['load_before']:.1f}" for line in repeats if line["load_before"] is not None]
            first = (name, ", ".join(loads)) if index == 0 else ("", "")
            print("| " + " | ".join([*first, *row]) + " |", flush=True)


if __name__ == "__main__":
    main()
