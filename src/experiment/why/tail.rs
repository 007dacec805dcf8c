//! Which causes are in the tail, the largest first.

use crate::cause::Cause;
use crate::observe::blame::Band;
use crate::observe::result::RunResult;

/// A cause whose share of every band is below this makes no difference that runs could see.
const PRESENT: f64 = 0.003;

/// How much of the tail each cause has.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// (cause, its share of the band in which that is largest), the largest first.
    shares: Vec<(Cause, f64)>,
}

impl Tail {
    /// From what requests were blamed on; where they were not, from what the main thread did.
    pub fn of(bands: &[Band], run: &RunResult) -> Tail {
        let share = |cause: Cause| match bands.is_empty() {
            true => of_main_thread(run, cause),
            false => bands.iter().map(|band| band.share(cause.name())).fold(0.0, f64::max),
        };
        let mut shares: Vec<(Cause, f64)> = Cause::ALL
            .into_iter()
            .map(|cause| (cause, share(cause)))
            .filter(|(_, share)| *share >= PRESENT)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Tail { shares }
    }

    /// Causes, the largest first.
    pub fn causes(&self) -> impl Iterator<Item = Cause> {
        self.shares.iter().map(|(cause, _)| *cause)
    }

    /// Whether any of `causes` is in it.
    pub fn has(&self, causes: &[Cause]) -> bool {
        self.shares.iter().any(|(cause, _)| causes.contains(cause))
    }
}

/// The larger of the longest block over the longest sojourn, and the share of the busy time.
fn of_main_thread(run: &RunResult, cause: Cause) -> f64 {
    let all = run.scopes.iter().find(|scope| scope.name == "all");
    let longest_sojourn = all.map_or(0, |scope| scope.sojourn.max()).max(1) as f64;
    let longest = run.blocks.iter().find(|blocks| blocks.cause == cause).map_or(0, |blocks| blocks.longest);
    let busy = run.busy[cause as usize] as f64 / run.busy_total.max(1) as f64;
    busy.max(longest as f64 / longest_sojourn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn causes_are_told_by_the_band_in_which_they_are_largest() {
        let band = |causes: Vec<(&'static str, u128)>| Band {
            from: "p99",
            to: "p999",
            to_ns: 7,
            requests: 3,
            sojourn_ns: causes.iter().map(|cause| cause.1).sum(),
            causes,
        };
        let bands = [
            band(vec![("command", 600), ("network", 400)]),
            band(vec![("fork", 9000), ("command", 970), ("cow", 30), ("cron", 1)]),
        ];
        let tail = Tail::of(&bands, &fixture::nothing());
        assert_eq!(tail.causes().collect::<Vec<_>>(), [Cause::Fork, Cause::Command]);
        assert!(tail.has(&[Cause::Cow, Cause::Fork]) && !tail.has(&[Cause::Cow]));
    }

    #[test]
    fn without_blame_a_long_block_and_a_busy_thread_count() {
        let tail = Tail::of(&[], &fixture::forks());
        // The command has nearly all of the busy time, the longest fork is the longest sojourn.
        assert_eq!(tail.causes().collect::<Vec<_>>(), [Cause::Fork, Cause::Command]);
    }
}
