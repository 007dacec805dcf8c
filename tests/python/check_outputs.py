"""What `writepath run` prints and writes is what experiments/run.schema.json and `writepath list metrics` promise.

Method: every built-in scenario, shortened, is run once with --format json and --out; JSON is validated, every file
read by other programs' rules (pandas, the HdrHistogram formats, INFO's lines) and laid next to the JSON.
"""

import base64
import json
import math
import re
import struct
import sys
import tempfile
import tomllib
import zlib
from pathlib import Path

import jsonschema
import pandas

from program import FILES, ROOT, run_checks, scenarios, writepath

WARMUP_S = 5
DURATION_S = 40
UNITLESS = {
    "reason",
    "scenario", "seed", "scope", "operation", "windows", "requests", "arrived", "completed", "eventloop_cycles",
    "replica", "of", "state", "sync_full", "sync_partial_ok", "dropped", "resync_loop",
    "acknowledged_writes_lost", "commands_per_operation", "expiries", "expiries_followed",
    "expiries_left_without_ttl", "failed", "failed_client_death", "failed_refused", "failed_timeout", "group",
    "increments", "increments_acked", "increments_lost", "increments_unseen", "keys_at_end",
    "keys_without_ttl_at_end", "limit", "locked_out", "name", "operations", "over_limit", "resets_mid_window",
    "retried", "retries", "sets_per_expiry_max", "sets_per_expiry_mean", "timeouts", "windows",
    "windows_without_ttl",
    "node", "slots_at_start", "slots_at_end", "moved", "ask", "tryagain", "clusterdown", "crossslot", "forks",
    "config_writes", "config_fsyncs", "failovers", "action", "kind", "slots", "batches", "round_trips",
    "open_slots_left", "longest_block_cause", "longest_block_node",
    "keys", "cow_faults_per_command", "expired_keys", "volatile_keys", "pending_expired_keys", "changes_since_save", "unsynced_writes", "child", "cause", "detail",
}  # fmt: skip
UNIT = re.compile(r"(^|_)(ns|s|bytes|per_s|share)(_|$)")


def shortened(name):
    """Length of a short run of the scenario [s]; its events still happen."""
    events = tomllib.loads((ROOT / f"experiments/scenarios/{name}.toml").read_text()).get("event", [])
    seconds = {"s": 1, "m": 60, "h": 3600}
    last = max((float(event["at"][:-1]) * seconds[event["at"][-1]] for event in events), default=0)
    return last + DURATION_S


def close(left, right, relative=1e-9):
    return math.isclose(left, right, rel_tol=relative, abs_tol=1e-9)


def check_json(result, duration):
    schema = json.loads((ROOT / "experiments/run.schema.json").read_text())
    jsonschema.validate(result, schema, format_checker=jsonschema.FormatChecker())
    assert result["duration_s"] == duration and result["warmup_s"] == WARMUP_S
    measured = duration - WARMUP_S
    assert close(result["throughput_per_s"], result["completed"] / measured), "throughput is completed over time"
    busy = sum(result["busy_ns"].values())
    assert close(result["server_busy_share"], busy / (measured * 1e9)), "busy time is the sum over its causes"
    values = [result["sojourn_ns"][name] for name in ("p50", "p90", "p99", "p999", "p9999", "max")]
    known = [value for value in values if value is not None]
    assert known == sorted(known) and known, f"quantiles rise: {values}"


def check_tables(folder, name, result):
    tables = {file.stem: pandas.read_csv(file) for file in folder.glob("*.csv")}
    for table, frame in tables.items():
        for column in frame.columns:
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column), f"{table}: {column} is no snake_case"
            assert column in UNITLESS or UNIT.search(column), f"{table}: {column} has no unit"
        if len(frame):
            assert set(frame.scenario) == {name} and set(frame.seed) == {result["seed"]}, f"{table}: scenario and seed"
    summary, timeline, events = tables["summary"], tables["timeline"], tables["events"]
    every = summary[(summary.scope == "all") & summary.window_s.isna()]
    assert len(every) == 1, "one row for all requests over the whole run"
    every = every.iloc[0]
    assert every.requests == result["completed"] and every.arrived == result["requests"]
    for quantile in ("mean", "p50", "p90", "p99", "p999", "p9999", "max"):
        told, tabled = result["sojourn_ns"][quantile], every[f"sojourn_ns_{quantile}"]
        assert pandas.isna(tabled) if told is None else close(told, tabled), f"{quantile}: {told} and {tabled}"
    steps = timeline.time_s.diff().dropna()
    assert steps.between(1 - 1e-9, 1 + 1e-9).all(), "a row a second"
    assert close(timeline.time_s.iloc[0], WARMUP_S + 1), "the first row ends a second after the warm-up"
    assert timeline.time_s.iloc[-1] >= result["duration_s"] - 1, "the last row reaches the last second"
    assert ((timeline.throughput_per_s - timeline.completed).abs() < 1e-6).all(), "throughput of a second"
    causes = timeline.filter(regex="^busy_share_").sum(axis=1)
    assert ((causes - timeline.busy_share).abs() < 1e-9).all(), "busy share is the sum over its causes"
    assert timeline.child.isin(["none", "bgsave", "aof-rewrite", "slot-snapshot"]).all()
    assert events.start_s.is_monotonic_increasing and (events.span_ns >= 0).all()


