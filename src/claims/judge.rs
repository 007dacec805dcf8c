//! What results say: of each prediction, of each expectation, and of each claim.

use super::bound::Kept;
use super::figure::Figure;
use super::file::{Claim, Experiment, Test};
use super::table::{Measured, Results};
use super::verdict::Verdict;

/// One figure of a prediction or expectation.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// What is looked at.
    pub figure: &'a Figure,
    /// The prediction or expectation.
    pub test: &'a Test,
    /// As measured; none where there is no such thing.
    pub measured: Option<Measured>,
    /// Whether it keeps the bound.
    pub kept: Kept,
}

impl Judged<'_> {
    /// `p99 @ 7.2: 353 us [350 us to 356 us], predicted at most 5ms`.
    pub fn line(&self, verb: &str) -> String {
        let value = self.measured.map_or_else(|| "no value".to_owned(), |own| own.with_interval());
        format!("{}: {value}, {verb} {}", self.figure, self.test.bound.text)
    }
}

/// Every figure of `tests`.
pub fn judge<'a>(tests: &'a [Test], results: &Results) -> Vec<Judged<'a>> {
    let one = |test: &'a Test| {
        test.figures.iter().map(move |figure| {
            let measured = results.measured(figure);
            Judged { figure, test, measured, kept: test.bound.kept(measured.as_ref()) }
        })
    };
    tests.iter().flat_map(one).collect()
}

/// The verdict on `claim`.
pub fn verdict(experiment: &Experiment, claim: &Claim, results: &Results) -> Verdict {
    let judged = judge(&experiment.predictions, results);
    let kept: Vec<Kept> =
        judged.iter().filter(|own| own.test.claim == claim.number).map(|own| own.kept).collect();
    Verdict::of(&kept, &claim.verdict)
}

/// What is not as `experiment` says it is: expectations that do not hold, verdicts that are others.
pub fn faults(experiment: &Experiment, results: &Results) -> Vec<String> {
    let failed = judge(&experiment.expectations, results).into_iter().filter(|own| own.kept != Kept::Yes);
    let failed = failed.map(|own| {
        let how = match own.kept {
            Kept::Open => "not certain",
            _ => "not so",
        };
        format!("{how}: {}", own.line("expected"))
    });
    let other = experiment.claims.iter().filter_map(|claim| {
        let verdict = verdict(experiment, claim, results);
        let differs = verdict != claim.verdict;
        let text = || {
            format!("claim {}: the runs say {}, not {}", claim.number, verdict.text(), claim.verdict.text())
        };
        differs.then(text)
    });
    failed.chain(other).collect()
}
