//! Where a rising function that can only be observed with noise crosses zero: bisection with a sequential test at each
//! probe, and an interval for the crossing.
//!
//! Observations of a probe are looked at when there are 2, 4, 8, 16 … of them. Every look may err with a part of e, so that
//! whatever verdict a probe ever gets is wrong with probability at most e. The tests that are made at a look share its part:
//! Student's t for the observations and for their logarithms, and where they are ratios of sums over sections of a run, the
//! interval that sections give (`interval.rs`), which tells from two runs what the others need four for, but takes each
//! stall for one by chance. The thresholds grow like √ log log n and a difference like √ n, so every
//! probe that is not the crossing itself gets its verdict some time: a test of power one (Robbins 1970), which is what
//! Waeber, Frazier and Henderson ("Bisection search with noisy responses", SIAM J. Control Optim. 51(3), 2013) ask of
//! the test inside a bisection. Their posterior is not kept: with e so small that the verdicts of a whole search are all
//! right with the wanted probability (Bonferroni), the interval between the last met and the first unmet probe covers
//! the crossing with at least that probability.
//!
//! Verdicts near the crossing are dear and tell little. So a probe without one is left open after its first look, the
//! search goes on at both sides of it, and only when nothing is left to narrow there it is observed more often.

use super::interval::{self, Part, Ratio};
use super::paired::Moments;
use super::student;

/// Observations at the first look; each further look doubles them.
pub const FIRST_LOOK: usize = 4;
/// The same where every observation has parts: how they vary is known from within.
pub const FIRST_LOOK_OF_PARTS: usize = 2;

/// How the observations of one requirement are judged. An observation at or below zero is one that meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// Their mean is at or below zero.
    Mean,
    /// Every one is.
    Every,
}

/// Observations of one requirement at one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// How they are judged.
    pub criterion: Criterion,
    /// Observations; an infinite one is unmet whatever the others are.
    pub margins: Vec<f64>,
    /// The parts of each in order of time, if it is a ratio of sums over them; otherwise nothing.
    pub parts: Vec<Vec<Part>>,
    /// What an observation is less of: it is a positive quantity less this; 0 where it is no such thing.
    pub allowed: f64,
    /// There is enough behind them to say that the requirement is met: what is rare may not have shown itself yet.
    pub enough_to_be_met: bool,
    /// The same for unmet.
    pub enough_to_be_unmet: bool,
    /// What their mean is of, on a scale on which it is steadier: 0 where the requirement is just met. It says where to look
    /// and nothing of what is found there.
    pub score: f64,
}

/// Whether `bad` of `all` independent things are so few that a share of `allowed` of them being bad would give as few
/// with probability `error` at most.
///
/// The binomial distribution's lower tail, term by term.
pub fn are_few(bad: u64, all: u64, allowed: f64, error: f64) -> bool {
    let mut term = libm::exp(all as f64 * libm::log1p(-allowed));
    let mut tail = term;
    for n in 0..bad.min(all) {
        term *= (all - n) as f64 / (n + 1) as f64 * allowed / (1.0 - allowed);
        tail += term;
    }
    tail <= error
}

/// Parts of a look's error, for met and unmet, for what sections, runs and logarithms say: the threshold of sections hardly
/// moves with it.
const PARTS: ((f64, f64), (f64, f64), f64) = ((0.2, 0.2), (0.8, 0.3), 0.5);
/// A probe is put this part of the wanted width beside where the crossing is expected.
const REACH: f64 = 0.45;
/// What is more than so many of the wanted widths is long.
const LONG: f64 = 4.0;

/// What is known of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every requirement is met.
    Met,
    /// One is not.
    Unmet,
    /// The observations do not tell.
    Open,
}

impl Series {
    /// Observations without which nothing is said.
    fn first_look(&self) -> usize {
        let has_parts = self.criterion == Criterion::Mean && !self.parts.is_empty();
        if has_parts { FIRST_LOOK_OF_PARTS } else { FIRST_LOOK }
    }

