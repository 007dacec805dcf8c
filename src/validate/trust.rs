//! The rows of several servers in one table: how far the simulator can be trusted, by mechanism.

use super::metric::{Figure, Tolerance};
use super::outcome::{Row, Tally, Validation};
use super::verdict::Verdict;

/// A line of the table: one figure of one mechanism on every server.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The mechanism.
    pub mechanism: &'a str,
    /// Name of the figure.
    pub metric: &'a str,
    /// How far both sides may be apart; none if this program does not know the figure.
    pub allowed: Option<Tolerance>,
    /// By server.
    pub cells: Vec<Cell>,
}

/// What a server's rows say of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Smallest and largest ratio of rows that were judged or not distinguishable.
    pub ratios: Option<(f64, f64)>,
    /// The rows by verdict.
    pub tally: Tally,
}

/// One line a figure of a mechanism, in the order in which the first validation with it has them.
pub fn lines(validations: &[Validation]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in validations.iter().flat_map(|validation| &validation.rows) {
        let is_same = |line: &Line<'_>| line.mechanism == row.mechanism && line.metric == row.metric;
        if !lines.iter().any(is_same) {
            // Figures of a mechanism stand together, whichever server had them first.
            let place = lines.iter().rposition(|line| line.mechanism == row.mechanism);
            let line = Line {
                mechanism: &row.mechanism,
                metric: &row.metric,
                allowed: row.allowed(),
                cells: validations.iter().map(|one| cell(one, row)).collect(),
            };
            lines.insert(place.map_or(lines.len(), |place| place + 1), line);
        }
    }
    lines
}

fn cell(validation: &Validation, like: &Row) -> Cell {
    let rows = || {
        let is_alike = |row: &&Row| row.mechanism == like.mechanism && row.metric == like.metric;
        validation.rows.iter().filter(is_alike)
    };
    let mut ratios: Vec<f64> = rows().filter_map(|row| row.ratio).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    Cell { ratios: ratios.first().copied().zip(ratios.last().copied()), tally: Tally::of(rows()) }
}

/// The rows that miss, the largest first: by how many times its tolerance a row is off.
pub fn misses(validation: &Validation) -> Vec<&Row> {
    let mut misses: Vec<&Row> = validation.rows.iter().filter(|row| row.verdict == Verdict::Miss).collect();
    misses.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
    misses
}

/// By how many times its tolerance a row is off; 0 where that is not known.
fn excess(row: &Row) -> f64 {
    let (Some(measured), Some(simulated)) = (row.measured, row.simulated) else { return 0.0 };
    let off = (simulated.value - measured.value).abs();
    match row.allowed() {
        Some(Tolerance::Relative(share)) => off / (share * measured.value.abs()).max(f64::MIN_POSITIVE),
        Some(Tolerance::Factor(factor)) => {
            let ratio = simulated.value / measured.value;
            libm::log(ratio.max(1.0 / ratio)) / libm::log(factor)
        }
        // About: counts vary at least as Poisson's do.
        Some(Tolerance::StandardErrors(errors)) => off / (errors * libm::sqrt(simulated.value.max(1.0))),
        None => 0.0,
    }
}

/// The unit of a figure's values for people; plain numbers of one that this program does not know.
pub fn show(row: &Row, value: f64) -> String {
    row.figure().map_or_else(|| value.to_string(), |figure: Figure| figure.unit().show(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::outcome::Head;
    use crate::validate::verdict::judge;

    fn row(workload: &str, mechanism: &str, figure: Figure, measured: f64, simulated: f64) -> Row {
        let tolerance = figure.tolerance();
        let judged = judge(&[measured], &[simulated], tolerance, 0.0).expect("values");
        Row::blank(workload, mechanism, figure, tolerance).judged(&judged)
    }

    fn validation(rows: Vec<Row>) -> Validation {
        Validation { head: Head::default(), verdicts: Tally::of(&rows), rows }
    }

    #[test]
    fn rows_of_a_mechanism_come_together_over_cases_and_servers() {
        let one = validation(vec![
            row("pipeline-1", "pipeline", Figure::Cpu, 100.0, 95.0),
            row("pipeline-4", "pipeline", Figure::Cpu, 100.0, 130.0),
            row("fork-1", "fork", Figure::Child, 100.0, 100.0),
        ]);
        let other = validation(vec![row("pipeline-1", "pipeline", Figure::P50, 10.0, 11.0)]);
        let both = [one, other];
        let lines = lines(&both);
        let names: Vec<_> = lines.iter().map(|line| (line.mechanism, line.metric)).collect();
        assert_eq!(names, [("pipeline", "cpu"), ("pipeline", "p50"), ("fork", "child")]);
        assert_eq!(lines[0].cells[0].ratios, Some((0.95, 1.3)));
        assert_eq!((lines[0].cells[0].tally.pass, lines[0].cells[0].tally.miss), (1, 1));
        assert_eq!(lines[0].cells[1], Cell::default());
        assert_eq!(lines[1].cells[1].ratios, Some((1.1, 1.1)));
    }

    #[test]
    fn the_largest_miss_is_the_one_furthest_beyond_its_own_tolerance() {
        let all = validation(vec![
            row("a", "fork", Figure::Child, 100.0, 160.0),   // 2.4 times 25 %
            row("b", "pipeline", Figure::Cpu, 100.0, 130.0), // 3 times 10 %
            row("c", "pipeline", Figure::P99, 100.0, 160.0), // log 1.6 / log 1.5
            row("d", "pipeline", Figure::P50, 100.0, 110.0),
        ]);
        let names: Vec<_> = misses(&all).iter().map(|row| row.workload.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
    }
}
