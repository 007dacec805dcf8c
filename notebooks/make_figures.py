"""Figures of the README, from the CSV files of a result folder.

    writepath run --out target/figures/article
    python notebooks/make_figures.py target/figures/article

Equal results give equal files. With --check the figure is compared with the stored one instead of written.
"""

import argparse
import io
import sys
from pathlib import Path

import matplotlib
import pandas

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of backend)

FIGURE = Path(__file__).parent / "figures/p99-over-time.svg"
SHOWN_S = 1800
STYLE = {
    "svg.hashsalt": "writepath",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def p99_over_time(folder):
    """P99 of each second of the first half hour, beside P99 of the whole run; as SVG."""
    timeline = pandas.read_csv(folder / "timeline.csv")
    timeline = timeline[timeline.time_s <= SHOWN_S]
    summary = pandas.read_csv(folder / "summary.csv")
    whole = summary[(summary.scope == "all") & summary.window_s.isna()].iloc[0]

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
        axes.plot(timeline.time_s / 60, timeline.sojourn_ns_p99 / 1e6, linewidth=0.9, label="P99 of each second")
        axes.axhline(whole.sojourn_ns_p99 / 1e6, color="#c44e52", linestyle="--", label="P99 of all six hours")
        axes.set(yscale="log", xlabel="simulated time (min)", ylabel="P99 (ms)", xlim=(0, SHOWN_S / 60))
        axes.yaxis.set_major_formatter("{x:g}")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="result folder of `writepath run --out`")
    parser.add_argument("--check", action="store_true", help="compare with the stored figure, write nothing")
    arguments = parser.parse_args()
    figure = p99_over_time(arguments.folder)
    if not arguments.check:
        FIGURE.parent.mkdir(exist_ok=True)
        FIGURE.write_text(figure)
        return 0
    if FIGURE.exists() and FIGURE.read_text() == figure:
        print(f"ok: {FIGURE.name}")
        return 0
    print(f"FAILED: {FIGURE.name} is not what the program gives today; to renew it:")
    print(f"    python notebooks/make_figures.py {arguments.folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