    /// Verdict of this requirement alone, wrong with probability at most `met` if it says met and `unmet` if it says that.
    fn verdict(&self, met: f64, unmet: f64) -> Verdict {
        let n = self.margins.len();
        if self.margins.contains(&f64::INFINITY) {
            return Verdict::Unmet;
        }
        if n < self.first_look() {
            return Verdict::Open;
        }
        if self.criterion == Criterion::Every {
            return self.kept(self.margins.iter().all(|margin| *margin <= 0.0));
        }
        let says = |test: Test, parts: (f64, f64)| test.says(met * parts.0, unmet * parts.1);
        let (of_sections, of_runs, of_logs) = match (self.parts.is_empty(), n < FIRST_LOOK) {
            (true, _) => ((0.0, 0.0), (1.0, 1.0), 0.0),
            (false, true) => ((1.0, 1.0), (0.0, 0.0), 0.0),
            (false, false) => PARTS,
        };
        let clear = Test::of_sections(&self.parts)
            .and_then(|test| says(test, of_sections))
            .or_else(|| says(Test::of(&self.margins), of_runs))
            .or_else(|| self.logarithms().and_then(|logs| says(Test::of(&logs), (0.0, of_logs))));
        clear.map_or(Verdict::Open, |is_met| self.kept(is_met))
    }

    /// Logarithms of the observed quantities over what is allowed, if all are positive. Their mean is below the logarithm of
    /// the mean (Jensen), so that one above zero shows the mean above what is allowed; not the other way round. Stalls that
    /// pile up spread quantities in proportion to their size, which hides how far they are beyond.
    fn logarithms(&self) -> Option<Vec<f64>> {
        let positive = self.allowed > 0.0 && self.margins.iter().all(|margin| margin + self.allowed > 0.0);
        positive.then(|| self.margins.iter().map(|margin| libm::log(1.0 + margin / self.allowed)).collect())
    }

    fn kept(&self, is_met: bool) -> Verdict {
        match is_met {
            true if self.enough_to_be_met => Verdict::Met,
            false if self.enough_to_be_unmet => Verdict::Unmet,
            _ => Verdict::Open,
        }
    }
}

/// A mean, and its standard error with degrees of freedom.
struct Test {
    mean: f64,
    error: f64,
    df: u32,
}

impl Test {
    /// By the spread of independent values.
    fn of(values: &[f64]) -> Test {
        let moments = Moments::of(values);
        Test { mean: moments.mean, error: moments.error(), df: moments.n as u32 - 1 }
    }

    /// By sections.
    fn of_sections(parts: &[Vec<Part>]) -> Option<Test> {
        let Ratio { value, half_width, df } = interval::ratio(parts)?;
        Some(Test { mean: value, error: half_width / student::two_sided(df, interval::LEVEL), df })
    }

    /// Whether the mean is at or below zero, if that is clear with these errors. Without any noise the sign is enough.
    fn says(&self, met: f64, unmet: f64) -> Option<bool> {
        let is_met = self.mean <= 0.0;
        let tail = if is_met { met } else { unmet };
        // One-sided errors, so twice that for a threshold on both sides.
        let is_clear = || {
            self.error == 0.0 || self.mean.abs() > student::two_sided(self.df, 1.0 - 2.0 * tail) * self.error
        };
        (tail > 0.0 && is_clear()).then_some(is_met)
    }
}

/// Part of a probe's error for the look at so many observations: most for the look at four, from which runs are compared.
fn spent(observations: usize) -> f64 {
    match observations {
        0..4 => 0.2,
        n => 0.4 * libm::pow(0.5, f64::from((n / FIRST_LOOK).ilog2())),
    }
}

/// The verdict of a probe, wrong with probability at most `error` (0 to 1/2) over all its looks together.
///
/// Met needs every requirement to be shown met; one shown unmet is enough for unmet, and they share its error.
pub fn verdict(series: &[Series], error: f64) -> Verdict {
    let n = series.iter().map(|one| one.margins.len()).min().unwrap_or(0).max(1);
    let spent = error * spent(n);
    let mut all = Verdict::Met;
    for one in series {
        match one.verdict(spent, spent / series.len() as f64) {
            Verdict::Unmet => return Verdict::Unmet,
            Verdict::Open => all = Verdict::Open,
            Verdict::Met => {}
        }
    }
    all
}

