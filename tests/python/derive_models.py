#!/usr/bin/env python3
"""Rewrite the prices that models/*.toml derive from those measured on two-core-vm.

    python3 tests/python/derive_models.py [--check]

A price whose source begins with "derived: FACTOR x two-core-vm" gets two-core-vm's value and range times the factor;
a price of [cluster] that a derived model lacks is added. Everything else stays as it is, and a second run changes
nothing. --check writes nothing and fails if something would change. Nothing but the standard library.
"""

import argparse
import pathlib
import re
import sys
import tomllib

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
BASE = "two-core-vm"
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
LINE = re.compile(r'^(?P<name>[\w-]+) = \{ value = .*, source = "(?P<source>derived: (?P<factor>[\d.]+) x two-core-vm.*)" \}$')


def nanos(text):
    number, unit = re.fullmatch(r"([\d.]+)(ns|us|ms|s)", text).groups()
    return float(number) * UNITS[unit]


def span(nanos):
    """A length of time in the largest unit of which it is at least one; from a microsecond up in whole nanoseconds."""
    if nanos >= UNITS["us"]:
        nanos = round(nanos)
    unit = next((unit for unit in ("s", "ms", "us") if nanos >= UNITS[unit]), "ns")
    return f"{nanos / UNITS[unit]:.9g}{unit}"


def derived(name, base, factor, source):
    value, low, high = (span(factor * nanos(text)) for text in (base["value"], *base["range"]))
    return f'{name} = {{ value = "{value}", range = ["{low}", "{high}"], source = "{source}" }}'


def rewrite(text, base):
    """The text of a model with its derived prices anew."""
    section, lines, source = "", [], {}
    last = {}
    for line in text.splitlines():
        if header := re.match(r"\[+([\w.-]+)\]+", line):
            section = header[1]
        if found := LINE.match(line):
            name, factor = found["name"], float(found["factor"])
            line = derived(name, base[section][name], factor, found["source"])
            source[section] = (factor, found["source"])
        lines.append(line)
        if " = " in line:
            last[section] = len(lines)
    # Behind the last price of the section, in the order of the measured model.
    if "cluster" in source:
        own = tomllib.loads("\n".join(lines))["cluster"]
        missing = [name for name in base["cluster"] if name not in own]
        added = [derived(name, base["cluster"][name], *source["cluster"]) for name in missing]
        lines[last["cluster"] : last["cluster"]] = added
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if something would change")
    options = parser.parse_args()
    base = tomllib.loads((MODELS / f"{BASE}.toml").read_text(encoding="utf-8"))
    changed = []
    for path in sorted(MODELS.glob("*.toml")):
        if path.stem == BASE:
            continue
        old = path.read_text(encoding="utf-8")
        new = rewrite(old, base)
        if new == old:
            continue
        changed.append(path.name)
        before, after = old.splitlines(), new.splitlines()
        for line in after:
            if line not in before:
                print(f"{path.name}: {line.split(', source')[0]}")
        if not options.check:
            path.write_text(new, encoding="utf-8")
    print(f"changed: {', '.join(changed) or 'nothing'}")
    if options.check and changed:
        sys.exit(1)


if __name__ == "__main__":
    main()
