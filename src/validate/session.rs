//! All cases of a validation, one after the other: measured, then simulated, then judged.

use super::case::{Case, assign, figures};
use super::metric::{Exposure, Figure, Tolerance};
use super::noise::Canary;
use super::observed::Observed;
use super::outcome::Row;
use super::side::{Fault, Side, Stop};
use super::simulated::Simulator;
use super::verdict::{Spread, judge};
use crate::experiment::Assignment;

/// How often a run is put off for noise.
const PATIENCE: u32 = 3;

/// How a session is held.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Runs of each case on the measured side, ≥ 1.
    pub repeats: u64,
    /// Runs of each in the simulator, ≥ 2.
    pub seeds: u64,
    /// The prices are those of another machine.
    pub doubled: bool,
}

/// What a session says while it runs.
pub trait Watch {
    /// A step begins: a run of a case, or its simulation.
    fn step(&mut self, what: &str);
    /// A case is done.
    fn done(&mut self, rows: &[Row]);
    /// The machine is noisy: waits a little before a run is tried again.
    fn wait(&mut self);
}

/// Cases on two sides.
pub struct Session<'a> {
    /// What is measured.
    pub measured: &'a mut dyn Side,
    /// What predicts.
    pub simulator: &'a Simulator<'a>,
    /// How.
    pub options: Options,
    /// Settings over every case: the version of the server.
    pub settings: Vec<Assignment>,
    /// Everything that canaries have seen.
    pub noise: Canary,
    /// Capacities measured so far, by what they depend on \[1/s\].
    capacities: Vec<(String, f64)>,
}

/// Repeats of one case.
#[derive(Default)]
struct Repeats {
    runs: Vec<Observed>,
    noisy: u64,
    /// Of the spells in which they ran.
    noise: Canary,
}

impl Repeats {
    /// How late the generator was in the middle of the repeats, at the quantile that a figure is exposed to \[ns\].
    fn lateness(&self, exposure: Exposure) -> f64 {
        let at = |run: &Observed| match exposure {
            Exposure::Quantile(50) => run.lateness.0,
            Exposure::Quantile(_) => run.lateness.1,
            _ => 0,
        };
        let late: Vec<f64> = self.runs.iter().map(|run| at(run) as f64).collect();
        Spread::of_repeats(&late).map_or(0.0, |late| late.value)
    }
}

impl<'a> Session<'a> {
    /// Nothing has been run.
    pub fn new(measured: &'a mut dyn Side, simulator: &'a Simulator<'a>, options: Options) -> Self {
        let (settings, capacities) = (Vec::new(), Vec::new());
        Session { measured, simulator, options, settings, noise: Canary::default(), capacities }
    }

    /// Runs all `cases`; a row a figure of each.
    ///
    /// # Errors
    /// What ends the whole; a case that cannot be run is skipped with its reason.
    pub fn run(&mut self, cases: &[Case], watch: &mut dyn Watch) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        for case in cases {
            let own = self.case(case, watch)?;
            watch.done(&own);
            rows.extend(own);
        }
        Ok(rows)
    }

    fn case(&mut self, case: &Case, watch: &mut dyn Watch) -> Result<Vec<Row>, Fault> {
        let wanted = figures(&case.resolve(&self.settings).map_err(Fault::Input)?);
        let blank = |figure: Figure| Row::blank(&case.name, &case.mechanism, figure, self.allowed(figure));
        let blanks: Vec<(Figure, Row)> = wanted.into_iter().map(|figure| (figure, blank(figure))).collect();
        match self.both(case, watch) {
            Ok((repeats, predicted)) => {
                let judge = |(figure, row)| self.row(figure, row, &repeats, &predicted);
                Ok(blanks.into_iter().map(judge).collect())
            }
            Err(Stop::Skipped(why)) => {
                Ok(blanks.into_iter().map(|(_, row)| row.skipped(why.clone())).collect())
            }
            Err(Stop::Failed(fault)) => Err(fault),
        }
    }

    fn allowed(&self, figure: Figure) -> Tolerance {
        let tolerance = figure.tolerance();
        if self.options.doubled { tolerance.doubled() } else { tolerance }
    }

    fn row(&self, figure: Figure, blank: Row, repeats: &Repeats, predicted: &[Observed]) -> Row {
        let values = |runs: &[Observed]| runs.iter().filter_map(|run| figure.of(run)).collect::<Vec<_>>();
        let (measured, simulated) = (values(&repeats.runs), values(predicted));
        let blank = Row { repeats: measured.len() as u64, noisy: repeats.noisy, ..blank };
        let middle = measured.iter().sum::<f64>() / measured.len().max(1) as f64;
        let gaps = repeats.noise.reaches(figure.exposure(), middle);
        let noise = gaps.max(repeats.lateness(figure.exposure()));
        match judge(&measured, &simulated, self.allowed(figure), noise) {
            Some(judged) => blank.judged(&judged),
            None if measured.is_empty() => blank.skipped("the server does not show it"),
            None => blank.skipped("no simulated run shows it"),
        }
    }

    fn both(&mut self, case: &Case, watch: &mut dyn Watch) -> Result<(Repeats, Vec<Observed>), Stop> {
        let mut settings = self.settings.clone();
        if let Some(load) = &case.load {
            let rate = load.share * self.capacity(&load.capacity, watch)?;
            settings.push(assign("rate", &format!("{rate:.0}/s")));
        }
        let scenario = case.resolve(&settings).map_err(Fault::Input)?;
        let mut repeats = Repeats::default();
        for run in 0..self.options.repeats {
            watch.step(&format!("{} {} of {}", case.name, run + 1, self.options.repeats));
            let noise = self.quiet(watch);
            let seen = self.measured.observe(&scenario, run)?;
            let after = self.measured.canary().unwrap_or_default();
            repeats.noisy += u64::from(noise.is_noisy() || after.is_noisy() || seen.is_late);
            for noise in [noise, after] {
                repeats.noise.merge(&noise);
                self.noise.merge(&noise);
            }
            repeats.runs.push(seen);
        }
        watch.step(&format!("{} simulated", case.name));
        let predicted = match self.simulator.runs(&scenario, self.options.seeds) {
            Err(Fault::Simulation(_, error)) => return Err(Stop::Skipped(error.to_string())),
            other => other?,
        };
        Ok((repeats, predicted))
    }

    /// The canary before a run, of a spell that is quiet if there is one soon.
    fn quiet(&mut self, watch: &mut dyn Watch) -> Canary {
        let mut seen = self.measured.canary().unwrap_or_default();
        for _ in 0..PATIENCE {
            if !seen.is_noisy() {
                break;
            }
            watch.wait();
            seen = self.measured.canary().unwrap_or_default();
        }
        seen
    }

    /// Commands a second that the measured side answers in `closed`, a case whose clients wait for their replies.
    fn capacity(&mut self, closed: &Case, watch: &mut dyn Watch) -> Result<f64, Stop> {
        let key = format!("{} {:?}", closed.template.file(), closed.settings);
        if let Some((_, known)) = self.capacities.iter().find(|known| known.0 == key) {
            return Ok(*known);
        }
        watch.step("capacity");
        let scenario = closed.resolve(&self.settings).map_err(Fault::Input)?;
        let seen = self.measured.observe(&scenario, 0)?;
        let capacity = seen.throughput().filter(|rate| *rate > 0.0);
        let capacity = capacity
            .ok_or_else(|| Stop::Skipped("nothing was answered when capacity was measured".to_owned()))?;
        self.capacities.push((key, capacity));
        Ok(capacity)
    }
}
