//! A first look at real servers: expiring keys, operations of several steps, and slots that move in a cluster.
//!
//! Does nothing unless `WRITEPATH_REDIS_SERVER` names a redis-server. Then it starts that program in temporary
//! folders on free ports of the loopback interface, always kills it, and prints for each experiment one JSON line
//! and, at the end, the rows of a Markdown table:
//!
//! ```text
//! WRITEPATH_REDIS_SERVER=redis-server cargo test --release --test live -- [--seconds=30] [part of a name]...
//! ```
//!
//! `tests/python/compare_live.py` runs it and lays the simulator's figures beside. Times are only as good as the
//! machine is idle: every line says the load average before its experiment and how late the client was itself.

mod cluster;
mod cluster_clients;
mod cluster_prices;
mod figures;
mod ledger;
mod nodes;
mod open_loop;
mod patterns;
mod reply;
mod server;
mod slots;
mod storm;
mod wire;

use std::time::Duration;

use cluster::{Action, Move};
use figures::Figures;
use patterns::Pattern;
use storm::Storm;

/// Shortest run of a pattern \[s\]: its key lives one, and something must have followed.
const SHORTEST_S: u64 = 5;

/// Slots that a reshard moves.
const RESHARD_SLOTS: u32 = 500;

/// One thing to measure.
enum Experiment {
    Pattern(Pattern),
    Storm(Storm),
    KeySlots,
    ClusterPrices,
    Move(Move),
}

/// What was asked on the command line.
struct Wanted {
    /// Length of a pattern's run.
    seconds: u64,
    /// Parts of names; all if there are none.
    names: Vec<String>,
}

impl Wanted {
    fn from(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Wanted { seconds: 30, names: Vec::new() };
        for argument in arguments {
            if let Some(text) = argument.strip_prefix("--seconds=") {
                let seconds = text.parse().ok().filter(|seconds| *seconds >= SHORTEST_S);
                wanted.seconds = seconds
                    .ok_or(format!("{argument}: write a whole number of seconds from {SHORTEST_S}"))?;
            } else if argument.starts_with('-') {
                // Flags of the usual test harness, as in `cargo test -- --nocapture`, mean nothing here.
                eprintln!("not a flag of this test: {argument}");
            } else {
                wanted.names.push(argument);
            }
        }
        Ok(wanted)
    }

    fn has(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }
}

fn experiments(seconds: u64) -> Vec<(String, Experiment)> {
    let mut all = Vec::new();
    for (kind, name) in [
        (patterns::Kind::Racy, "rate-limiter-racy"),
        (patterns::Kind::Lua, "rate-limiter-lua"),
        (patterns::Kind::Nx, "rate-limiter-nx"),
    ] {
        for rate in [5000, 20_000] {
            let length = Duration::from_secs(seconds);
            all.push((format!("{name}-{rate}"), Experiment::Pattern(Pattern { kind, rate, length })));
        }
    }
    for hz in [10, 100] {
        let storm = Storm { keys: 1_000_000, hz, rate: 5000 };
        all.push((format!("expiry-storm-hz-{hz}"), Experiment::Storm(storm)));
    }
    all.push(("cluster-keyslot".to_owned(), Experiment::KeySlots));
    all.push(("cluster-prices".to_owned(), Experiment::ClusterPrices));
    let reshard = Action::Reshard(RESHARD_SLOTS);
    for (name, action, tagged, pipeline) in [
        ("cluster-reshard-pipeline-10", reshard, false, 10),
        ("cluster-reshard-pipeline-100", reshard, false, 100),
        ("cluster-hot-slot-pipeline-10", Action::Reshard(1), true, 10),
        ("cluster-hot-slot-pipeline-100", Action::Reshard(1), true, 100),
        ("cluster-rebalance-3-to-4", Action::Rebalance, false, 10),
    ] {
        let keys = if tagged { 50_000 } else { 500_000 };
        let moved = Move { action, keys, tagged, pipeline, rate: 3000 };
        all.push((name.to_owned(), Experiment::Move(moved)));
    }
    all
}

fn run(program: &str, wanted: &Wanted) -> Result<(), String> {
    let mut rows = Vec::new();
    for (name, experiment) in experiments(wanted.seconds) {
        if !wanted.has(&name) {
            continue;
        }
        let mut figures = Figures::default();
        figures.text("experiment", &name);
        figures.maybe("load_before", load());
        let row = match experiment {
            Experiment::Pattern(pattern) => pattern.run(program, &mut figures)?,
            Experiment::Storm(storm) => storm.run(program, &mut figures)?,
            Experiment::KeySlots => slots::compare(program, &mut figures)?,
            Experiment::ClusterPrices => cluster_prices::run(program, &mut figures)?,
            Experiment::Move(moved) => moved.run(program, &mut figures)?,
        };
        figures.maybe("load_after", load());
        println!("{}", figures.line());
        rows.push(format!("| {name} | {row} |"));
    }
    println!("\n| experiment | what was seen |\n|---|---|");
    for row in rows {
        println!("{row}");
    }
    Ok(())
}

/// Load average of the last minute, where the kernel tells.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn main() {
    let Some(program) = std::env::var("WRITEPATH_REDIS_SERVER").ok().filter(|name| !name.is_empty()) else {
        println!("skipped: set WRITEPATH_REDIS_SERVER to a redis-server");
        return;
    };
    let done = Wanted::from(std::env::args().skip(1)).and_then(|wanted| run(&program, &wanted));
    if let Err(error) = done {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
