//! What is compared: names, units, and how far a prediction may be off.

use super::observed::Observed;
use crate::units::{Nanos, format_count, format_span};

/// A number that both sides of a validation have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Commands answered a second.
    Throughput,
    /// Main thread's time on a core, a command.
    Cpu,
    /// Median sojourn.
    P50,
    /// P99 of sojourn.
    P99,
    /// Longest sojourn that a fork makes.
    StallHeight,
    /// From the fork until the median is back.
    StallDrain,
    /// Share of the requests that took longer than 2 ms.
    Delayed,
    /// How long a forked child lived.
    Child,
    /// Longest sojourn around the end of a child.
    EndStall,
    /// Main thread's time a command just after a fork, beyond that just before.
    CowSlowdown,
    /// From the instant a mass of keys is due until a tenth is left.
    Storm,
    /// Longest sojourn while keys expire: a slice of the expire cycle.
    Slice,
    /// Share of the main thread that the expire cycle takes in the storm.
    CycleShare,
    /// Keys without a time to live at the end.
    WithoutTtl,
    /// Increments wiped out.
    IncrementsLost,
    /// From a replica's request until it has loaded the snapshot.
    Resync,
    /// How long slots moved.
    Reshard,
    /// Time of a MIGRATE on its source.
    Migrate,
    /// Keys that moved with their slots.
    KeysMoved,
    /// MOVED that clients met.
    Moved,
    /// ASK that clients met.
    Asked,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanos,
    /// A second.
    PerSecond,
    /// Between 0 and 1.
    Share,
    /// Things.
    Count,
}

impl Unit {
    /// Its name in files and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanos => "ns",
            Unit::PerSecond => "1/s",
            Unit::Share => "share",
            Unit::Count => "count",
        }
    }

    /// `value` for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Nanos if value < 0.0 => format!("-{}", format_span(libm::round(-value) as Nanos)),
            Unit::Nanos => format_span(libm::round(value) as Nanos),
            Unit::PerSecond => format!("{}/s", format_count(value)),
            Unit::Share => format!("{:.3} %", 100.0 * value),
            Unit::Count => format_count(value),
        }
    }
}

/// How far a prediction may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// By this share of what was measured.
    Relative(f64),
    /// By this factor, up or down, > 1.
    Factor(f64),
    /// By so many standard errors of the difference of two counts.
    StandardErrors(f64),
}

impl Tolerance {
    /// With prices of another machine than the one that was measured: twice as much.
    pub fn doubled(self) -> Tolerance {
        match self {
            Tolerance::Relative(share) => Tolerance::Relative(2.0 * share),
            Tolerance::Factor(factor) => Tolerance::Factor(1.0 + 2.0 * (factor - 1.0)),
            Tolerance::StandardErrors(errors) => Tolerance::StandardErrors(2.0 * errors),
        }
    }

    /// Its number: the share, the factor, the number of standard errors.
    pub fn number(self) -> f64 {
        match self {
            Tolerance::Relative(number) | Tolerance::Factor(number) | Tolerance::StandardErrors(number) => {
                number
            }
        }
    }

    /// What that number is, in files and JSON.
    pub fn kind(self) -> &'static str {
        match self {
            Tolerance::Relative(_) => "relative",
            Tolerance::Factor(_) => "factor",
            Tolerance::StandardErrors(_) => "standard errors",
        }
    }

    /// For people.
    pub fn show(self) -> String {
        match self {
            Tolerance::Relative(share) => format!("{:.0} %", 100.0 * share),
            Tolerance::Factor(factor) => format!("x{factor}"),
            Tolerance::StandardErrors(errors) => format!("{errors} s.e."),
        }
    }
}

/// What of the machine's noise reaches a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The share of time that gaps take from every second.
    Share,
    /// What a gap adds to a request, at this share of all requests.
    Quantile(Hundredths),
    /// What gaps add to the share of requests that are delayed.
    Delayed,
    /// The longest gap.
    Longest,
    /// Nothing: it is a count.
    None,
}

/// A share in hundredths, so that it can be compared.
pub type Hundredths = u8;

