//! What can be asked of a run: one catalogue of named numbers for sweeps, comparisons and objectives.
//!
//! A metric is written `[SCOPE:]NAME`: `p99`, `write:p999`, `loss`. SCOPE is `all` (left out), `read`, `write` or a
//! workload group, and only quantities of sojourn have one.

use std::fmt;

use crate::observe::histogram::Histogram;
use crate::observe::result::RunResult;
use crate::scenario::problem::nearest;
use crate::units::{Nanos, SECOND};

/// What a number is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanos,
    /// Seconds.
    Seconds,
    /// A second.
    PerSecond,
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Between 0 and 1.
    Share,
}

/// How a metric is got from a run.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A quantile of sojourn, at this share.
    Quantile(f64),
    /// Mean sojourn.
    Mean,
    /// Longest sojourn.
    Max,
    /// Something of the run as a whole; none where the scenario has no such thing.
    Run(fn(&RunResult) -> Option<f64>),
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: it describes.
    Neither,
}

/// An entry of the catalogue.
#[derive(Debug)]
pub struct Quantity {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its column in tables, with the unit.
    pub column: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What it is.
    pub about: &'static str,
    /// Where it comes from.
    pub source: Source,
}

const fn sojourn(name: &'static str, column: &'static str, about: &'static str, source: Source) -> Quantity {
    Quantity { name, column, unit: Unit::Nanos, better: Better::Lower, about, source }
}

const fn of_run(
    name: &'static str,
    column: &'static str,
    (unit, better): (Unit, Better),
    about: &'static str,
    get: fn(&RunResult) -> Option<f64>,
) -> Quantity {
    Quantity { name, column, unit, better, about, source: Source::Run(get) }
}

const LESS: Better = Better::Lower;
const MORE: Better = Better::Higher;
const NEITHER: Better = Better::Neither;

/// Every metric, in the order of the columns of tables.
pub const QUANTITIES: &[Quantity] = &[
    sojourn("mean", "sojourn_ns_mean", "mean sojourn", Source::Mean),
    sojourn("p50", "sojourn_ns_p50", "median sojourn", Source::Quantile(0.5)),
    sojourn("p90", "sojourn_ns_p90", "90 % of sojourns are at most this", Source::Quantile(0.9)),
    sojourn("p99", "sojourn_ns_p99", "99 % of sojourns are at most this", Source::Quantile(0.99)),
    sojourn("p999", "sojourn_ns_p999", "99.9 % of sojourns are at most this", Source::Quantile(0.999)),
    sojourn("p9999", "sojourn_ns_p9999", "99.99 % of sojourns are at most this", Source::Quantile(0.9999)),
    sojourn("max", "sojourn_ns_max", "longest sojourn", Source::Max),
    of_run("throughput", "throughput_per_s", (Unit::PerSecond, MORE), "requests answered a second", |run| {
        let measured = (run.duration - run.warmup) as f64 / SECOND as f64;
        Some(run.completed as f64 / measured)
    }),
    of_run(
        "busy",
        "server_busy_share",
        (Unit::Share, LESS),
        "share of the time the main thread was busy",
        |run| {
            let servers = run.cluster.as_ref().map_or(1, |cluster| cluster.nodes.len());
            let measured = (run.duration - run.warmup) as f64 * servers as f64;
            Some(run.busy_total as f64 / measured)
        },
    ),
    of_run("longest-stall", "stall_ns_max", (Unit::Nanos, LESS), "longest block of the main thread", |run| {
        Some(run.blocks.iter().map(|blocks| blocks.longest).max().unwrap_or(0) as f64)
    }),
    of_run(
        "loss",
        "machine_death_seconds_max",
        (Unit::Seconds, LESS),
        "age of the oldest acknowledged write that the machine's death at the worst instant loses",
        |run| Some(run.loss.machine_death_seconds_max),
    ),
    of_run(
        "loss-writes",
        "machine_death_writes_max",
        (Unit::Count, LESS),
        "acknowledged writes that the machine's death at the worst instant loses",
        |run| Some(run.loss.machine_death_writes_max as f64),
    ),
    of_run(
        "loss-writes-mean",
        "machine_death_writes_mean",
        (Unit::Count, LESS),
        "the same at a random instant, on average",
        |run| Some(run.loss.machine_death_writes_mean),
    ),
    of_run("forks", "forks", (Unit::Count, NEITHER), "forks", |run| Some(run.counters.forks as f64)),
    of_run("aof-rewrites", "aof_rewrites", (Unit::Count, NEITHER), "AOF rewrites that ended", |run| {
        Some(run.counters.aof_rewrites as f64)
    }),
    of_run("delayed-fsync", "aof_delayed_fsync", (Unit::Count, LESS), "aof_delayed_fsync", |run| {
        Some(run.counters.aof_delayed_fsync as f64)
    }),
    of_run("aof-bytes", "aof_bytes", (Unit::Bytes, LESS), "bytes added to the AOF", |run| {
        Some(run.counters.aof_bytes as f64)
    }),
    of_run("used", "used_bytes", (Unit::Bytes, LESS), "used_memory at the end", |run| {
        Some(run.memory.used_bytes as f64)
    }),
    of_run("rss", "rss_bytes_max", (Unit::Bytes, LESS), "largest RSS, a child's copies included", |run| {
        Some(run.memory.rss_bytes_max as f64)
    }),
    of_run("cow", "cow_bytes_max", (Unit::Bytes, LESS), "most bytes copied on write for one child", |run| {
        Some(run.memory.cow_bytes_max as f64)
    }),
    of_run("expired", "expired_keys", (Unit::Count, NEITHER), "keys deleted for expiry", |run| {
        Some(run.counters.expired_keys as f64)
    }),
    of_run("evicted", "evicted_keys", (Unit::Count, NEITHER), "keys evicted", |run| {
        Some(run.counters.evicted_keys as f64)
    }),
    of_run("errors", "errors", (Unit::Count, LESS), "requests answered with an error of the server", |run| {
        let errors = run.errors;
        Some((errors.oom + errors.misconf + errors.connection_lost + errors.noreplicas) as f64)
    }),
    of_run("sync-full", "sync_full", (Unit::Count, LESS), "full resynchronisations", |run| {
        run.replication.as_ref().map(|_| run.counters.sync_full as f64)
    }),
];

