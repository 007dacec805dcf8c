"""The cluster's rows of compare_live.py: slots that move between real servers beside the same moves simulated."""

import statistics

# One process of spinning clients with one slot map, as tests/live has it: they are never woken, and a server never pays
# for waking them. All servers, the clients and redis-cli share one machine.
#
# - Processes that hand over to one another on a busy machine have next to no way between them: `redis-cli -r 20000 PING`
#   took 20 us a round trip, of which redis-cli's CPU time was 10 and the server's prices are 8.7.
# - LZF shortens the live clients' values: DUMP of one has 24 bytes, 13 of them the value's.
SCENARIO = """\
[redis]
version = "{version}"
appendonly = false
save = ""
[dataset]
keys = {keys}
key-size = "{key_bytes}B"
value-size = "{value_bytes}B"
[cluster]
primaries = 3
{cluster}
hosts = 1
link-delay = "0.5us"
client = "slot-by-slot"
client-processes = 1
[[workload]]
loop = "open"
rate = "{rate_per_s}/s"
connections = {connections_per_node}
operation = "SET"
[machine]
model = "{model}"
{spinning}
child.compressed-ratio = 0.12
{event}
[run]
duration = "{duration:.6f}s"
warmup = "{warmup:.6f}s"
windows = ["1s"]
"""
MOVE = """\
[[event]]
at = "{before_s}s"
pipeline = {pipeline}
{move}
"""
SEEDS = 3
# The slot of the only hash tag a simulated cluster has, `{0}`, and its owner of three.
TAG_SLOT, TAG_OWNER, TAG_TARGET = 13907, "node-3", "node-1"


def kind(measured):
    """(lines of [cluster], lines of the event, names of the nodes as the live experiment numbers them)."""
    names = [f"node-{node + 1}" for node in range(measured["nodes"])]
    if measured["action"] == "rebalance":
        return "empty-primaries = 1", 'do = "rebalance"\nuse-empty-primaries = true', names
    if measured["one_hash_tag"]:
        others = [name for name in names if name not in (TAG_OWNER, TAG_TARGET)]
        names = [TAG_OWNER, TAG_TARGET, *others]
        return "hash-tags = 1", f'do = "move-slots"\nslots = "{TAG_SLOT}"\nto = "{TAG_TARGET}"', names
    slots = measured["slots_moved"]
    return "", f'do = "reshard"\nfrom = "node-1"\nto = "node-2"\nslots = {slots}', names


def figures_of_measured(measured):
    """Figures of one line, by name; none where nothing was seen."""
    nodes = range(1, measured["nodes"] + 1)
    calls = [measured.get(f"node{node}_migrate_calls", 0) for node in nodes]
    spent = [measured.get(f"node{node}_migrate_us", 0) for node in nodes]
    quantile = lambda part, name: (measured[f"sojourn_ns_{part}"] or {}).get(name)
    return {
        "moving, s": measured["moving_s"],
        "keys moved": measured["keys_moved"],
        "MIGRATE calls": sum(calls),
        "us a MIGRATE": sum(c * us for c, us in zip(calls, spent)) / max(1, sum(calls)),
        "MOVED": measured["moved"],
        "ASK": measured["asked"],
        "ASK of the commands while moving, %": 100 * measured["asked_during"] / max(1, measured["commands_during"]),
        "SET before P50, us": us(quantile("before", "p50")),
        "SET before P99, us": us(quantile("before", "p99")),
        "SET while moving P50, us": us(quantile("during", "p50")),
        "SET while moving P99, us": us(quantile("during", "p99")),
        **{f"node {node} busy before, %": 100 * measured[f"node{node}_busy_before"] for node in nodes},
        **{f"node {node} busy while moving, %": 100 * measured[f"node{node}_busy_during"] for node in nodes},
    }


def us(nanos):
    return None if nanos is None else nanos / 1e3


def figures_of_simulated(simulate, version, spinning, options, measured, seed):
    """The same figures of one simulated run. Shares of time come from runs that are measured over that time alone."""
    cluster, move, names = kind(measured)
    fields = measured | {"version": version, "model": options.model, "spinning": spinning, "cluster": cluster}
    event = MOVE.format(move=move, **fields)
    before, after = measured["before_s"], measured["after_s"]

    def run(warmup, duration, event):
        return simulate(options, SCENARIO.format(event=event, warmup=warmup, duration=duration, **fields), seed)

    whole = run(0.0, before + measured["redis_cli_s"] + after, event)
    moved = whole["cluster"]["migrations"][0]
    if moved["failed"] or moved["running"]:
        raise ValueError(f"the move has not ended well: {moved['failed']}")
    alone = run(0.0, before, "")
    during = run(before, before + moved["duration_s"], event)
    busy = lambda result: {node["name"]: 100 * node["busy_share"] for node in result["cluster"]["node_list"]}
    quiet, moving = busy(alone), busy(during)
    part = lambda result, name: us(result["sojourn_ns"][name])
    nodes = list(enumerate(names, 1))
    return {
        "moving, s": moved["duration_s"],
        "keys moved": moved["keys"],
        "MIGRATE calls": moved["batches"],
        "us a MIGRATE": whole["busy_ns"]["migrate"] / 1e3 / max(1, moved["batches"]),
        "MOVED": whole["cluster"]["moved"],
        "ASK": whole["cluster"]["ask"],
        "ASK of the commands while moving, %": 100 * during["cluster"]["ask"] / max(1, during["requests"]),
        "SET before P50, us": part(alone, "p50"),
        "SET before P99, us": part(alone, "p99"),
        "SET while moving P50, us": part(during, "p50"),
        "SET while moving P99, us": part(during, "p99"),
        **{f"node {node} busy before, %": quiet[name] for node, name in nodes},
        **{f"node {node} busy while moving, %": moving[name] for node, name in nodes},
    }


def text(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def rows(simulate, version, spinning, options, lines):
    """(figure, measured, simulated, ratio) of the repeats of one experiment: medians, and the range of the measured."""
    real = [figures_of_measured(line) for line in lines]
    runs = [
        figures_of_simulated(simulate, version, spinning, options, lines[len(lines) // 2], seed + 1)
        for seed in range(SEEDS)
    ]
    for name in real[0]:
        seen = sorted(figures[name] for figures in real if figures[name] is not None)
        found = [figures[name] for figures in runs if figures[name] is not None]
        middle = statistics.median(seen) if seen else None
        simulated = statistics.median(found) if found else None
        ratio = f"{simulated / middle:.2f}" if middle and simulated is not None else "-"
        span = f" ({text(seen[0])} to {text(seen[-1])})" if len(seen) > 1 and seen[0] != seen[-1] else ""
        yield name, text(middle) + span, text(simulated), ratio
