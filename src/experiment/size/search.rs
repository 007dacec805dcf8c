//! One search: a coarse scan of the whole range, a look at whether what is met stays met, bisection of what is left.

use super::lab::{Lab, Stop};
use super::unknown::Direction;
use crate::math::ln;
use crate::stats::bisect::{
    self, Curve, FIRST_LOOK, FIRST_LOOK_OF_PARTS, Probe, Rule, Series, Verdict, narrow,
};

/// Most probes of a search, the scan's included.
const PROBES: usize = 32;
/// How far beyond a guess values are tried, in wanted widths of the interval, and by how many times as many runs as at first:
/// close by, where a queue grows steeply; then further off, where stalls that come and go have to be told from chance.
const BEYOND: [(f64, usize); 3] = [(0.45, 1), (3.0, 2), (7.0, 2)];
/// Probability that an interval misses the boundary, at most.
pub const ERROR: f64 = 0.05;

/// Values of a search that may lie so close to the boundary that noise decides: the others are far from it.
const CLOSE: usize = 8;
/// Probability that the verdict of one value is wrong, at most: those close to the boundary stay within [`ERROR`] together.
pub const VERDICT_ERROR: f64 = ERROR / CLOSE as f64;

/// How exact an answer has to be.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Half the length of the interval over the value, above 0 and below 1.
    pub precision: f64,
    /// Most runs of a value, at least [`FIRST_LOOK`].
    pub replications: usize,
    /// Commands after which nothing more is started.
    pub budget: u64,
}

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Smallest and largest value, both tried.
    pub range: (f64, f64),
    /// Values of the scan, the ends included.
    pub scan: usize,
    /// Which end is wanted, if the ends of the range do not say.
    pub direction: Option<Direction>,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Search {
    /// Which end was looked for.
    pub direction: Direction,
    /// The boundary; none where the objectives are met everywhere or nowhere in the range.
    pub found: Option<Boundary>,
    /// Values in order, the easy ones first.
    pub probes: Vec<Probed>,
    /// What was seen that a boundary should not have, a sentence each.
    pub warnings: Vec<String>,
}

/// A value and its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probed {
    /// The value.
    pub value: f64,
    /// Its runs.
    pub runs: usize,
    /// Whether all objectives are met.
    pub verdict: Verdict,
}

/// Where values that meet the objectives end.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    /// The best guess.
    pub value: f64,
    /// Interval that holds the true one with probability 1 − [`ERROR`] at least; no lower end where the whole easy side is
    /// undecided.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The nearest value that is known not to meet them.
    pub unmet: f64,
    /// The interval is as short as was asked.
    pub settled: bool,
}

/// The values of a lab as positions for the bisection: logarithms, the easy values lower.
struct Scale<'l, 'a> {
    lab: &'l mut Lab<'a>,
    set: &'l [usize],
    direction: Direction,
    /// Commands of the lab after which nothing more is started.
    limit: u64,
}

impl Scale<'_, '_> {
    fn sign(&self) -> f64 {
        if self.direction == Direction::Largest { 1.0 } else { -1.0 }
    }

    fn position(&self, value: f64) -> f64 {
        self.sign() * ln(value)
    }

    /// Positions are those of values that are tried, so this gives the value back exactly.
    fn value(&self, at: f64) -> f64 {
        self.lab.unknown.snap(libm::exp(self.sign() * at))
    }
}

impl Curve for Scale<'_, '_> {
    type Stop = Stop;

    fn observe(&mut self, at: f64, observations: usize) -> Result<Vec<Series>, Stop> {
        let value = self.value(at);
        self.lab.observe(&[value], observations)?;
        Ok(self.lab.series(value, self.set))
    }

    fn snap(&self, at: f64) -> f64 {
        self.position(self.value(at))
    }

    fn is_spent(&self) -> bool {
        self.lab.requests >= self.limit
    }
}

