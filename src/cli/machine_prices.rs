//! The flags of a run that draws the machine's prices from their ranges.

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::Bar;
use super::terminal::Terminal;
use super::watched::Watched;
use crate::experiment::machine::{DRAW_REPLICATIONS, DRAWS, Machine, OWN_REPLICATIONS, machine};
use crate::experiment::prices::Prices;
use crate::experiment::uncertainty::DRAWS_MIN;
use crate::experiment::variants::Variants;
use crate::experiment::{Metric, Pool, Template};

/// Metrics whose uncertainties are told.
const METRICS: &[&str] = &["mean", "p50", "p99", "p999"];

/// How prices are taken.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct PriceFlags {
    /// The machine's prices as the model has them, or also drawn from their ranges: what is not known of the machine
    #[arg(long, value_enum, default_value_t = Mode::Model, value_name = "model|range", hide_possible_values = true)]
    prices: Mode,
    /// Draws of the prices, at least 10 [default: 40]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(DRAWS_MIN as u64..=100_000))]
    draws: Option<u64>,
}

/// How prices are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// As the model has them.
    Model,
    /// Also drawn from their ranges.
    Range,
}

impl PriceFlags {
    /// Whether prices are to be drawn.
    ///
    /// # Errors
    /// A number of draws without any.
    pub fn are_drawn(&self) -> Result<bool, Failure> {
        match (self.prices, self.draws) {
            (Mode::Model, Some(_)) => Err(Failure::Usage(
                "--draws is about --prices range\n  say that too, or leave it out".to_owned(),
            )),
            (mode, _) => Ok(mode == Mode::Range),
        }
    }

    /// What the ranges make of the run's main metrics.
    pub fn machine(
        &self,
        template: &Template,
        seed: u64,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<Machine, Failure> {
        let prices = Prices::of(template)?;
        if prices.ranges().is_empty() {
            let text =
                "--prices range: every price of the machine is set or known exactly\n  leave the flag out";
            return Err(Failure::Usage(text.to_owned()));
        }
        let pool =
            Pool::new(0).map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
        let draws = self.draws.unwrap_or(DRAWS);
        let bar = Bar::new(terminal);
        bar.plan(OWN_REPLICATIONS + draws * DRAW_REPLICATIONS);
        let watch = Watched { interrupt, bar: &bar };
        let metrics: Vec<Metric> = METRICS.iter().filter_map(|name| Metric::parse(name).ok()).collect();
        let variants = Variants { template, metrics: &metrics, replications: 1, pool: &pool, watch: &watch };
        let found = machine(&variants, &prices, draws, seed);
        bar.finish();
        found.ok_or(Failure::Interrupted)
    }
}