/// A metric as asked for.
#[derive(Clone, Debug)]
pub struct Metric {
    /// `read`, `write` or a group; none for all requests, and for what is of the whole run.
    pub scope: Option<String>,
    /// What is asked.
    pub quantity: &'static Quantity,
}

impl Metric {
    /// Every quantity of the catalogue over all requests.
    pub fn all() -> Vec<Metric> {
        QUANTITIES.iter().map(|quantity| Metric { scope: None, quantity }).collect()
    }

    /// Reads `[SCOPE:]NAME`.
    ///
    /// # Errors
    /// What is wrong, with the nearest name: an unknown name, a scope where there is none.
    pub fn parse(text: &str) -> Result<Metric, String> {
        let (scope, name) = match text.split_once(':') {
            Some(("all", name)) => (None, name),
            Some((scope, name)) => (Some(scope.to_owned()), name),
            None => (None, text),
        };
        let Some(quantity) = find(name) else {
            let names = QUANTITIES.iter().map(|quantity| quantity.name);
            let meant = nearest(name, names.clone())
                .map_or_else(String::new, |near| format!("did you mean {near}?\n  "));
            let known = names.collect::<Vec<_>>().join(", ");
            return Err(format!("unknown metric {name:?}\n  {meant}expected one of: {known}"));
        };
        if let (Some(scope), Source::Run(_)) = (&scope, quantity.source) {
            return Err(format!("{name} is of the whole run\n  leave out {scope:?}"));
        }
        Ok(Metric { scope, quantity })
    }

    /// Its column in tables: `sojourn_ns_p99`, of a scope `write_sojourn_ns_p99`.
    pub fn column(&self) -> String {
        match &self.scope {
            None => self.quantity.column.to_owned(),
            Some(scope) => format!("{}_{}", scope.replace('-', "_"), self.quantity.column),
        }
    }

    /// Its value in a run; none where the run has no such scope or thing, or no request of it.
    pub fn of(&self, run: &RunResult) -> Option<f64> {
        let of_sojourn = |get: &dyn Fn(&Histogram) -> f64| {
            let scope = self.scope.as_deref().unwrap_or("all");
            let found = run.scopes.iter().find(|candidate| candidate.name == scope)?;
            (found.sojourn.count() > 0).then(|| get(&found.sojourn))
        };
        let number = |nanos: Nanos| nanos as f64;
        match self.quantity.source {
            Source::Quantile(q) => of_sojourn(&|sojourn| number(sojourn.quantile(q))),
            Source::Mean => of_sojourn(&Histogram::mean),
            Source::Max => of_sojourn(&|sojourn| number(sojourn.max())),
            Source::Run(get) => get(run),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            None => f.write_str(self.quantity.name),
            Some(scope) => write!(f, "{scope}:{}", self.quantity.name),
        }
    }
}

/// The quantity of this name: as listed, or a quantile as people write it (`p99.9`).
fn find(name: &str) -> Option<&'static Quantity> {
    let digits = name.starts_with('p').then(|| name.replace('.', ""));
    let name = digits.as_deref().unwrap_or(name);
    QUANTITIES.iter().find(|quantity| quantity.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_is_printed_is_read_back() {
        for metric in Metric::all() {
            assert_eq!(Metric::parse(&metric.to_string()).expect("its own name").column(), metric.column());
        }
        assert_eq!(
            Metric::parse("write:p99.9").expect("a quantile of a scope").column(),
            "write_sojourn_ns_p999"
        );
    }

    #[test]
    fn names_and_columns_are_distinct() {
        for get in [|quantity: &Quantity| quantity.name, |quantity: &Quantity| quantity.column] {
            let mut names: Vec<_> = QUANTITIES.iter().map(get).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), QUANTITIES.len());
        }
    }

    #[test]
    fn errors_name_the_nearest_metric_and_refuse_a_scope_of_the_run() {
        assert!(Metric::parse("p98").expect_err("not kept").contains("did you mean p9"));
        assert!(Metric::parse("write:loss").expect_err("no scope").contains("whole run"));
    }

    #[test]
    fn values_come_from_the_run() {
        let run = fixture::forks();
        let value = |name: &str| Metric::parse(name).expect("a metric").of(&run);
        assert_eq!(value("forks"), Some(run.counters.forks as f64));
        assert_eq!(value("p99"), Some(run.scopes[0].sojourn.quantile(0.99) as f64));
        assert_eq!(value("nobody:p99"), None);
        let measured = (run.duration - run.warmup) as f64 / SECOND as f64;
        assert_eq!(value("throughput"), Some(run.completed as f64 / measured));
        assert!(run.warmup > 0, "else the warm-up is not told from the run");
    }
}
