//! The metric along one axis: a line for each combination of levels of others.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::measure::Measure;
use super::points::{Axis, Outcome, Point, Points};

/// Most places along the axis that a table shows one by one; more are put together.
const PLACES_MAX: usize = 40;
/// Places that they are put together into.
const PLACES_TOGETHER: usize = 20;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The levels of the other axes that it stands for; empty when there is but one line.
    pub levels: Vec<String>,
    /// Along the axis.
    pub cells: Vec<Cell>,
}

/// What is known at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// First and last level of the axis that belong to the place.
    pub levels: (usize, usize),
    /// The metric; the median where several points have a value.
    pub value: Option<f64>,
    /// Its interval; smallest and largest where several points have a value.
    pub range: Option<(f64, f64)>,
    /// Points with a value.
    pub points: usize,
    /// Why points have none: each reason once, with their number.
    pub reasons: Vec<(String, usize)>,
}

/// The lines of `layout`, a cell for each level.
pub fn lines(points: &Points, layout: &Layout) -> Vec<Line> {
    by_place(points, layout, &|level| level)
}

/// The same with neighbouring levels put together where they are too many for a table.
pub fn short_lines(points: &Points, layout: &Layout) -> Vec<Line> {
    let places = places(&points.axes[layout.x]);
    by_place(points, layout, &|level| places[level])
}

/// The place of each level of an axis: its own, or one of few where numbers are many.
pub fn places(axis: &Axis) -> Vec<usize> {
    match (axis.numbers.first(), axis.numbers.last()) {
        (Some(&first), Some(&last)) if axis.numbers.len() > PLACES_MAX => {
            let along = |number: f64| if axis.logarithmic { libm::log10(number) } else { number };
            let width = (along(last) - along(first)) / PLACES_TOGETHER as f64;
            let place = |&number: &f64| ((along(number) - along(first)) / width) as usize;
            axis.numbers.iter().map(|number| place(number).min(PLACES_TOGETHER - 1)).collect()
        }
        _ => (0..axis.levels.len()).collect(),
    }
}

fn by_place(points: &Points, layout: &Layout, place: &dyn Fn(usize) -> usize) -> Vec<Line> {
    let mut groups: BTreeMap<Vec<usize>, BTreeMap<usize, Vec<&Point>>> = BTreeMap::new();
    for &shown in &layout.shown {
        let point = &points.points[shown];
        let line = groups.entry(layout.by.iter().map(|&axis| point.levels[axis]).collect()).or_default();
        line.entry(place(point.levels[layout.x])).or_default().push(point);
    }
    let named = |levels: Vec<usize>| {
        layout.by.iter().zip(levels).map(|(&axis, level)| points.axes[axis].levels[level].clone()).collect()
    };
    let cells = |places: BTreeMap<usize, Vec<&Point>>| {
        places.into_values().map(|points| Cell::of(&points, layout.x)).collect()
    };
    groups.into_iter().map(|(levels, places)| Line { levels: named(levels), cells: cells(places) }).collect()
}

impl Cell {
    /// What `points` say together; at least one.
    pub fn of(points: &[&Point], x: usize) -> Cell {
        let levels = points.iter().map(|point| point.levels[x]);
        let levels = (levels.clone().min().unwrap_or(0), levels.max().unwrap_or(0));
        let mut values: Vec<f64> = Vec::new();
        let mut interval = None;
        let mut reasons: Vec<(String, usize)> = Vec::new();
        for point in points {
            match &point.outcome {
                Outcome::Value(value, own) => {
                    values.push(*value);
                    interval = *own;
                }
                Outcome::Nothing(reason) => match reasons.iter_mut().find(|known| known.0 == *reason) {
                    Some(known) => known.1 += 1,
                    None => reasons.push((reason.clone(), 1)),
                },
            }
        }
        values.sort_by(f64::total_cmp);
        let range =
            if values.len() > 1 { values.first().copied().zip(values.last().copied()) } else { interval };
        Cell { levels, value: median(&values), range, points: values.len(), reasons }
    }