/// How far to search.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Largest probability that the verdict of a probe is wrong, 0 to 1/2.
    pub error: f64,
    /// Length of the interval at which to stop, above 0.
    pub width: f64,
    /// Observations of a new probe, at least 1.
    pub first: usize,
    /// Most observations of a probe, at least as many.
    pub most: usize,
    /// Most probes, those that are known before the search counted.
    pub probes: usize,
}

/// What can be observed.
pub trait Curve {
    /// Why observing may end early.
    type Stop;

    /// At least `observations` of every requirement at `at`; those of before are the first of them.
    fn observe(&mut self, at: f64, observations: usize) -> Result<Vec<Series>, Self::Stop>;

    /// The position nearest to `at` that can be observed.
    fn snap(&self, at: f64) -> f64;

    /// Nothing more should be observed.
    fn is_spent(&self) -> bool {
        false
    }
}

/// A probe and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Its position.
    pub at: f64,
    /// Its observations by requirement.
    pub series: Vec<Series>,
    /// Its verdict.
    pub verdict: Verdict,
}

impl Probe {
    /// Observes `at` and judges it.
    pub fn take<C: Curve>(curve: &mut C, at: f64, observations: usize, error: f64) -> Result<Self, C::Stop> {
        let series = curve.observe(at, observations)?;
        Ok(Probe { at, verdict: verdict(&series, error), series })
    }

    /// Number of observations.
    pub fn observations(&self) -> usize {
        self.series.iter().map(|one| one.margins.len()).min().unwrap_or(0)
    }
}

/// Where the crossing is.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// Last position known to be met.
    pub lower: f64,
    /// First position known not to be.
    pub upper: f64,
    /// The best guess, between the two.
    pub root: f64,
    /// The interval is as short as was wanted; else observations or probes ran out.
    pub settled: bool,
}

/// Narrows the interval between two probes with verdicts: the one of `probes` at `lower`, which is met, and the one at
/// `upper`, which is not. New probes are added to `probes`, which is kept in order of position. The first are put close to
/// both sides of `guess`.
///
/// # Errors
/// As the curve.
pub fn narrow<C: Curve>(
    curve: &mut C,
    probes: &mut Vec<Probe>,
    (mut lower, mut upper): (f64, f64),
    rule: &Rule,
    guess: Option<f64>,
) -> Result<Crossing, C::Stop> {
    let settled = loop {
        let (at, observations) = match step(curve, probes, (lower, upper), rule, guess) {
            Step::Stop { settled } => break settled,
            Step::New(at) => (at, rule.first),
            Step::Deepen(at, observations) => (at, observations),
        };
        let probe = Probe::take(curve, at, observations, rule.error)?;
        match probe.verdict {
            Verdict::Met => lower = at,
            Verdict::Unmet => upper = at,
            Verdict::Open => {}
        }
        let place = probes.partition_point(|other| other.at < at);
        match probes.get_mut(place) {
            Some(known) if known.at == at => *known = probe,
            _ => probes.insert(place, probe),
        }
    };
    Ok(Crossing { lower, upper, root: root(probes, (lower, upper)), settled })
}

/// What to do next.
enum Step {
    New(f64),
    Deepen(f64, usize),
    Stop { settled: bool },
}

