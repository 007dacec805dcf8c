//! The flags that say which points of a scenario to run.

use clap::{Args, ValueEnum};

use crate::experiment::design::{DesignSpec, Kind};

/// What varies, and how values are combined. A [sweep] table of the scenario says the same; flags win.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Design")]
pub struct DesignFlags {
    /// A setting, price or file and its values: a list, or a range LOW..HIGH:N, LOW..HIGH:N:log; A~B=… moves with B
    #[arg(long, value_name = "KEY=VALUES")]
    pub vary: Vec<String>,
    /// How values are combined [default: the scenario's, else grid]
    #[arg(long, value_enum)]
    pub design: Option<KindName>,
    /// Number of points, of every design but a grid
    #[arg(long, value_name = "N")]
    pub points: Option<u64>,
    /// Points to leave out: redis.appendfsync=always and workload.rate>20000/s; may be repeated
    #[arg(long, value_name = "RULE")]
    pub exclude: Vec<String>,
    /// Seed of the points of every design but a grid [default: the scenario's, else 1]
    #[arg(long, value_name = "N")]
    pub design_seed: Option<u64>,
}

/// How values are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// Every combination.
    Grid,
    /// A Latin hypercube: ranges are continuous, the values of a list equally likely.
    Lhs,
    /// A scrambled Sobol sequence, at most 65536 points; powers of two are best.
    Sobol,
    /// Independent points.
    Random,
}

impl DesignFlags {
    /// The design as asked for.
    pub fn spec(&self) -> DesignSpec {
        let kind = self.design.map(|name| match name {
            KindName::Grid => Kind::Grid,
            KindName::Lhs => Kind::Lhs,
            KindName::Sobol => Kind::Sobol,
            KindName::Random => Kind::Random,
        });
        DesignSpec {
            vary: self.vary.clone(),
            kind,
            points: self.points,
            exclude: self.exclude.clone(),
            seed: self.design_seed,
        }
    }
}
