//! Figures as SVG. Coordinates are whole pixels and no time of day goes in, so equal results give equal bytes.

mod frame;
pub mod heat;
pub mod lines;
mod scale;
pub mod series;
pub mod timeline;

use super::layout::Layout;
use super::lines::Cell;
use super::points::Points;

/// Most notes under a figure.
const NOTES_MAX: usize = 5;

/// `1 ms` where tables have `1.00 ms`.
fn short(text: String) -> String {
    text.replace(".00 ", " ").replace(".0 ", " ")
}

/// What the metric is, and what is drawn beside it.
fn subtitle<'a>(
    points: &Points,
    layout: &Layout,
    mut cells: impl Iterator<Item = &'a Cell> + Clone,
) -> String {
    let mut parts = vec![points.metric.quantity.about.to_owned()];
    if cells.clone().any(|cell| cell.points > 1) {
        parts.push("median of several points, from smallest to largest".to_owned());
    } else if cells.any(|cell| cell.range.is_some()) && layout.y.is_none() {
        parts.push("with its 95 % interval".to_owned());
    }
    if !layout.with.is_empty() {
        let keys: Vec<&str> = layout.with.iter().map(|&axis| points.axes[axis].key.as_str()).collect();
        let verb = if keys.len() == 1 { "differs" } else { "differ" };
        parts.push(format!("{} {verb} as well", keys.join(", ")));
    }
    parts.join("; ")
}

/// Why cells have no value: one line a reason, with the places where it holds.
fn notes_of<'a, const N: usize>(cells: impl Iterator<Item = ([String; N], &'a Cell)>) -> Vec<String> {
    let mut notes: Vec<(&str, String, usize)> = Vec::new();
    for (place, cell) in cells.filter(|(_, cell)| cell.value.is_none()) {
        let Some((reason, _)) = cell.reasons.first() else { continue };
        match notes.iter_mut().find(|note| note.0 == reason) {
            Some(note) => note.2 += 1,
            None => {
                let place =
                    place.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", ");
                notes.push((reason, place, 0));
            }
        }
    }
    let more = notes.len().saturating_sub(NOTES_MAX);
    let mut lines: Vec<String> = notes
        .into_iter()
        .take(NOTES_MAX)
        .map(|(reason, place, others)| match others {
            0 => format!("× {place}: {reason}"),
            _ => format!("× {place} and {others} more: {reason}"),
        })
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more reasons in points.csv"));
    }
    lines
}