fn step<C: Curve>(
    curve: &C,
    probes: &[Probe],
    (lower, upper): (f64, f64),
    rule: &Rule,
    guess: Option<f64>,
) -> Step {
    if upper - lower <= rule.width {
        return Step::Stop { settled: true };
    }
    if curve.is_spent() {
        return Step::Stop { settled: false };
    }
    let open: Vec<&Probe> = probes.iter().filter(|probe| lower < probe.at && probe.at < upper).collect();
    // The stretches without a probe beside the known ends, the longer one first.
    let mut stretches = match (open.first(), open.last()) {
        (Some(first), Some(last)) => vec![(lower, first.at), (last.at, upper)],
        _ => vec![(lower, upper)],
    };
    stretches.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)));
    // A short stretch beside an open probe is as likely to be open itself.
    let long_enough =
        if open.is_empty() { rule.width } else { (rule.width / 2.0).max((upper - lower) / 3.0) };
    let middle = |&(from, to): &(f64, f64)| {
        let middle = curve.snap(f64::midpoint(from, to));
        (to - from > long_enough && from < middle && middle < to).then_some(middle)
    };
    let aimed = open.is_empty().then(|| curve.snap(aim(probes, (lower, upper), rule, guess)));
    let aimed = aimed.filter(|at| lower < *at && *at < upper);
    let new = aimed.or_else(|| stretches.iter().find_map(middle));
    if let (Some(at), true) = (new, probes.len() < rule.probes) {
        return Step::New(at);
    }
    let outermost = [open.first(), open.last()].into_iter().flatten();
    let shallow = outermost.min_by_key(|probe| probe.observations());
    if let Some(probe) = shallow.filter(|probe| 2 * probe.observations() <= rule.most) {
        return Step::Deepen(probe.at, 2 * probe.observations());
    }
    // Those in the middle may never tell; what is left beside them may.
    let rest = |&(from, to): &(f64, f64)| {
        let middle = curve.snap(f64::midpoint(from, to));
        (to - from > rule.width / 4.0 && from < middle && middle < to).then_some(middle)
    };
    match stretches.iter().find_map(rest) {
        Some(at) if !open.is_empty() && probes.len() < rule.probes => Step::New(at),
        // Nothing lies between the ends: positions are whole numbers, say.
        _ => Step::Stop { settled: open.is_empty() && new.is_none() },
    }
}

/// Where to look between two probes with verdicts: close to the guess, or to the line's crossing, on the side that is less
/// known, so that two probes with the verdicts that are expected end the search.
///
/// Every third probe goes to the middle of what is still long, since a line through a bent curve may keep one end for ever.
fn aim(probes: &[Probe], (lower, upper): (f64, f64), rule: &Rule, guess: Option<f64>) -> f64 {
    let guess = guess.filter(|guess| lower < *guess && *guess < upper);
    if guess.is_none() && probes.len().is_multiple_of(3) && upper - lower > LONG * rule.width {
        return f64::midpoint(lower, upper);
    }
    let root = guess.unwrap_or_else(|| root(probes, (lower, upper)));
    let reach = REACH * rule.width;
    if root - lower > upper - root { root - reach } else { root + reach }
}

/// Where the first requirement crosses zero: by a line through the scores of the probes from `lower` to `upper`, each
/// weighted by its number of observations. The middle where there is no such line.
fn root(probes: &[Probe], (lower, upper): (f64, f64)) -> f64 {
    let within: Vec<&Probe> = probes.iter().filter(|probe| lower <= probe.at && probe.at <= upper).collect();
    let requirements = within.first().map_or(0, |probe| probe.series.len());
    let crossing = |requirement: usize| {
        let points = within.iter().map(|probe| {
            let series = &probe.series[requirement];
            (probe.at, series.score, series.margins.len() as f64)
        });
        let points: Vec<(f64, f64, f64)> = points.filter(|point| point.1.is_finite()).collect();
        let weight: f64 = points.iter().map(|point| point.2).sum();
        let mean = |of: fn(&(f64, f64, f64)) -> f64| {
            points.iter().map(|point| of(point) * point.2).sum::<f64>() / weight
        };
        let (at, margin) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|p| p.2 * (p.0 - at) * (p.0 - at)).sum();
        let rise: f64 = points.iter().map(|p| p.2 * (p.0 - at) * (p.1 - margin)).sum();
        (spread > 0.0 && rise > 0.0).then(|| at - margin * spread / rise)
    };
    let first = (0..requirements).filter_map(crossing).min_by(f64::total_cmp);
    first.unwrap_or(f64::midpoint(lower, upper)).clamp(lower, upper)
}

#[cfg(test)]
mod tests;
