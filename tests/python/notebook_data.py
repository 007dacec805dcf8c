"""Makes the data of notebooks by the commands that stand in the first cell of each, with the release binary on the PATH."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from program import BINARY, ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(path):
    """The shell commands of a notebook's first cell."""
    blocks = BLOCK.findall(nbformat.read(path, as_version=4).cells[0].source)
    assert blocks, f"{path}: the first cell names no commands"
    return "\n".join(blocks)


def main(paths):
    path = f"{BINARY.resolve().parent}{os.pathsep}{os.environ['PATH']}"
    for notebook in map(Path, paths):
        start = time.monotonic()
        script = f"set -euo pipefail\n{commands(notebook)}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            print(f"FAILED: {notebook}: its commands end with exit code {done.returncode}")
            return 1
        print(f"made: data of {notebook} ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