    /// Its place along `axis`: `1000/s`, or `1000/s to 2500/s`.
    pub fn place(&self, axis: &Axis) -> String {
        let (first, last) = self.levels;
        if first == last {
            return axis.levels[first].clone();
        }
        let show = |level: usize| {
            axis.measure.map_or_else(String::new, |measure: Measure| measure.show(axis.numbers[level]))
        };
        format!("{} to {}", show(first), show(last))
    }
}

/// The middle of ascending `values`; the mean of two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values.get(middle).copied(),
        _ => values.get(middle).zip(values.get(middle.wrapping_sub(1))).map(|(high, low)| (low + high) / 2.0),
    }
}

/// Smallest and largest of all values; none when nothing has one.
pub fn extent<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<(f64, f64)> {
    ends(cells.filter_map(|cell| cell.value))
}

/// Smallest and largest of all values and of the ends of their ranges; none when nothing has a value.
pub fn extent_with_ranges<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<(f64, f64)> {
    ends(cells.flat_map(|cell| {
        let range = cell.range.filter(|_| cell.value.is_some());
        cell.value.into_iter().chain(range.map(|ends| ends.0)).chain(range.map(|ends| ends.1))
    }))
}

fn ends(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.fold(None, |extent, number| {
        let (low, high) = extent.unwrap_or((number, number));
        Some((number.min(low), number.max(high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::layout::Request;
    use crate::report::plot::sample::POINTS;
    use std::fmt::Write;

    fn drawn(table: &str, lines: fn(&Points, &Layout) -> Vec<Line>) -> (Points, Vec<Line>) {
        let points = Points::read(table.as_bytes(), None).expect("a table of points");
        let layout = Layout::choose(&points, &Request::default()).expect("a layout");
        let lines = lines(&points, &layout);
        (points, lines)
    }

    #[test]
    fn a_line_has_a_cell_for_every_point_in_order_of_the_axis() {
        let (points, lines) = drawn(POINTS, lines);
        assert_eq!(lines.iter().map(|line| line.levels.concat()).collect::<Vec<_>>(), ["no", "always"]);
        let values: Vec<_> = lines[0].cells.iter().map(|cell| cell.value).collect();
        assert_eq!(values, [Some(300e3), Some(350e3), Some(2e6)]);
        assert_eq!(lines[0].cells[1].range, Some((340e3, 361e3)));
        let overloaded = &lines[1].cells[2];
        assert_eq!((overloaded.value, overloaded.reasons[0].1), (None, 1));
        assert_eq!(overloaded.place(&points.axes[1]), "100 k/s");
        assert_eq!(extent_with_ranges(lines[0].cells.iter()), Some((290e3, 2.3e6)));
        assert_eq!(extent(lines[0].cells.iter()), Some((300e3, 2e6)));
        assert_eq!(extent(lines[1].cells[2..].iter()), None);
    }

    #[test]
    fn many_levels_are_put_together_without_losing_a_point() {
        let mut table = "workload_rate_per_s,point,status,reason,sojourn_ns_p99\n".to_owned();
        for point in 0..1000 {
            let (status, value) = if point % 10 == 9 {
                ("overload", String::new())
            } else {
                ("ok", (1000 - point).to_string())
            };
            writeln!(table, "{},{point},{status},,{value}", 1000 + point).expect("a string takes every line");
        }
        let (points, lines) = drawn(&table, short_lines);
        let cells = &lines[0].cells;
        assert_eq!(cells.len(), PLACES_TOGETHER);
        assert_eq!(cells.iter().map(|cell| cell.points).sum::<usize>(), 900);
        assert_eq!(cells.iter().flat_map(|cell| &cell.reasons).map(|reason| reason.1).sum::<usize>(), 100);
        // The first holds 1000/s to 1049/s: 1000 less 0 to 48 without 9, 19, 29, 39.
        assert_eq!(cells[0].place(&points.axes[0]), "1000/s to 1049/s");
        assert_eq!((cells[0].value, cells[0].range), (Some(976.0), Some((952.0, 1000.0))));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(
            [median(&[]), median(&[1.0]), median(&[1.0, 2.0]), median(&[1.0, 2.0, 9.0])],
            [None, Some(1.0), Some(1.5), Some(2.0)]
        );
    }
}
