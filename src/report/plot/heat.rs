//! The metric over two axes: a cell for each pair of levels.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Layout;
use super::lines::{Cell, extent, places};
use super::points::{Point, Points};
use super::source::Source;
use super::text::{Spacing, heading, reason, share};
use crate::report::human::{BARS, FAINT, WIDTH, WRONG};
use crate::report::wrap::paint;

/// Shades of a cell where the table is too wide for numbers, lowest first.
const SHADES: [&str; 4] = ["░░", "▒▒", "▓▓", "██"];

/// A map of two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Names of the columns, from the left; of levels put together `≥` the first.
    pub columns: Vec<String>,
    /// Names of the rows, from below.
    pub rows: Vec<String>,
    /// By (row, column); what the sweep left out is not there.
    pub cells: BTreeMap<(usize, usize), Cell>,
}

impl Heat {
    /// The cells of `layout` over its axis and `y`; neighbouring numbers are put together where they are many.
    pub fn of(points: &Points, layout: &Layout, y: usize) -> Heat {
        let along = Side::of(points, layout, layout.x);
        let up = Side::of(points, layout, y);
        let mut cells: BTreeMap<(usize, usize), Vec<&Point>> = BTreeMap::new();
        for &shown in &layout.shown {
            let point = &points.points[shown];
            let place = (up.number[point.levels[y]], along.number[point.levels[layout.x]]);
            cells.entry(place).or_default().push(point);
        }
        let cells = cells.into_iter().map(|(place, points)| (place, Cell::of(&points, layout.x))).collect();
        Heat { columns: along.names, rows: up.names, cells }
    }
}

/// One side of a map.
struct Side {
    /// The row or column of each level of the axis; of levels without a point it means nothing.
    number: Vec<usize>,
    names: Vec<String>,
}

impl Side {
    fn of(points: &Points, layout: &Layout, axis: usize) -> Side {
        let levels = layout.shown.iter().map(|&shown| points.points[shown].levels[axis]);
        let levels: BTreeSet<usize> = levels.collect();
        let axis = &points.axes[axis];
        let places = places(axis);
        let (mut number, mut names) = (vec![0; places.len()], Vec::new());
        let mut last = None;
        for &level in &levels {
            if last != Some(places[level]) {
                let next = levels.range(level + 1..).next();
                let is_shared = next.is_some_and(|&next| places[next] == places[level]);
                names.push(match (is_shared, axis.measure) {
                    (true, Some(measure)) => format!("≥{}", measure.show(axis.numbers[level])),
                    _ => axis.levels[level].clone(),
                });
            }
            last = Some(places[level]);
            number[level] = names.len() - 1;
        }
        Side { number, names }
    }
}

/// The map for the terminal: numbers where they fit into 100 columns, else shades; reasons below.
pub fn render(points: &Points, layout: &Layout, y: usize, source: &Source, spacing: Spacing) -> String {
    let mut table = Table::new(points, layout, y, spacing);
    let mut text = heading(points, layout, source);
    let (across, down) = (&points.axes[layout.x], &points.axes[y]);
    let (each, start, gap) = (table.each, table.start, table.gap);
    let levels = table.heat.columns.iter().map(String::as_str);
    let head = match table.has_room {
        true => levels.map(|level| format!("{level:>each$}")).collect::<String>(),
        false => ends(levels),
    };
    text.push_str(&format!("\n  {:start$}  {}\n", "", paint(FAINT, &across.key)));
    text.push_str(&format!("  {}{gap}{head}\n", paint(FAINT, &format!("{:<start$}", down.key))));
    for row in (0..table.heat.rows.len()).rev() {
        let cells: String = (0..table.heat.columns.len()).map(|column| table.cell(row, column)).collect();
        text.push_str(format!("  {:<start$}{gap}{cells}", table.heat.rows[row]).trim_end());
        text.push('\n');
    }
    text.push_str(&table.below());
    text
}

/// A map as it is printed.
struct Table<'a> {
    points: &'a Points,
    heat: Heat,
    /// Smallest and largest value.
    extent: (f64, f64),
    logarithmic: bool,
    /// Numbers fit; else there are shades.
    has_room: bool,
    /// Columns of a cell, and of a row's name.
    each: usize,
    start: usize,
    /// Between a row's name and its cells.
    gap: &'static str,
    /// Why cells have no value, in order of the footnotes.
    reasons: Vec<String>,
}

