"""`writepath sensitivity` against SALib: the same points and results, the same effects and indices.

Method: the points and the metric's values that the program writes go through SALib's own estimators, which are the same
formulas and must agree to rounding.
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from SALib.analyze import morris, sobol

from program import run_checks, writepath

SCENARIO = """
[redis]
appendonly = true
save = ""
[dataset]
keys = "10k"
[[workload]]
rate = "2000/s"
[run]
duration = "4s"
warmup = "0s"
"""
VARY = ["machine.network.one-way=100us..300us", "workload.rate=1000/s..20000/s:log", "redis.hz=10..500"]
PRICES = "cpu.set,disk.fdatasync"
DIMENSIONS = len(VARY) + 2
ROUNDING = 1e-9


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def analysis(method, samples):
    """Points, values of P99 and the program's rows, in the order of the dimensions."""
    with tempfile.TemporaryDirectory() as name:
        scenario, out = Path(name) / "scenario.toml", Path(name) / "out"
        scenario.write_text(SCENARIO)
        vary = [word for axis in VARY for word in ("--vary", axis)]
        run = writepath("sensitivity", scenario, *vary, "--prices", PRICES, "--method", method, "--samples", samples,
                        "--metric", "p99", "--out", out)
        assert run.returncode == 0, run.stderr
        points = rows(out / "points.csv")
        shares = [column for column in points[0] if column.endswith("_share")]
        assert len(shares) == DIMENSIONS, shares
        x = np.array([[float(point[column]) for column in shares] for point in points])
        y = np.array([float(point["sojourn_ns_p99"]) for point in points])
        return x, y, rows(out / "sensitivity.csv")


def problem():
    return {"num_vars": DIMENSIONS, "names": [str(n) for n in range(DIMENSIONS)], "bounds": [[0, 1]] * DIMENSIONS}


def close(name, ours, theirs, scale=1.0):
    assert abs(ours - theirs) <= ROUNDING * max(abs(theirs), scale), f"{name}: {ours} here, {theirs} in SALib"


def elementary_effects_are_those_of_salib():
    x, y, found = analysis("morris", 12)
    theirs = morris.analyze(problem(), x, y, num_levels=4)
    assert max(theirs["mu_star"]) > 0
    for index, row in enumerate(found):
        for ours, key in (("mu", "mu"), ("mu_star", "mu_star"), ("sigma", "sigma")):
            close(f"{row['name']} {key}", float(row[ours]), float(theirs[key][index]), max(theirs["mu_star"]))


def indices_are_those_of_salib():
    _, y, found = analysis("sobol", 64)
    # A row here is A, B, then A with each column of B; there B comes last.
    step = DIMENSIONS + 2
    order = [row * step + place for row in range(len(y) // step) for place in (0, *range(2, step), 1)]
    theirs = sobol.analyze(problem(), y[order], calc_second_order=False, seed=1)
    for index, row in enumerate(found):
        close(f"{row['name']} total", float(row["total"]), float(theirs["ST"][index]))
        close(f"{row['name']} first", float(row["first"]), float(theirs["S1"][index]))


if __name__ == "__main__":
    sys.exit(run_checks([elementary_effects_are_those_of_salib, indices_are_those_of_salib]))
