"""Executes notebooks from top to bottom, in the folder they stand in; the files stay as they are."""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main(paths):
    failed = 0
    for path in map(Path, paths):
        start = time.monotonic()
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        if any(cell.get("outputs") for cell in notebook.cells):
            print(f"FAILED: {path} is stored with outputs; clear them")
            failed += 1
        try:
            NotebookClient(notebook, timeout=120, resources={"metadata": {"path": path.parent}}).execute()
        except CellExecutionError as error:
            print(f"FAILED: {path}\n{error}")
            failed += 1
        else:
            print(f"ok: {path} ({time.monotonic() - start:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
