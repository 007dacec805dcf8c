//! The metric along one axis as a figure: a line and the band of its intervals for each combination of other levels.

use plotters::element::{Circle, Cross, EmptyElement, PathElement, Polygon};
use plotters::prelude::ChartBuilder;
use plotters::style::{Color, RGBColor};

use super::frame::{Area, COLOURS, Chart, Frame, LEGEND, Refused, SIZE, axes, figure};
use super::scale::{Room, Scale};
use super::{notes_of, short, subtitle};
use crate::report::plot::layout::Layout;
use crate::report::plot::lines::{Cell, Line, extent_with_ranges, lines};
use crate::report::plot::points::{Axis, Points};
use crate::report::plot::source::Source;
use crate::report::plot::text::{Spacing, name, title};

/// More places than these are points without a line.
const PLACES_MAX: usize = 60;
/// Rows and columns of the labels of scales.
const LABELS: (u32, u32) = (44, 76);
/// Rows of a figure that are not its plot.
const AROUND: u32 = 122;
/// Rows of the marks of one line's points without a value.
const MARK: u32 = 11;

/// The figure.
///
/// # Errors
/// What to do when there are more lines than colours, or nothing to draw.
pub fn svg(points: &Points, layout: &Layout, source: &Source, spacing: Spacing) -> Result<String, String> {
    let lines = lines(points, layout);
    let axis = &points.axes[layout.x];
    if lines.len() > COLOURS.len() {
        let key = &points.axes[layout.by[0]].key;
        return Err(format!(
            "{} lines are too many for one figure, which has colours for {}\n  hold an axis at a level, as by --at \
             {key}={}, or draw a map of two with --y",
            lines.len(),
            COLOURS.len(),
            points.axes[layout.by[0]].levels[points.points[layout.shown[0]].levels[layout.by[0]]]
        ));
    }
    let Some(extent) = extent_with_ranges(lines.iter().flat_map(|line| &line.cells)) else {
        return Err(format!("no point has a value of {}", points.metric));
    };
    let label = |line: &Line| line.levels.join(", ");
    let labelled = lines.iter().filter(|line| !line.levels.is_empty());
    let by: Vec<&str> = layout.by.iter().map(|&axis| points.axes[axis].key.as_str()).collect();
    let frame = Frame {
        title: title(points, layout),
        subtitle: subtitle(points, layout, lines.iter().flat_map(|line| &line.cells)),
        notes: notes_of(lines.iter().flat_map(|line| {
            let place = |cell: &Cell| [label(line), format!("{}={}", axis.key, cell.place(axis))];
            line.cells.iter().map(move |cell| (place(cell), cell))
        })),
        source: source.line(),
        legend_title: by.join(", "),
        legend: COLOURS.into_iter().zip(labelled.map(label)).collect(),
    };
    let right = if frame.legend.is_empty() { 32 } else { LEGEND };
    let across = Room::Across(SIZE.0 - LABELS.1 - right);
    let unit = points.metric.quantity.unit;
    let is_logarithmic = spacing.is_logarithmic(extent);
    let x = if axis.numbers.is_empty() {
        Scale::of_places(axis.levels.iter().cloned(), across)
    } else {
        Scale::of_axis(axis, across)
    };
    let up = Room::Up(SIZE.1 - AROUND);
    let without = lines.iter().filter(|line| line.cells.iter().any(|cell| cell.value.is_none())).count();
    let strip = if without > 0 { MARK * (without as u32 + 1) } else { 0 };
    let y = Scale::of_values(extent, is_logarithmic, &|value| short(unit.show(value)), up)
        .with_strips(0, strip, up);
    let described = format!("{}{}", name(&points.metric), if is_logarithmic { " (logarithmic)" } else { "" });
    Ok(figure(&frame, |area| draw(area, x, y, axis, &described, &lines)))
}

fn draw(
    area: &Area<'_>,
    x: Scale,
    y: Scale,
    axis: &Axis,
    described: &str,
    lines: &[Line],
) -> Result<(), Refused> {
    let top = y.ends().1;
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(LABELS.0)
        .y_label_area_size(LABELS.1)
        .build_cartesian_2d(x, y)?;
    axes(&mut chart, axis.key.clone(), described)?;
    let mut below = 0;
    for (line, colour) in lines.iter().zip(COLOURS) {
        let along = |cell: &Cell| {
            let (first, last) = cell.levels;
            axis.numbers.get(first).map_or((first + last) as f64 / 2.0, |&number| number)
        };
        band(&mut chart, line, colour, &along)?;
        path(&mut chart, line, colour, &along)?;
        let missing: Vec<&Cell> = line.cells.iter().filter(|cell| cell.value.is_none()).collect();
        below += if missing.is_empty() { 0 } else { MARK as i32 };
        chart.draw_series(missing.into_iter().map(|cell| {
            EmptyElement::at((along(cell), top)) + Cross::new((0, below), 4, colour.stroke_width(2))
        }))?;
    }
    Ok(())
}

/// Stretches of neighbouring cells that have what `get` gives.
fn stretches<T>(cells: &[Cell], get: impl Fn(&Cell) -> Option<T>) -> Vec<Vec<T>> {
    let mut all = vec![Vec::new()];
    for cell in cells {
        match get(cell) {
            Some(found) => all.last_mut().expect("there is always one").push(found),
            None => all.push(Vec::new()),
        }
    }
    all.retain(|stretch| !stretch.is_empty());
    all
}

/// The intervals: a band, or a bar where one stands alone.
fn band(
    chart: &mut Chart<'_, '_>,
    line: &Line,
    colour: RGBColor,
    along: &dyn Fn(&Cell) -> f64,
) -> Result<(), Refused> {
    // A logarithmic scale has no place for 0, so a band ends where its scale does.
    let bottom = chart.y_range().start;
    let ends = |cell: &Cell| {
        let (low, high) = cell.range.filter(|_| cell.value.is_some())?;
        Some((along(cell), low.max(bottom), high))
    };
    for stretch in stretches(&line.cells, ends) {
        if stretch.len() == 1 || line.cells.len() > PLACES_MAX {
            let bars = stretch
                .into_iter()
                .map(|(x, low, high)| PathElement::new([(x, low), (x, high)], colour.mix(0.5)));
            chart.draw_series(bars)?;
        } else {
            let lower = stretch.iter().map(|&(x, low, _)| (x, low));
            let upper = stretch.iter().rev().map(|&(x, _, high)| (x, high));
            chart.draw_series([Polygon::new(lower.chain(upper).collect::<Vec<_>>(), colour.mix(0.2))])?;
        }
    }
    Ok(())
}

fn path(
    chart: &mut Chart<'_, '_>,
    line: &Line,
    colour: RGBColor,
    along: &dyn Fn(&Cell) -> f64,
) -> Result<(), Refused> {
    let is_sparse = line.cells.len() <= PLACES_MAX;
    for stretch in stretches(&line.cells, |cell| Some((along(cell), cell.value?))) {
        let radius = if is_sparse { 3 } else { 2 };
        chart.draw_series(stretch.iter().map(|&at| Circle::new(at, radius, colour.filled())))?;
        if is_sparse && stretch.len() > 1 {
            chart.draw_series([PathElement::new(stretch, colour.stroke_width(2))])?;
        }
    }
    Ok(())
}