/// Searches `field` for the boundary of what meets the objectives numbered in `set`.
///
/// # Errors
/// As the lab.
pub fn search(lab: &mut Lab<'_>, set: &[usize], effort: &Effort, field: &Field) -> Result<Search, Stop> {
    // An answer of relative precision p lies between value · (1 − p) and value · (1 + p).
    let width = ln((1.0 + effort.precision) / (1.0 - effort.precision));
    let has_parts = set.iter().all(|&objective| lab.objectives[objective].has_parts());
    let first = if has_parts { FIRST_LOOK_OF_PARTS } else { FIRST_LOOK };
    let rule = Rule { error: VERDICT_ERROR, width, first, most: effort.replications, probes: PROBES };
    let limit = lab.requests.saturating_add(effort.budget);
    let Scan { values, guess, beyond } = scan(lab, set, field, &rule)?;
    if let Some(&nothing) = set.iter().find(|&&objective| lab.measures_nothing(objective)) {
        return Err(Stop::Nothing(lab.objectives[nothing].to_string()));
    }
    let verdict = |lab: &Lab<'_>, value: f64| bisect::verdict(&lab.series(value, set), rule.error);
    let (first, last) = (verdict(lab, values[0]), verdict(lab, values[values.len() - 1]));
    let wanted = field.direction.unwrap_or(Direction::Largest);
    let is_shown = beyond.last().is_some_and(|last| last.verdict == Verdict::Unmet);
    let direction = match (first, last) {
        // The hard side is where it was expected, if values beyond the guess fail.
        _ if is_shown => wanted,
        (Verdict::Met, Verdict::Unmet) => Direction::Largest,
        (Verdict::Unmet, Verdict::Met) => Direction::Smallest,
        _ => wanted,
    };
    let mut scale = Scale { lab, set, direction, limit };
    let mut probes = Vec::new();
    for value in values {
        let at = scale.position(value);
        probes.push(Probe::take(&mut scale, at, rule.first, rule.error)?);
    }
    // Where harder values turn out to be on the other side, positions count the other way.
    let turned = if direction == wanted { 1.0 } else { -1.0 };
    probes.extend(beyond.into_iter().map(|probe| Probe { at: turned * probe.at, ..probe }));
    let guess = guess.map(|guess| turned * guess);
    probes.sort_by(|a, b| a.at.total_cmp(&b.at));
    let ends = ends(&mut scale, &mut probes, &rule)?;
    let crossing = ends.map(|ends| narrow(&mut scale, &mut probes, ends, &rule, guess)).transpose()?;
    let probed = |probe: &Probe| Probed {
        value: scale.value(probe.at),
        runs: scale.lab.point(scale.value(probe.at)).runs(),
        verdict: probe.verdict,
    };
    let found = crossing.map(|crossing| boundary(&scale, &crossing));
    let probes: Vec<Probed> = probes.iter().map(probed).collect();
    let warnings = warnings(&scale, &probes, found.as_ref());
    Ok(Search { direction, found, probes, warnings })
}

/// What is known before a search.
struct Scan {
    /// Values all over the range, rising.
    values: Vec<f64>,
    /// About where the boundary is, if short runs tell.
    guess: Option<f64>,
    /// Probes beyond that.
    beyond: Vec<Probe>,
}

/// Makes the first runs of values all over the range.
///
/// Where it is known which side is easy, values beyond one that the server cannot carry are left out: neither can it carry
/// those. Values that cost most are those beyond the boundary, so one just beyond the guess stands for them if it is unmet.
fn scan(lab: &mut Lab<'_>, set: &[usize], field: &Field, rule: &Rule) -> Result<Scan, Stop> {
    let mut values = scan_values(lab, field);
    let Some(direction) = field.direction else {
        lab.observe(&values, rule.first)?;
        return Ok(Scan { values, guess: None, beyond: Vec::new() });
    };
    if direction == Direction::Smallest {
        values.reverse();
    }
    lab.try_out(&values)?;
    let carried = values.iter().position(|&value| lab.point(value).overloaded);
    values.truncate(carried.map_or(values.len(), |first| first + 1));
    let mut scale = Scale { lab, set, direction, limit: u64::MAX };
    let guess = guess(&mut scale, &values, rule)?;
    let beyond = guess.map_or(Ok(Vec::new()), |guess| beyond(&mut scale, guess, rule))?;
    if let Some(unmet) = beyond.last().filter(|last| last.verdict == Verdict::Unmet) {
        values.retain(|&value| scale.position(value) < unmet.at);
    }
    let is_known = |value: f64| beyond.iter().any(|probe| scale.value(probe.at) == value);
    values.retain(|&value| !is_known(value));
    for &value in &values {
        lab.observe(&[value], rule.first)?;
        if lab.point(value).overloaded {
            break;
        }
    }
    values.retain(|&value| lab.point(value).runs() > 0 || lab.point(value).overloaded);
    values.sort_by(f64::total_cmp);
    Ok(Scan { values, guess, beyond })
}

