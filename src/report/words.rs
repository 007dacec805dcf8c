//! The answer in words: which cause makes the tail, and how often it comes.
//!
//! Blocks explain a quantile when the requests they delay beyond it (`observe/tail.rs`) are a good part of those that
//! were; the cause with most of them is named. What several short blocks do together is seen only as queueing.

use super::phrase::{detail, noun, spans};
use crate::cause::Cause;
use crate::observe::result::{BlockTotals, RunResult, Scope};
use crate::observe::tail;
use crate::report::{About, LoopKind, busy_share, per_s};
use crate::units::{Nanos, format_count, format_span};

/// Least share of the requests beyond a quantile that all blocks must explain for the largest cause to be named.
const EXPLAINS: f64 = 0.5;
/// Share of what the blocks explain from which one cause is named alone; below it is `mostly` that cause.
const ALONE: f64 = 0.7;
/// Share of the requests beyond a quantile below which stalls leave it untouched.
const UNTOUCHED: f64 = 0.2;
/// Share of the worst sojourn that a single block must last to be its cause.
const EXPLAINS_WORST: f64 = 0.5;
/// Share of the median that the fsync of one's own turn must take to be mentioned.
const ALWAYS_SHARE: f64 = 0.3;
/// A block this share of a sojourn long is most of it for the request whose turn it came in.
const OWN: f64 = 0.9;

/// A quantile, or the maximum, and the blocks it comes from.
struct Level<'a> {
    name: &'static str,
    value: Nanos,
    /// None for ordinary work.
    source: Option<Origin<'a>>,
    /// Share of the requests beyond it that blocks explain.
    explained: f64,
}

/// The blocks that a quantile comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    blocks: &'a BlockTotals,
    /// The span beyond which they matter.
    beyond: Nanos,
    /// Other causes have a part in it.
    mostly: bool,
}

/// One to three sentences that name the cause of the tail.
pub fn answer(result: &RunResult, about: &About) -> Vec<String> {
    let Some(all) = result.scopes.iter().find(|scope| scope.name == "all" && scope.sojourn.count() > 0)
    else {
        return vec![format!("No request was answered; {} arrived.", format_count(result.requests as f64))];
    };
    if let Some(sentence) = overload(result, about) {
        return vec![sentence];
    }
    let levels = levels(result, about, all);
    let mut sentences: Vec<String> = always(result, all).into_iter().collect();
    sentences.extend(ordinary(result, &levels));
    let mut rest = levels.as_slice();
    while let Some(first) = rest.first() {
        let cause = |level: &Level| level.source.map(|origin| origin.blocks.cause);
        let same = rest.iter().take_while(|level| cause(level) == cause(first)).count();
        sentences.extend(stalls(result, &rest[..same]));
        rest = &rest[same..];
    }
    sentences.extend(worst_window(all));
    sentences
}

fn overload(result: &RunResult, about: &About) -> Option<String> {
    if about.loop_kind == LoopKind::Closed || !tail::is_overloaded(result) {
        return None;
    }
    let mut causes = Cause::ALL;
    causes.sort_by_key(|&cause| std::cmp::Reverse(result.busy[cause as usize]));
    let total = result.busy_total.max(1) as f64;
    let share = |cause: Cause| {
        format!("{} {:.0} %", cause.name(), 100.0 * result.busy[cause as usize] as f64 / total)
    };
    Some(format!(
        "Overloaded: {}/s arrive and {}/s are answered, so every quantile grows with the duration of the run. \
         The main thread is busy {:.0} % of the time: {}, {}.",
        format_count(per_s(result.requests, result)),
        format_count(per_s(result.completed, result)),
        100.0 * busy_share(result),
        share(causes[0]),
        share(causes[1])
    ))
}

/// P99, P99.9 and the maximum with their sources.
fn levels<'a>(result: &'a RunResult, about: &About, all: &Scope) -> Vec<Level<'a>> {
    let requests = all.sojourn.count() as f64;
    let base = all.sojourn.quantile(0.5);
    let closed = (about.loop_kind == LoopKind::Closed).then_some(about.connections);
    let quantile = |name, q: f64| {
        let value = all.sojourn.quantile(q);
        let beyond = value.saturating_sub(base);
        let own = (OWN * value as f64) as Nanos;
        let delayed = result.blocks.iter().map(|blocks| {
            (tail::delayed_beyond(result, blocks, beyond, closed) + tail::own_requests(blocks, own), blocks)
        });
        let total: f64 = delayed.clone().map(|(number, _)| number).sum();
        let explained = total / ((1.0 - q) * requests);
        let most = delayed.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|_| explained >= EXPLAINS);
        let origin = |(number, blocks)| Origin { blocks, beyond, mostly: number < ALONE * total };
        Level { name, value, source: most.map(origin), explained }
    };
    let worst = all.sojourn.max();
    let threshold = (EXPLAINS_WORST * worst.saturating_sub(base) as f64) as Nanos;
    let longest = result.blocks.iter().max_by_key(|blocks| blocks.longest);
    let source = longest.filter(|blocks| worst > base && blocks.longest > threshold);
    vec![
        quantile("P99", 0.99),
        quantile("P99.9", 0.999),
        Level {
            name: "worst",
            value: worst,
            source: source.map(|blocks| Origin { blocks, beyond: threshold, mostly: false }),
            explained: 1.0,
        },
    ]
}

