"""The README's commands print what the README shows.

Every ```console block is run in a temporary folder with the release binary on the PATH: lines beginning with `$ ` are
commands, the lines below one are its output. A line `...` stands for any lines. Wherever the README names
/etc/redis/redis.conf, the stock file named by WRITEPATH_REDIS_CONF is put in its place; without one the block is
skipped. `# not run` behind a command leaves it out: its output depends on the machine.

    readme_check.py            compare
    readme_check.py --update   write the outputs of today into the README
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from program import BINARY, ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
# A table that a command writes, between comments that name it.
TABLE = re.compile(r"(?<=^<!-- writepath (?=experiments)).*?(?=^<!-- end -->$)", re.MULTILINE | re.DOTALL)
STOCK = "/etc/redis/redis.conf"
NOT_RUN = "# not run"


def steps(block):
    """(command, output shown below it) of a block."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"README: a console block begins with output: {line!r}"
            found[-1][1].append(line)
    return found


def matches(shown, printed):
    """Whether lines match; `...` stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def run(command, folder, stock):
    with tempfile.TemporaryDirectory() as bin_folder:
        (Path(bin_folder) / "writepath").symlink_to(BINARY.resolve())
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-c", command.replace(STOCK, stock or STOCK)],
            cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
        )  # fmt: skip
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}"
    return [line.rstrip() for line in done.stdout.splitlines()]


def main(update):
    text = README.read_text()
    stock = os.environ.get("WRITEPATH_REDIS_CONF")
    failed = 0
    pieces, end = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for block in BLOCK.finditer(text):
            pieces.append(text[end : block.start()])
            end = block.end()
            for command, shown in steps(block.group()):
                printed = shown
                if command.endswith(NOT_RUN):
                    print(f"skipped: {command}")
                elif STOCK in command and not stock:
                    print(f"skipped: {command}: no stock redis.conf here")
                else:
                    printed = run(command, folder, stock)
                    if update and "..." not in [line.strip() for line in shown]:
                        print(f"written: {command}")
                    elif matches(shown, printed):
                        print(f"ok: {command}")
                        printed = shown
                    else:
                        failed += 1
                        print(f"FAILED: {command}")
                        print("\n".join(difflib.unified_diff(shown, printed, "README", "today", lineterm="")))
                pieces.append("".join(f"{line}\n" for line in [f"$ {command}", *printed]))
        pieces.append(text[end:])
    text, pieces, end = "".join(pieces), [], 0
    for table in TABLE.finditer(text):
        arguments, shown = table.group().split(" -->\n", 1)
        printed = subprocess.run([BINARY.resolve(), *arguments.split()], cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout
        failed += not update and shown != printed
        print(f"{'ok' if shown == printed else 'written' if update else 'FAILED'}: table of {arguments}")
        pieces += [text[end : table.start()], f"{arguments} -->\n{printed}"]
        end = table.end()
    pieces.append(text[end:])
    if update:
        README.write_text("".join(pieces))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["--update"]))
