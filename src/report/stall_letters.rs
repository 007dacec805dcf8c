//! What stands under the sparkline of a run: a letter for the stall that made a cell high.

use super::sparkline::parts;
use crate::observe::result::{EventRow, RunResult};
use crate::units::Nanos;

/// Causes that get a letter; rarer ones share [`OTHERS`].
const LETTERS: usize = 5;
const OTHERS: char = '*';

/// A line of letters, one a cell of `width`, and the legend; none where no stall shows.
///
/// A cell gets the longest stall within it if that lasted at least half of the cell's P99: the requests that it held up
/// then are those beyond the P99, or near it.
pub fn lines(result: &RunResult, width: usize) -> Option<(String, String)> {
    let rows = &result.timeline;
    let p99 = |cell: std::ops::Range<usize>| -> Option<Nanos> {
        rows[cell].iter().filter_map(|row| row.sojourn).map(|sojourn| sojourn[2]).max()
    };
    let (low, high) = parts(rows.len(), width)
        .filter_map(p99)
        .fold((Nanos::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
    let is_high = |value: Nanos| value as f64 > (low as f64 * high as f64).sqrt();
    let causes: Vec<Option<&'static str>> = parts(rows.len(), width)
        .map(|cell| {
            let from = cell.start.checked_sub(1).map_or(result.warmup, |before| rows[before].at);
            let until = rows[cell.end - 1].at;
            let value = p99(cell).filter(|value| is_high(*value))?;
            let stall = longest(&result.events, from, until)?;
            (2 * stall.span >= value).then_some(stall.cause)
        })
        .collect();
    let alphabet = alphabet(&causes);
    let letter =
        |cause: &str| alphabet.iter().find(|(_, name)| *name == cause).map_or(OTHERS, |found| found.0);
    let line: String = causes.iter().map(|cause| cause.map_or(' ', letter)).collect();
    if alphabet.is_empty() {
        return None;
    }
    let mut legend: Vec<String> = alphabet.iter().map(|(letter, name)| format!("{letter} {name}")).collect();
    if line.contains(OTHERS) {
        legend.push(format!("{OTHERS} others"));
    }
    Some((line, legend.join(", ")))
}

/// The longest stall that touches a time.
fn longest(events: &[EventRow], from: Nanos, until: Nanos) -> Option<&EventRow> {
    let touching = events.iter().take_while(|row| row.at < until).filter(|row| row.at + row.span > from);
    touching.filter(|row| row.span > 0).max_by_key(|row| row.span)
}

/// Letters of the causes with the most cells: the first of a name's that is free, initials of its words first.
fn alphabet(causes: &[Option<&'static str>]) -> Vec<(char, &'static str)> {
    let mut counts: Vec<(usize, &'static str)> = Vec::new();
    for cause in causes.iter().flatten() {
        match counts.iter_mut().find(|(_, name)| name == cause) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, cause)),
        }
    }
    counts.sort_by_key(|&(count, name)| (std::cmp::Reverse(count), name));
    let mut alphabet: Vec<(char, &'static str)> = Vec::new();
    for (_, name) in counts.into_iter().take(LETTERS) {
        let initials = name.split('-').filter_map(|word| word.chars().next());
        let mut wanted = initials.chain(name.chars().filter(char::is_ascii_lowercase));
        if let Some(letter) = wanted.find(|letter| alphabet.iter().all(|(taken, _)| taken != letter)) {
            alphabet.push((letter, name));
        }
    }
    alphabet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::result::TimelineRow;
    use crate::report::fixture;
    use crate::units::{MILLISECOND, SECOND};

    fn result(p99: &[Nanos], events: &[(Nanos, Nanos, &'static str)]) -> RunResult {
        let mut result = fixture::nothing();
        result.warmup = 0;
        let row = |(index, &value): (usize, &Nanos)| TimelineRow {
            at: (index as Nanos + 1) * SECOND,
            sojourn: Some([value; 5]),
            ..TimelineRow::default()
        };
        result.timeline = p99.iter().enumerate().map(row).collect();
        let event = |&(at, span, cause): &(Nanos, Nanos, &'static str)| EventRow {
            at,
            span,
            cause,
            detail: String::new(),
        };
        result.events = events.iter().map(event).collect();
        result
    }

    #[test]
    fn a_high_cell_has_the_letter_of_the_stall_that_made_it() {
        const HIGH: Nanos = 100 * MILLISECOND;
        let events = [
            (SECOND / 2, 150 * MILLISECOND, "fork"),
            (SECOND + 1, 120 * MILLISECOND, "fork"),
            (SECOND + 2, 0, "child-exit"),
            (SECOND + SECOND / 2, MILLISECOND, "host-noise"),
            (3 * SECOND + 5, 30 * MILLISECOND, "host-noise"),
            (5 * SECOND - 5, 150 * MILLISECOND, "freeze"),
        ];
        // Low in the 1st; the 4th is high for another reason than its short stall; a stall reaches over the 5th's end.
        let result = result(&[MILLISECOND, HIGH, MILLISECOND, HIGH, HIGH, HIGH], &events);
        let (line, legend) = lines(&result, 72).expect("stalls show");
        assert_eq!(line, " o  ff");
        assert_eq!(legend, "f freeze, o fork");
    }

    #[test]
    fn without_stalls_there_is_no_line() {
        assert_eq!(lines(&result(&[MILLISECOND, SECOND], &[]), 72), None);
        assert_eq!(lines(&fixture::nothing(), 72), None);
    }

    #[test]
    fn rare_causes_share_a_sign() {
        let names = ["aa", "ab", "ac", "ad", "ae", "af"].map(Some);
        let letters: Vec<char> = alphabet(&names).iter().map(|(letter, _)| *letter).collect();
        assert_eq!(letters, ['a', 'b', 'c', 'd', 'e']);
    }
}