/// Where short runs of `values`, the easy ones first, cease to keep the objectives; none unless they do so for good.
fn guess(scale: &mut Scale<'_, '_>, values: &[f64], rule: &Rule) -> Result<Option<f64>, Stop> {
    if !scale.lab.has_short_runs() {
        return Ok(None);
    }
    let scores = scale.lab.taste(values, scale.set)?;
    let is_met = |score: &Option<f64>| score.is_some_and(|score| score <= 0.0);
    let Some(last) = scores.iter().rposition(is_met).filter(|&last| last + 1 < values.len()) else {
        return Ok(None);
    };
    let (mut lower, mut upper) = (scale.position(values[last]), scale.position(values[last + 1]));
    while upper - lower > rule.width {
        // Two at once, for two threads.
        let third = (upper - lower) / 3.0;
        let mut inner = [lower + third, upper - third].map(|at| scale.snap(at)).to_vec();
        inner.dedup();
        inner.retain(|&at| lower < at && at < upper);
        if inner.is_empty() {
            break;
        }
        let tried: Vec<f64> = inner.iter().map(|&at| scale.value(at)).collect();
        let scores = scale.lab.taste(&tried, scale.set)?;
        match scores.iter().position(|score| !is_met(score)) {
            Some(first) => (lower, upper) = (if first > 0 { inner[first - 1] } else { lower }, inner[first]),
            None => lower = inner[inner.len() - 1],
        }
    }
    Ok(Some(f64::midpoint(lower, upper)))
}

/// Tries values beyond `guess` until one is shown unmet.
fn beyond(scale: &mut Scale<'_, '_>, guess: f64, rule: &Rule) -> Result<Vec<Probe>, Stop> {
    let mut probes: Vec<Probe> = Vec::new();
    for (widths, times) in BEYOND {
        let at = scale.snap(guess + widths * rule.width);
        if probes.iter().any(|probe| probe.at == at) {
            continue;
        }
        probes.push(Probe::take(scale, at, times * rule.first, rule.error)?);
        if probes.last().is_some_and(|last| last.verdict == Verdict::Unmet) {
            break;
        }
    }
    Ok(probes)
}

/// Values at equal ratios over the whole range, each once.
fn scan_values(lab: &Lab<'_>, field: &Field) -> Vec<f64> {
    let (low, high) = field.range;
    let last = field.scan - 1;
    let value = |step: usize| match step {
        0 => low,
        step if step == last => high,
        step => lab.unknown.snap(low * libm::pow(high / low, step as f64 / last as f64)),
    };
    let mut values: Vec<f64> = (0..field.scan).map(value).collect();
    values.dedup();
    values
}

