//! The metric along one axis for the terminal: a row with a bar for each place, within 100 columns.

use super::layout::Layout;
use super::lines::{Cell, extent, short_lines};
use super::points::Points;
use super::source::Source;
use crate::experiment::Metric;
use crate::experiment::metric::{Source as Kind, Unit};
use crate::report::human::{BARS, FAINT, HEADING, TITLE, WIDTH, WRONG};
use crate::report::sparkline::bar;
use crate::report::wrap::paint;

/// Cells of the longest bar.
const BAR_MAX: usize = 40;
/// A logarithmic bar of the smallest value is this share of the longest.
const BAR_OF_LEAST: f64 = 0.05;
/// Values that differ by this factor are drawn on a logarithmic scale, unless told otherwise.
const LOGARITHMIC_FROM: f64 = 10.0;

/// The scale of the metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Logarithmic if the values differ by a factor of 10.
    #[default]
    Auto,
    /// From 0.
    Linear,
    /// By powers.
    Logarithmic,
}

impl Spacing {
    /// Whether values from `low` to `high` are drawn on a logarithmic scale.
    pub fn is_logarithmic(self, (low, high): (f64, f64)) -> bool {
        match self {
            _ if low <= 0.0 => false,
            Spacing::Auto => high >= LOGARITHMIC_FROM * low,
            Spacing::Linear => false,
            Spacing::Logarithmic => true,
        }
    }
}

/// The share of `value` on the scale from the smallest to the largest of `extent`.
pub fn share(value: f64, (low, high): (f64, f64), logarithmic: bool) -> f64 {
    if !logarithmic {
        return if high > 0.0 { value / high } else { 0.0 };
    }
    let range = libm::log(high) - libm::log(low);
    let share = if range > 0.0 { (libm::log(value) - libm::log(low)) / range } else { 1.0 };
    BAR_OF_LEAST + (1.0 - BAR_OF_LEAST) * share
}

/// What a metric is called in a heading: `P99.9`, `write P99`, `throughput`.
pub fn name(metric: &Metric) -> String {
    let name = match metric.quantity.source {
        Kind::Quantile(share) => format!("P{}", (share * 1e6).round() / 1e4),
        Kind::Mean => "mean sojourn".to_owned(),
        Kind::Max => "longest sojourn".to_owned(),
        Kind::Run(_) => metric.quantity.name.to_owned(),
    };
    metric.scope.as_ref().map_or(name.clone(), |scope| format!("{scope} {name}"))
}

/// The whole text, with colours as ANSI sequences.
pub fn render(points: &Points, layout: &Layout, source: &Source, spacing: Spacing) -> String {
    let lines = short_lines(points, layout);
    let axis = &points.axes[layout.x];
    let cells = || lines.iter().flat_map(|line| &line.cells);
    let extent = extent(cells()).unwrap_or((0.0, 0.0));
    let logarithmic = spacing.is_logarithmic(extent);
    let several = cells().any(|cell| cell.points > 1);
    let mut text = heading(points, layout, source);
    text.push_str(&notes(points, layout, logarithmic, several));
    let places = cells().map(|cell| width(&cell.place(axis))).max().unwrap_or(0).max(width(&axis.key));
    let unit = points.metric.quantity.unit;
    let ranges = cells().map(|cell| width(&range(cell, unit, several))).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(2 + places + 2 + VALUE + 2 + ranges + 2).min(BAR_MAX);
    let head = format!("{:<places$}  {:>VALUE$}", axis.key, if several { "median" } else { "value" });
    let head_of_range = match (several, ranges) {
        (_, 0) => "",
        (true, _) => "  all points",
        (false, _) => "  95 % interval",
    };
    for line in &lines {
        text.push('\n');
        if !line.levels.is_empty() {
            let named = layout.by.iter().zip(&line.levels);
            let label = named.map(|(&axis, level)| format!("{}={level}", points.axes[axis].key));
            text.push_str(&format!("{}\n", paint(HEADING, &label.collect::<Vec<_>>().join(", "))));
        }
        text.push_str(&format!("  {}\n", paint(FAINT, &format!("{head}{head_of_range}"))));
        for cell in &line.cells {
            let start = format!("  {:<places$}  ", cell.place(axis));
            let row = match cell.value {
                Some(value) => {
                    let bar = bar(share(value, extent, logarithmic), room);
                    let range = format!("{:<ranges$}", range(cell, unit, several));
                    format!("{:>VALUE$}  {range}  {}{}", unit.show(value), paint(BARS, &bar), without(cell))
                }
                None => format!("{:>VALUE$}  {}", "-", reason(cell, WIDTH - width(&start) - VALUE - 2)),
            };
            text.push_str(&format!("{start}{}\n", row.trim_end()));
        }
    }
    text
}

/// Columns of a value.
const VALUE: usize = 9;

fn width(text: &str) -> usize {
    text.chars().count()
}

/// What is shown: `P99 along workload_rate, redis_hz=10`.
pub fn title(points: &Points, layout: &Layout) -> String {
    let along = &points.axes[layout.x].key;
    let over = match layout.y {
        None => format!("along {along}"),
        Some(y) => format!("by {along} and {}", points.axes[y].key),
    };
    let held = layout.at.iter().map(|&(axis, level)| {
        let axis = &points.axes[axis];
        format!(", {}={}", axis.key, axis.levels[level])
    });
    format!("{} {over}{}", name(&points.metric), held.collect::<String>())
}