/// What `appendfsync always` means for every request.
fn always(result: &RunResult, all: &Scope) -> Option<String> {
    let blocks =
        result.blocks.iter().find(|blocks| blocks.cause == Cause::AofFsyncAlways && blocks.count > 0)?;
    let mean = blocks.sum / blocks.count;
    let median = all.sojourn.quantile(0.5);
    (mean as f64 >= ALWAYS_SHARE * median as f64).then(|| {
        format!(
            "Every write waits for the fdatasync of its turn (appendfsync always): {} on average, {} a second, for \
             a median of {}.",
            format_span(mean),
            format_count(per_s(blocks.count, result).round()),
            format_span(median)
        )
    })
}

/// The levels that no stall explains.
fn ordinary(result: &RunResult, levels: &[Level]) -> Option<String> {
    let ordinary: Vec<&Level> = levels.iter().filter(|level| level.source.is_none()).collect();
    if ordinary.len() == levels.len() {
        return Some(format!(
            "No stall shapes the tail: {} are ordinary work and queueing at {:.0} % utilisation.",
            list(&ordinary),
            100.0 * busy_share(result)
        ));
    }
    match ordinary.as_slice() {
        [] => None,
        [level] if level.name == "P99" => {
            let touched = if level.explained < UNTOUCHED { "untouched" } else { "hardly touched" };
            Some(format!("P99 of the whole run, {}, is {touched} by stalls.", format_span(level.value)))
        }
        [level] if level.name == "worst" => {
            Some(format!("The worst, {}, is the work of several causes together.", format_span(level.value)))
        }
        _ => Some(format!("{} {} ordinary work and queueing.", list(&ordinary), are(ordinary.len()))),
    }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// `61.0 ms at P99.9 and 240 ms at worst`.
fn list(levels: &[&Level]) -> String {
    let parts: Vec<String> =
        levels.iter().map(|level| format!("{} at {}", format_span(level.value), level.name)).collect();
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.concat(),
    }
}

/// One sentence for levels that come from the same cause.
fn stalls(result: &RunResult, levels: &[Level]) -> Option<String> {
    let blocks = levels.first()?.source?.blocks;
    let beyond = levels.iter().filter_map(|level| level.source).map(|origin| origin.beyond).min()?;
    let mostly = levels.iter().any(|level| level.source.is_some_and(|origin| origin.mostly));
    let verb = if levels.len() == 1 { "comes" } else { "come" };
    let mostly = if mostly { "mostly " } else { "" };
    let levels: Vec<&Level> = levels.iter().collect();
    Some(format!("{} {verb} {mostly}from {}.", list(&levels), blocks_longer(result, blocks, beyond)))
}

/// `138 forks of 122 ms (BGSAVE, save 60 10000; one every 3 min)`: the blocks longer than `beyond`.
pub(super) fn blocks_longer(result: &RunResult, blocks: &BlockTotals, beyond: Nanos) -> String {
    let (count, spans) = spans(blocks, beyond);
    let noun = noun(blocks.cause, count == 1);
    let mut more: Vec<String> = detail(result, blocks.cause).into_iter().collect();
    if count >= 3 {
        let measured = result.duration.saturating_sub(result.warmup);
        more.push(format!("one every {}", plain_span(measured / count)));
    }
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    let number = if count == 1 { "one".to_owned() } else { format_count(count as f64) };
    format!("{number} {noun} of {spans}{more}")
}

/// The smallest windows' worst P99, when it is far above the whole run's.
fn worst_window(all: &Scope) -> Option<String> {
    let whole = all.sojourn.quantile(0.99);
    let worst = all.windows.iter().filter(|window| window.count > 0).max_by_key(|window| window.p99_worst)?;
    (worst.p99_worst > 2 * whole).then(|| {
        format!(
            "The worst {} window has a P99 of {}, at {}.",
            plain_span(worst.window),
            format_span(worst.p99_worst),
            format_span(worst.p99_worst_at)
        )
    })
}