/// The last met position before the first unmet one, and that; none where all are met, or none is.
///
/// A side without a verdict is observed until it has one, from its far end: there it is easiest to tell.
fn ends(scale: &mut Scale<'_, '_>, probes: &mut [Probe], rule: &Rule) -> Result<Option<(f64, f64)>, Stop> {
    let unmet = |probes: &[Probe]| probes.iter().position(|probe| probe.verdict == Verdict::Unmet);
    if unmet(probes).is_none() {
        deepen(scale, probes.last_mut(), rule)?;
    }
    let Some(first) = unmet(probes) else { return Ok(None) };
    let met_before =
        |probes: &[Probe], end: usize| probes[..end].iter().rposition(|probe| probe.verdict == Verdict::Met);
    // Two runs do not tell a stall in each from chance; four mostly do.
    let mut next = first;
    while met_before(probes, first).is_none() && next > 0 {
        next -= 1;
        if probes[next].observations() < FIRST_LOOK {
            probes[next] = Probe::take(scale, probes[next].at, FIRST_LOOK, rule.error)?;
        }
    }
    if met_before(probes, first).is_none() && first > 0 {
        deepen(scale, probes.first_mut(), rule)?;
    }
    if let Some(lower) = met_before(probes, first) {
        return Ok(Some((probes[lower].at, probes[first].at)));
    }
    // Not met on the easy side, but further on: the end of that stretch.
    let Some(lower) = probes.iter().position(|probe| probe.verdict == Verdict::Met) else { return Ok(None) };
    let end = probes[lower..].iter().position(|probe| probe.verdict == Verdict::Unmet).map(|end| lower + end);
    Ok(end.and_then(|end| met_before(probes, end).map(|lower| (probes[lower].at, probes[end].at))))
}

/// Observes a probe until it has a verdict or all its runs are made.
fn deepen(scale: &mut Scale<'_, '_>, probe: Option<&mut Probe>, rule: &Rule) -> Result<(), Stop> {
    let Some(probe) = probe else { return Ok(()) };
    while probe.verdict == Verdict::Open && 2 * probe.observations() <= rule.most {
        *probe = Probe::take(scale, probe.at, 2 * probe.observations(), rule.error)?;
    }
    Ok(())
}

fn boundary(scale: &Scale<'_, '_>, crossing: &bisect::Crossing) -> Boundary {
    let [met, unmet, root] = [crossing.lower, crossing.upper, crossing.root].map(|at| scale.value(at));
    let is_largest = scale.direction == Direction::Largest;
    // The last whole number that may still be met stands before the first that is not.
    let far = match (scale.lab.unknown.is_counted(), is_largest) {
        (true, true) => unmet - 1.0,
        (true, false) => unmet + 1.0,
        (false, _) => unmet,
    };
    let (low, high) = if is_largest { (met, far) } else { (far, met) };
    Boundary { value: root.clamp(low, high), low, high, unmet, settled: crossing.settled }
}

/// What speaks against a single boundary: values that meet the objectives beyond one that does not.
fn warnings(scale: &Scale<'_, '_>, probes: &[Probed], found: Option<&Boundary>) -> Vec<String> {
    let unknown = scale.lab.unknown;
    let first_unmet = probes.iter().find(|probe| probe.verdict == Verdict::Unmet);
    let mut warnings = Vec::new();
    if let Some(unmet) = first_unmet {
        let beyond = |probe: &&Probed| scale.position(probe.value) > scale.position(unmet.value);
        let again: Vec<String> = probes
            .iter()
            .filter(|probe| probe.verdict == Verdict::Met)
            .filter(beyond)
            .map(|probe| unknown.text(probe.value))
            .collect();
        if !again.is_empty() {
            warnings.push(format!(
                "not one boundary: unmet at {} and met again at {}; the answer is the {}",
                unknown.text(unmet.value),
                again.join(", "),
                match found {
                    Some(found) if scale.position(found.value) > scale.position(unmet.value) =>
                        "end of the stretch that is met",
                    _ => "first one",
                }
            ));
        }
    }
    let open: Vec<String> = probes
        .iter()
        .filter(|probe| probe.verdict == Verdict::Open)
        .map(|probe| unknown.text(probe.value))
        .collect();
    if found.is_none() && !open.is_empty() {
        warnings.push(format!("the runs do not tell at {}; raise --replications", open.join(", ")));
    }
    if found.is_some_and(|found| !found.settled) {
        let remedy = if scale.is_spent() { "--budget" } else { "--replications" };
        warnings.push(format!("the interval is wider than asked: the runs do not tell more; raise {remedy}"));
    }
    warnings
}