def check_histograms(folder, result):
    rows = []
    for line in (folder / "histogram.hgrm").read_text().splitlines()[2:]:
        if not line.startswith("#"):
            rows.append([float(cell) for cell in line.split()])
    values, shares, counts = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    assert values == sorted(values) and shares == sorted(shares) and counts == sorted(counts)
    assert shares[-1] == 1.0 and counts[-1] == result["completed"], "the last row holds every request"
    assert close(values[-1], result["sojourn_ns"]["max"], 1e-3), "the last value is the longest, to three digits"

    lines = (folder / "histogram.hlog").read_text().splitlines()
    records = [line for line in lines if line[0] not in '#"']
    assert records, "the log holds an interval"
    for record in records:
        *_, start, length, longest, encoded = record.removeprefix("Tag=").split(",")
        assert float(start) == WARMUP_S and float(length) == result["duration_s"] - WARMUP_S
        packed = base64.b64decode(encoded)
        cookie, size = struct.unpack(">ii", packed[:8])
        assert cookie & ~0xF0 == 0x1C849304 and size == len(packed) - 8, "a compressed V2 histogram"
        inner = struct.unpack(">i", zlib.decompress(packed[8:])[:4])[0]
        assert inner & ~0xF0 == 0x1C849303, "a V2 histogram"


def check_intervals(folder, result):
    """The intervals of the log are the measured time, one after the other."""
    lines = (folder / "intervals.hlog").read_text().splitlines()
    records = [line.split(",") for line in lines if line[0] not in '#"']
    assert len(records) > 1 and not any(record[0].startswith("Tag=") for record in records)
    end = WARMUP_S
    for start, length, *_ in records:
        assert abs(float(start) - end) < 0.002, "an interval begins where the last one ends"
        end = float(start) + float(length)
    assert abs(end - result["duration_s"]) < 0.002


def check_info(folder, result):
    fields = {}
    for line in (folder / "info.txt").read_text().splitlines():
        assert re.fullmatch(r"# \w+|\w+:.*|", line), f"info.txt: {line!r}"
        if ":" in line:
            key, value = line.split(":", 1)
            assert key not in fields, f"info.txt: {key} twice"
            fields[key] = value
    # A Valkey server names a Redis version that it is compatible with, and its own.
    flavour = "valkey" if result["redis_version"].startswith("valkey") else "redis"
    assert fields[f"{flavour}_version"] == result["redis_version"].removeprefix("valkey-")
    assert int(fields["latest_fork_usec"]) == result["info"]["latest_fork_usec"]


def check_scenario(name):
    duration = shortened(name)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "result"
        run = writepath(
            "run", name, "--format", "json", "--out", folder, "--duration", f"{duration:g}s", "--warmup", f"{WARMUP_S}s"
        )
        assert run.returncode == 0, run.stderr
        result = json.loads(run.stdout)
        assert result["scenario"] == name
        check_json(result, duration)
        extra = [f"{key}.csv" for key in ("patterns", "replicas") if key in result]
        if "cluster" in result:
            extra += ["nodes.csv", "migrations.csv", "cluster_info.txt"]
        assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, *extra])
        check_tables(folder, name, result)
        check_histograms(folder, result)
        check_intervals(folder, result)
        written = json.loads((folder / "result.json").read_text())
        assert all(sentence.endswith(".") for sentence in written.pop("answer"))
        assert written == result, "result.json is what was printed"
        check_info(folder, result)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["scenario"] == name and manifest["seed"] == result["seed"]
        # What the manifest resolves to is a scenario that gives the same run.
        again = Path(parent) / f"{name}.toml"
        again.write_text(manifest["resolved"])
        rerun = writepath("run", again, "--format", "json")
        assert rerun.returncode == 0, rerun.stderr
        assert rerun.stdout == run.stdout, "the resolved scenario gives other numbers"


def scenario_check(name):
    def check():
        check_scenario(name)

    check.__name__ = f"files_and_JSON_of_{name}_are_as_promised"
    return check


def stdout_as_CSV_is_summary_csv():
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "result"
        run = writepath("run", "benchmark", "--format", "csv", "--out", folder)
        assert run.returncode == 0, run.stderr
        assert run.stdout == (folder / "summary.csv").read_text()


def the_schemas_in_the_tree_are_those_the_program_prints():
    for what, file in (([], "scenario.schema.json"), (["run"], "run.schema.json")):
        printed = writepath("schema", *what)
        assert printed.returncode == 0, printed.stderr
        assert json.loads(printed.stdout) == json.loads((ROOT / "experiments" / file).read_text()), file


if __name__ == "__main__":
    named = [scenario_check(name) for name in scenarios()]
    sys.exit(run_checks([*named, stdout_as_CSV_is_summary_csv, the_schemas_in_the_tree_are_those_the_program_prints]))
