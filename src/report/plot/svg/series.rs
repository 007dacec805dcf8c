//! Several lines over simulated time in one figure.

use plotters::element::PathElement;
use plotters::prelude::ChartBuilder;
use plotters::style::Color;

use super::frame::{Area, COLOURS, Frame, LEGEND, Refused, SIZE, axes, figure};
use super::scale::{Room, Scale};
use super::short;
use super::timeline::stretches;
use crate::report::plot::source::Source;
use crate::report::plot::text::Spacing;
use crate::report::plot::timeline::span;

/// Rows and columns of the labels of scales.
const LABELS: (u32, u32) = (44, 76);
/// Rows of a figure that are not its plot.
const AROUND: u32 = 122;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is called.
    pub label: String,
    /// Time \[s\] and value; none breaks the line.
    pub points: Vec<(f64, Option<f64>)>,
}

/// The figure; `show` writes a value.
///
/// # Errors
/// When there is nothing to draw, or more lines than colours.
pub fn svg(
    title: &str,
    lines: &[Series],
    show: &dyn Fn(f64) -> String,
    source: &Source,
) -> Result<String, String> {
    let values = || lines.iter().flat_map(|line| line.points.iter().filter_map(|point| point.1));
    let times = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    if lines.len() > COLOURS.len() {
        return Err(format!("{title}: {} lines are too many for one figure", lines.len()));
    }
    if values().next().is_none() {
        return Err(format!("{title}: nothing to draw"));
    }
    let least = |a: f64, b: f64| a.min(b);
    let extent = (values().fold(f64::INFINITY, least), values().fold(f64::NEG_INFINITY, f64::max));
    let time = (times().fold(f64::INFINITY, least), times().fold(f64::NEG_INFINITY, f64::max));
    let logarithmic = Spacing::Auto.is_logarithmic(extent);
    let frame = Frame {
        title: title.to_owned(),
        subtitle: if logarithmic { "logarithmic scale".to_owned() } else { String::new() },
        legend: COLOURS.into_iter().zip(lines.iter().map(|line| line.label.clone())).collect(),
        source: source.line(),
        ..Frame::default()
    };
    let (across, up) = (Room::Across(SIZE.0 - LEGEND - LABELS.1), Room::Up(SIZE.1 - AROUND));
    let y = Scale::of_values(extent, logarithmic, &|value| short(show(value)), up);
    Ok(figure(&frame, |area| draw(area, Scale::of_time(time, &span, across), y, lines)))
}

fn draw(area: &Area<'_>, x: Scale, y: Scale, lines: &[Series]) -> Result<(), Refused> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(14)
        .x_label_area_size(LABELS.0)
        .y_label_area_size(LABELS.1)
        .build_cartesian_2d(x, y)?;
    axes(&mut chart, "simulated time", "")?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        for stretch in stretches(&line.points) {
            chart.draw_series([PathElement::new(stretch, colour.stroke_width(2))])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, values: &[Option<f64>]) -> Series {
        let points = values.iter().enumerate().map(|(second, &value)| (second as f64, value)).collect();
        Series { label: label.to_owned(), points }
    }

    #[test]
    fn each_line_has_its_colour_and_breaks_where_it_has_no_value() {
        let lines = [
            line("always", &[Some(1.0), Some(2.0), None, Some(3.0), Some(4.0)]),
            line("everysec", &[Some(2.0), Some(2.0), Some(2.0), Some(2.0), Some(50.0)]),
        ];
        let show = |value: f64| format!("{value} ms");
        let figure = svg("P99", &lines, &show, &Source::default()).expect("a figure");
        let strokes = |colour: &str| figure.matches(&format!("stroke=\"{colour}\"")).count();
        assert_eq!((strokes("#0072B2"), strokes("#D55E00")), (2, 1), "{figure}");
        for label in ["always", "everysec", "logarithmic scale", "10 ms"] {
            assert!(figure.contains(label), "{label}: {figure}");
        }
    }

    #[test]
    fn nothing_is_no_figure() {
        assert!(svg("P99", &[line("a", &[None])], &|_| String::new(), &Source::default()).is_err());
    }
}