impl Table<'_> {
    fn new<'a>(points: &'a Points, layout: &Layout, y: usize, spacing: Spacing) -> Table<'a> {
        let heat = Heat::of(points, layout, y);
        let extent = extent(heat.cells.values()).unwrap_or((0.0, 0.0));
        let widest = |names: &[String]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let start = widest(&heat.rows).max(points.axes[y].key.chars().count());
        let numbers = widest(&heat.columns).max(VALUE_MIN) + 2;
        let has_room = 2 + start + heat.columns.len() * numbers <= WIDTH;
        let each = if has_room { numbers } else { SHADES[0].chars().count() };
        let gap = if has_room { "" } else { "  " };
        let logarithmic = spacing.is_logarithmic(extent);
        Table { points, heat, extent, logarithmic, has_room, each, start, gap, reasons: Vec::new() }
    }

    /// The cell at a pair of levels, empty where the sweep has none.
    fn cell(&mut self, row: usize, column: usize) -> String {
        let each = self.each;
        let Some(cell) = self.heat.cells.get(&(row, column)) else { return " ".repeat(each) };
        let unit = self.points.metric.quantity.unit;
        let Some(value) = cell.value else {
            let reason = reason(cell, WIDTH - FOOTNOTE);
            let number = self.reasons.iter().position(|known| *known == reason).unwrap_or(self.reasons.len());
            if number == self.reasons.len() {
                self.reasons.push(reason);
            }
            let mark = if self.has_room {
                format!("{:>each$}", format!("[{}]", number + 1))
            } else {
                "××".to_owned()
            };
            return paint(WRONG, &mark);
        };
        if self.has_room {
            return format!("{:>each$}", unit.show(value));
        }
        let step = share(value, self.extent, self.logarithmic) * SHADES.len() as f64;
        paint(BARS, SHADES[(step as usize).min(SHADES.len() - 1)])
    }

    /// What shades and footnotes mean.
    fn below(&self) -> String {
        let mut text = String::new();
        if !self.has_room {
            let unit = self.points.metric.quantity.unit;
            let (low, high) = (unit.show(self.extent.0), unit.show(self.extent.1));
            let scale = if self.logarithmic { ", logarithmic" } else { "" };
            let shades = paint(BARS, &SHADES.concat());
            text.push_str(&format!("\n  {low} {shades} {high}{scale}\n"));
        }
        if !self.reasons.is_empty() {
            text.push('\n');
        }
        for (number, reason) in self.reasons.iter().enumerate().take(REASONS_MAX) {
            let mark = if self.has_room { format!("[{}]", number + 1) } else { "××".to_owned() };
            text.push_str(&format!("  {mark} {reason}\n"));
        }
        if self.reasons.len() > REASONS_MAX {
            text.push_str(&format!(
                "  and {} more reasons in points.csv\n",
                self.reasons.len() - REASONS_MAX
            ));
        }
        text
    }
}

/// Columns of a footnote's mark.
const FOOTNOTE: usize = 7;
/// Columns of a value.
const VALUE_MIN: usize = 8;
/// Most reasons that are listed.
const REASONS_MAX: usize = 12;

/// `1000/s to 100000/s`.
fn ends<'a>(mut levels: impl DoubleEndedIterator<Item = &'a str>) -> String {
    match (levels.next(), levels.next_back()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::layout::Request;
    use crate::report::plot::sample::POINTS;

    fn shown(table: &str) -> String {
        let points = Points::read(table.as_bytes(), None).expect("a table of points");
        let keys = |at: usize| Some(points.axes[at].key.clone());
        let request = Request { x: keys(1), y: keys(0), ..Request::default() };
        let layout = Layout::choose(&points, &request).expect("a layout");
        let text = render(&points, &layout, 0, &Source::default(), Spacing::Auto);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_small_map_has_numbers_and_says_why_a_cell_has_none() {
        let text = shown(POINTS);
        let expected = "\
article: P99 by workload_rate and redis_appendfsync  6 points

                     workload_rate
  redis_appendfsync    1000/s    10 k/s   100 k/s
  always                  [1]   9.00 ms       [2]
  no                   300 us    350 us   2.00 ms

  [1] needs 20 forks, has 3
  [2] offered load is 61.2; lower the rate
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn a_wide_map_has_shades_from_the_smallest_to_the_largest() {
        let mut table = "redis_hz,workload_rate_per_s,point,status,reason,sojourn_ns_p99\n".to_owned();
        for point in 0..40 {
            let status = if point == 39 { "overload,too much," } else { "ok,," };
            table +=
                &format!("{},{},{point},{status}{}\n", 10 + point % 2, 1000 + point / 2, 100 * (point + 1));
        }
        let text = shown(&table.replace("too much,4000", "too much,"));
        assert!(
            text.contains("\n  10        ░░▒▒")
                && text.contains("\n  11        ░░▒▒▓▓")
                && text.contains("██××\n"),
            "{text}"
        );
        assert!(text.contains("100 ns ░░▒▒▓▓██ 3.90 us, logarithmic\n\n  ×× too much\n"), "{text}");
    }

    #[test]
    fn many_numbers_are_put_together_without_losing_a_point() {
        let mut table = "redis_hz,workload_rate_per_s,point,status,sojourn_ns_p99\n".to_owned();
        for point in 0..3000 {
            table += &format!("{},{},{point},ok,{}\n", 10 + point % 3, 1000 + point / 3, point + 1);
        }
        let points = Points::read(table.as_bytes(), None).expect("a table of points");
        let request = Request { y: Some("hz".to_owned()), ..Request::default() };
        let layout = Layout::choose(&points, &request).expect("a layout");
        let heat = Heat::of(&points, &layout, 0);
        assert_eq!(heat.rows, ["10", "11", "12"]);
        assert_eq!((heat.columns.len(), heat.columns[0].as_str()), (20, "≥1000/s"));
        assert_eq!(heat.cells.values().map(|cell| cell.points).sum::<usize>(), 3000);
        // The first cell has points 0, 3 … 147 of hz 10, whose value is one more: 72 and 75 are in the middle.
        assert_eq!(heat.cells[&(0, 0)].value, Some(74.5));
    }
}