/// The first line: what is shown, of what, from where.
pub fn heading(points: &Points, layout: &Layout, source: &Source) -> String {
    let scenario = if points.scenario.is_empty() { String::new() } else { format!("{}: ", points.scenario) };
    let title = format!("{scenario}{}", title(points, layout));
    let number = layout.shown.len();
    let facts = match source.facts() {
        facts if facts.is_empty() => format!("{number} points"),
        facts => format!("{number} points, {facts}"),
    };
    let gap = if width(&title) + 2 + width(&facts) > WIDTH { "\n" } else { "  " };
    format!("{}{gap}{}\n", paint(TITLE, &title), paint(FAINT, &facts))
}

/// What a reader must know of the rows.
fn notes(points: &Points, layout: &Layout, logarithmic: bool, several: bool) -> String {
    let mut notes = Vec::new();
    if !layout.with.is_empty() {
        let keys: Vec<&str> = layout.with.iter().map(|&axis| points.axes[axis].key.as_str()).collect();
        let verb = if keys.len() == 1 { "differs" } else { "differ" };
        notes.push(format!("{} {verb} from point to point as well", keys.join(", ")));
    }
    if several {
        notes.push("rows of several points have their median, smallest and largest".to_owned());
    }
    if logarithmic {
        notes.push("bars are logarithmic".to_owned());
    }
    notes.iter().map(|note| format!("{}\n", paint(FAINT, note))).collect()
}

/// `290 us to 310 us`; empty without an interval, and for one point where others have several.
fn range(cell: &Cell, unit: Unit, several: bool) -> String {
    match (cell.value, cell.range) {
        (Some(_), _) if several && cell.points == 1 => String::new(),
        (Some(_), Some((low, high))) => format!("{} to {}", unit.show(low), unit.show(high)),
        _ => String::new(),
    }
}

/// How many points of a place with a value have none.
fn without(cell: &Cell) -> String {
    match cell.reasons.iter().map(|reason| reason.1).sum::<usize>() {
        0 => String::new(),
        number => paint(WRONG, &format!("  {number} without a value")),
    }
}

/// Why a place has no value, cut to `room` columns.
pub fn reason(cell: &Cell, room: usize) -> String {
    let Some((reason, number)) = cell.reasons.first() else { return String::new() };
    let more = if cell.reasons.len() > 1 { " and other reasons" } else { "" };
    let times = if *number > 1 { format!("{number} x ") } else { String::new() };
    paint(WRONG, &cut(&format!("{times}{reason}{more}"), room))
}

/// `text` in at most `room` columns.
pub fn cut(text: &str, room: usize) -> String {
    match width(text) > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::layout::Request;
    use crate::report::plot::sample::{POINTS, TOGETHER};

    fn shown(table: &str, spacing: Spacing) -> String {
        let points = Points::read(table.as_bytes(), None).expect("a table of points");
        let layout = Layout::choose(&points, &Request::default()).expect("a layout");
        let source = Source { seed: Some(1), ..Source::default() };
        anstream::adapter::strip_str(&render(&points, &layout, &source, spacing)).to_string()
    }

    #[test]
    fn every_point_has_a_row_with_its_value_or_its_reason() {
        let text = shown(POINTS, Spacing::Auto);
        let expected = "\
article: P99 along workload_rate  6 points, seed 1
bars are logarithmic

redis_appendfsync=no
  workload_rate      value  95 % interval
  1000/s            300 us  290 us to 310 us    ██
  10 k/s            350 us  340 us to 361 us    ███▊
  100 k/s          2.00 ms  1.80 ms to 2.30 ms  ███████████████████████▎

redis_appendfsync=always
  workload_rate      value  95 % interval
  1000/s                 -  needs 20 forks, has 3
  10 k/s           9.00 ms                      ████████████████████████████████████████
  100 k/s                -  offered load is 61.2; lower the rate
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn a_linear_bar_is_as_long_as_its_value() {
        let text = shown(TOGETHER, Spacing::Linear);
        assert!(text.contains("workload_connections differs from point to point as well"), "{text}");
        let bars: Vec<usize> =
            text.lines().map(|line| line.matches('█').count()).filter(|&n| n > 0).collect();
        // 300, 310 and 320 us of 40 cells: 37.5, 38.75, 40.
        assert_eq!(bars, [37, 38, 40]);
    }

    #[test]
    fn scales_follow_the_values_unless_told() {
        assert!(Spacing::Auto.is_logarithmic((1.0, 10.0)) && !Spacing::Auto.is_logarithmic((1.0, 9.0)));
        assert!(
            Spacing::Logarithmic.is_logarithmic((1.0, 1.5))
                && !Spacing::Logarithmic.is_logarithmic((0.0, 1.0))
        );
        assert!(!Spacing::Linear.is_logarithmic((1.0, 100.0)));
        assert!((share(10.0, (1.0, 100.0), true) - 0.525).abs() < 1e-12);
        assert_eq!((share(5.0, (0.0, 10.0), false), share(0.0, (0.0, 0.0), false)), (0.5, 0.0));
        assert_eq!(share(3.0, (3.0, 3.0), true), 1.0);
    }

    #[test]
    fn long_reasons_are_cut() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(name(&Metric::parse("write:p99.9").expect("a metric")), "write P99.9");
    }
}
