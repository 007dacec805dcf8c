"""Tables of several result folders in one frame."""

from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent.parent / "target/notebook-data"


def table(name, runs):
    """The table `name` of the folders `runs` ({label: folder}), with the label in a column `run`."""
    frames = [pd.read_csv(DATA / folder / f"{name}.csv").assign(run=label) for label, folder in runs.items()]
    return pd.concat(frames, ignore_index=True)


def whole(runs, scope="all"):
    """The row of `summary.csv` about the whole run, by label."""
    summary = table("summary", runs)
    return summary[(summary.scope == scope) & summary.window_s.isna()].set_index("run")