/// Names, units and rules of the figures, in the order of [`Figure`].
const ENTRIES: &[(Figure, &str, Unit, Tolerance, Exposure, &str)] = {
    use Exposure as E;
    use Figure as F;
    use Tolerance::{Factor, Relative, StandardErrors};
    &[
        (F::Throughput, "throughput", Unit::PerSecond, Relative(0.1), E::Share, "commands answered a second"),
        (F::Cpu, "cpu", Unit::Nanos, Relative(0.1), E::Share, "main thread's time on a core, a command"),
        (F::P50, "p50", Unit::Nanos, Relative(0.2), E::Quantile(50), "median sojourn"),
        (F::P99, "p99", Unit::Nanos, Factor(1.5), E::Quantile(99), "99 % of sojourns are at most this"),
        (
            F::StallHeight,
            "stall-height",
            Unit::Nanos,
            Relative(0.25),
            E::Longest,
            "longest sojourn that a fork makes",
        ),
        (
            F::StallDrain,
            "stall-drain",
            Unit::Nanos,
            Relative(0.25),
            E::Longest,
            "from a fork until the median is back",
        ),
        (F::Delayed, "delayed", Unit::Share, Relative(0.25), E::Delayed, "share of the requests beyond 2 ms"),
        (F::Child, "child", Unit::Nanos, Relative(0.25), E::Share, "life of a forked child"),
        (
            F::EndStall,
            "end-stall",
            Unit::Nanos,
            Relative(0.25),
            E::Longest,
            "longest sojourn around a child's end",
        ),
        (
            F::CowSlowdown,
            "cow-slowdown",
            Unit::Nanos,
            Relative(0.25),
            E::Share,
            "what a command takes more after a fork",
        ),
        (F::Storm, "storm", Unit::Nanos, Relative(0.25), E::Share, "until a tenth of the keys due is left"),
        (F::Slice, "slice", Unit::Nanos, Relative(0.25), E::Longest, "longest sojourn while keys expire"),
        (
            F::CycleShare,
            "cycle-share",
            Unit::Share,
            Relative(0.25),
            E::Share,
            "share of the thread that expiry takes",
        ),
        (
            F::WithoutTtl,
            "without-ttl",
            Unit::Count,
            StandardErrors(3.0),
            E::None,
            "keys without a time to live",
        ),
        (
            F::IncrementsLost,
            "lost-increments",
            Unit::Count,
            StandardErrors(3.0),
            E::None,
            "increments wiped out",
        ),
        (
            F::Resync,
            "resync",
            Unit::Nanos,
            Relative(0.25),
            E::Share,
            "from a replica's request until it has loaded the snapshot",
        ),
        (F::Reshard, "reshard", Unit::Nanos, Relative(0.25), E::Share, "how long slots move"),
        (F::Migrate, "migrate", Unit::Nanos, Relative(0.25), E::Share, "time of a MIGRATE on its source"),
        (
            F::KeysMoved,
            "keys-moved",
            Unit::Count,
            StandardErrors(3.0),
            E::None,
            "keys that moved with their slots",
        ),
        (F::Moved, "moved", Unit::Count, StandardErrors(3.0), E::None, "MOVED that clients met"),
        (F::Asked, "asked", Unit::Count, StandardErrors(3.0), E::None, "ASK that clients met"),
    ]
};

impl Figure {
    fn entry(self) -> &'static (Figure, &'static str, Unit, Tolerance, Exposure, &'static str) {
        &ENTRIES[self as usize]
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Figure> {
        ENTRIES.iter().map(|entry| entry.0)
    }

    /// Its name in tables, files and JSON.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// What it is measured in.
    pub fn unit(self) -> Unit {
        self.entry().2
    }

    /// How far it may be off with prices measured on the same machine.
    pub fn tolerance(self) -> Tolerance {
        self.entry().3
    }

    /// What of the machine's noise reaches it.
    pub fn exposure(self) -> Exposure {
        self.entry().4
    }

    /// What it is.
    pub fn about(self) -> &'static str {
        self.entry().5
    }

    /// Its value in a run; none where the run has no such thing.
    pub fn of(self, run: &Observed) -> Option<f64> {
        let quantile = |q| (run.sojourn.count() > 0).then(|| run.sojourn.quantile(q) as f64);
        let nanos = |nanos: Option<Nanos>| nanos.map(|nanos| nanos as f64);
        match self {
            Figure::Throughput => run.throughput(),
            Figure::Cpu => run.cpu_per_command(),
            Figure::P50 => quantile(0.5),
            Figure::P99 => quantile(0.99),
            Figure::StallHeight => nanos(run.stall_height()),
            Figure::StallDrain => nanos(run.stall_drain()),
            Figure::Delayed => run.share_delayed(),
            Figure::Child => nanos(run.children.first().map(|child| child.duration)),
            Figure::EndStall => nanos(run.end_stall()),
            Figure::CowSlowdown => run.cow_slowdown(),
            Figure::Storm => nanos(run.storm.map(|storm| storm.duration)),
            Figure::Slice => nanos(run.slice()),
            Figure::CycleShare => run.storm?.thread_share,
            Figure::WithoutTtl => run.pattern.map(|pattern| pattern.without_ttl as f64),
            Figure::IncrementsLost => run.pattern?.increments_lost.map(|lost| lost as f64),
            Figure::Resync => nanos(run.resync.map(|resync| resync.duration)),
            Figure::Reshard => nanos(run.reshard.map(|reshard| reshard.duration)),
            Figure::Migrate => {
                let moved = run.reshard.filter(|moved| moved.migrates > 0)?;
                Some(moved.migrate_time as f64 / moved.migrates as f64)
            }
            Figure::KeysMoved => run.reshard.map(|moved| moved.keys as f64),
            Figure::Moved => run.reshard.map(|moved| moved.moved as f64),
            Figure::Asked => run.reshard.map(|moved| moved.asked as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_stands_at_its_place_and_has_a_name_of_its_own() {
        let mut names: Vec<_> = Figure::all().map(Figure::name).collect();
        for (index, figure) in Figure::all().enumerate() {
            assert_eq!(figure as usize, index, "{figure:?}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENTRIES.len());
    }

    #[test]
    fn with_another_machines_prices_everything_is_allowed_twice() {
        assert_eq!(Figure::Throughput.tolerance().doubled(), Tolerance::Relative(0.2));
        assert_eq!(Figure::P99.tolerance().doubled(), Tolerance::Factor(2.0));
        assert_eq!(Figure::Moved.tolerance().doubled(), Tolerance::StandardErrors(6.0));
    }
}