/// A whole number of units without decimals: `10 s` where [`format_span`] has `10.0 s`.
pub(crate) fn plain_span(span: Nanos) -> String {
    format_span(span).replace(".00 ", " ").replace(".0 ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, about};
    use crate::units::{MICROSECOND, MILLISECOND, SECOND};

    fn words(result: &RunResult) -> String {
        answer(result, &about()).join(" ")
    }

    #[test]
    fn without_stalls_the_tail_is_ordinary_work() {
        assert_eq!(
            words(&fixture::quiet(5000)),
            "No stall shapes the tail: 119 us at P99, 120 us at P99.9 and 120 us at worst are ordinary work and \
             queueing at 10 % utilisation."
        );
    }

    #[test]
    fn forks_that_touch_less_than_one_per_cent_leave_p99_alone() {
        // p = S / ((1 − ρ) T) = 0.225 / (0.9 · 201) = 0.124 %; P99.9 ≈ S · (1 − 0.001 / p) + the base = 43.8 ms.
        assert_eq!(
            words(&fixture::forks()),
            "P99 of the whole run, 120 us, is untouched by stalls. 43.8 ms at P99.9 and 225 ms at worst come from \
             107 forks of 225 ms (BGSAVE, save 60 10000; one every 3 min). The worst 10 s window has a P99 of \
             134 ms, at 1 h 2 min."
        );
    }

    #[test]
    fn always_is_named_for_the_median_and_its_slow_syncs_for_the_tail() {
        let mut result = fixture::nothing();
        result.requests = 21_540_000;
        result.completed = result.requests;
        let sojourn = &mut result.scopes[0].sojourn;
        sojourn.record_n(1600 * MICROSECOND, 21_000_000);
        for step in 0..1000 {
            sojourn.record_n(1700 * MICROSECOND + step * 20 * MICROSECOND, 540);
        }
        fixture::busy(&mut result, Cause::AofFsyncAlways, 18_000 * SECOND);
        result.blocks.push(BlockTotals {
            cause: Cause::AofFsyncAlways,
            count: 15_100_000,
            sum: 15_000 * SECOND + 100_000 * 20 * MILLISECOND,
            longest: 20 * MILLISECOND,
            by_length: vec![(MILLISECOND, 15_000_000), (20 * MILLISECOND, 100_000)],
        });
        let words = words(&result);
        assert!(
            words
                .starts_with("Every write waits for the fdatasync of its turn (appendfsync always): 1.13 ms")
        );
        assert!(words.contains(
            "at P99.9 and 21.7 ms at worst come from 100 k fdatasyncs before the replies of 20.0 ms"
        ));
    }

    #[test]
    fn a_slow_sync_under_always_is_named_at_low_rates_too() {
        // Ten writes a second never meet another's fsync: each waits for its own, one in fifty takes 30 ms.
        let mut result = fixture::nothing();
        result.requests = 215_400;
        result.completed = result.requests;
        result.scopes[0].sojourn.record_n(1100 * MICROSECOND, 211_092);
        result.scopes[0].sojourn.record_n(30_100 * MICROSECOND, 4_308);
        result.blocks.push(BlockTotals {
            cause: Cause::AofFsyncAlways,
            count: 215_400,
            sum: 211_092 * MILLISECOND + 4_308 * 30 * MILLISECOND,
            longest: 30 * MILLISECOND,
            by_length: vec![(MILLISECOND, 211_092), (30 * MILLISECOND, 4_308)],
        });
        let words = words(&result);
        assert!(
            words.contains("30.1 ms at P99, 30.1 ms at P99.9 and 30.1 ms at worst come from 4308 fdatasyncs"),
            "{words}"
        );
    }

    #[test]
    fn waits_for_a_running_fsync_are_named_with_their_number() {
        let mut result = fixture::quiet(20_000);
        fixture::block(&mut result, Cause::AofWritePendingFsync, 900 * MILLISECOND, 300, "");
        assert!(
            words(&result).starts_with(
                "245 ms at P99, 835 ms at P99.9 and 900 ms at worst come from 300 AOF writes that waited for the \
                 running fdatasync of 900 ms (one every 71.8 s)."
            ),
            "{}",
            words(&result)
        );
    }

    #[test]
    fn noise_is_named_when_it_alone_makes_the_tail() {
        let mut result = fixture::quiet(5000);
        fixture::block(&mut result, Cause::HostNoise, 4 * MILLISECOND, 21_540, "");
        let words = words(&result);
        assert!(words.starts_with("P99 of the whole run, 120 us, is hardly touched by stalls."), "{words}");
        assert!(
            words.contains("from 21.5 k gaps in which the host ran something else of 4.00 ms"),
            "{words}"
        );
    }

    #[test]
    fn two_causes_that_share_a_tail_are_named_as_such() {
        let mut result = fixture::quiet(5000);
        fixture::block(&mut result, Cause::AofWritePendingFsync, 200 * MILLISECOND, 60, "");
        fixture::block(&mut result, Cause::Fork, 225 * MILLISECOND, 60, "");
        assert!(words(&result).contains("at P99.9 and 225 ms at worst come mostly from 60 forks of 225 ms"));
    }

    #[test]
    fn an_overloaded_open_loop_says_so_and_nothing_else() {
        let mut result = fixture::quiet(5000);
        result.requests *= 2;
        fixture::busy(&mut result, Cause::AofFsyncAlways, 19_000 * SECOND);
        let words = words(&result);
        assert!(words.starts_with("Overloaded: 10.0 k/s arrive and 5000/s are answered"), "{words}");
        assert!(words.ends_with("busy 98 % of the time: aof-fsync-always 90 %, command 10 %."), "{words}");
        let closed = About { loop_kind: LoopKind::Closed, ..about() };
        assert!(!answer(&result, &closed).concat().contains("Overloaded"));
    }

    #[test]
    fn nothing_answered_is_said() {
        assert_eq!(words(&fixture::nothing()), "No request was answered; 0 arrived.");
    }
}
