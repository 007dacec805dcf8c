//! A run over its time as a figure: the metric of each interval with the stalls, how many intervals are above a level,
//! and what windows of each length show.

use plotters::element::{Circle, PathElement};
use plotters::prelude::ChartBuilder;
use plotters::style::{Color, RGBColor};

use super::frame::{Area, COLOURS, Frame, GREY, LEGEND, Refused, SIZE, axes, figure};
use super::scale::{Room, Scale};
use super::short;
use crate::experiment::metric::Unit;
use crate::report::plot::source::Source;
use crate::report::plot::text::{Spacing, name};
use crate::report::plot::timeline::{Timeline, share_above, span};

/// Most parts that the time is cut into; each shows its largest interval.
const PARTS_MAX: usize = 1200;
/// Rows of the upper plot, and of its labels.
const UPPER: u32 = 230;
const LABELS: (u32, u32) = (40, 72);
/// Rows of the stalls below the line; the shortest has this share of them.
const STRIP: u32 = 40;
const STROKE_MIN: f64 = 0.1;
/// Columns of the lower left plot where there are two.
const LEFT: u32 = 430;
/// Most causes with a colour of their own.
const CAUSES_MAX: usize = 6;
/// Most levels of the lower left plot.
const LEVELS_MAX: usize = 200;

/// The figure.
///
/// # Errors
/// No interval has a request.
pub fn svg(timeline: &Timeline, source: &Source, spacing: Spacing) -> Result<String, String> {
    let values = timeline.values();
    let (Some(&low), Some(&high)) = (values.first(), values.last()) else {
        return Err("no interval has a request".to_owned());
    };
    let causes = timeline.causes();
    let named = causes.iter().take(CAUSES_MAX).zip(COLOURS.into_iter().skip(1));
    let mut legend = vec![(COLOURS[0], name(&timeline.metric))];
    legend.extend(timeline.whole.map(|_| (GREY, format!("{} of the whole run", name(&timeline.metric)))));
    legend.extend(named.map(|(cause, colour)| (colour, format!("{} ({} stalls)", cause.name, cause.number))));
    let by = timeline.interval().map_or_else(String::new, |length| format!(", by {}", span(length)));
    let frame = Frame {
        title: format!("{} over time{by}", name(&timeline.metric)),
        subtitle: format!("{}; strokes below the line are stalls", timeline.metric.quantity.about),
        legend_title: String::new(),
        legend,
        notes: Vec::new(),
        source: source.line(),
    };
    let extent = (low, timeline.windows.iter().fold(high, |high, windows| high.max(windows.worst)));
    let view = View { timeline, values: &values, extent, is_logarithmic: spacing.is_logarithmic(extent) };
    Ok(figure(&frame, |area| {
        let (upper, lower) = area.split_vertically(UPPER + LABELS.0);
        view.over_time(&upper)?;
        if timeline.windows.is_empty() {
            return view.above(&lower, SIZE.0 - LEGEND);
        }
        let (left, right) = lower.split_horizontally(LEFT);
        view.above(&left, LEFT)?;
        view.by_length(&right)
    }))
}

/// Stretches of a line over time: the largest value of each part, broken where there is none.
pub(super) fn stretches(intervals: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let parts = intervals.len().min(PARTS_MAX);
    let mut stretches = vec![Vec::new()];
    for part in 0..parts {
        let own = &intervals[part * intervals.len() / parts..(part + 1) * intervals.len() / parts];
        let largest =
            own.iter().filter_map(|&(at, value)| Some((at, value?))).max_by(|a, b| a.1.total_cmp(&b.1));
        match largest {
            Some(at) => stretches.last_mut().expect("there is always one").push(at),
            None => stretches.push(Vec::new()),
        }
    }
    stretches.retain(|stretch| stretch.len() > 1);
    stretches
}

struct View<'a> {
    timeline: &'a Timeline,
    values: &'a [f64],
    /// Smallest and largest value of any plot.
    extent: (f64, f64),
    is_logarithmic: bool,
}

impl View<'_> {
    fn show(&self, value: f64) -> String {
        short(self.timeline.metric.quantity.unit.show(value))
    }

    fn scale(&self, room: Room) -> Scale {
        Scale::of_values(self.extent, self.is_logarithmic, &|value| self.show(value), room)
    }

    /// The metric of each interval; strokes at the bottom are stalls, as high as they are long.
    fn over_time(&self, area: &Area<'_>) -> Result<(), Refused> {
        let intervals = &self.timeline.intervals;
        let length = self.timeline.interval().unwrap_or(1.0);
        let times = (intervals[0].0 - length, intervals[intervals.len() - 1].0);
        let across = Room::Across(SIZE.0 - LEGEND - LABELS.1);
        let y = self.scale(Room::Up(UPPER)).with_strips(STRIP, 0, Room::Up(UPPER));
        let ((bottom, top), above) = (y.ends(), self.scale(Room::Up(UPPER)).ends().0);
        let mut chart = ChartBuilder::on(area)
            .x_label_area_size(LABELS.0)
            .y_label_area_size(LABELS.1)
            .build_cartesian_2d(Scale::of_time(times, &span, across), y)?;
        axes(&mut chart, "simulated time", name(&self.timeline.metric))?;
        let causes = self.timeline.causes();
        for (cause, colour) in causes.iter().take(CAUSES_MAX).zip(COLOURS.into_iter().skip(1)) {
            let own = self.timeline.stalls.iter().filter(|stall| stall.cause == cause.name);
            let height = |span: f64| {
                let share = STROKE_MIN + (1.0 - STROKE_MIN) * span / causes[0].longest;
                match self.is_logarithmic {
                    true => bottom * libm::pow(above / bottom, share),
                    false => bottom + (above - bottom) * share,
                }
            };
            chart.draw_series(own.map(|stall| {
                PathElement::new(
                    [(stall.start, bottom), (stall.start, height(stall.span))],
                    colour.stroke_width(1),
                )
            }))?;
        }
        for stretch in stretches(&self.timeline.intervals) {
            chart.draw_series([PathElement::new(stretch, COLOURS[0].stroke_width(1))])?;
        }
        let whole = self.timeline.whole.filter(|whole| (bottom..=top).contains(whole));
        chart.draw_series(
            whole.map(|whole| PathElement::new([(times.0, whole), (times.1, whole)], GREY.stroke_width(1))),
        )?;
        Ok(())
    }

    /// The share of intervals above each level, on a logarithmic scale.
    fn above(&self, area: &Area<'_>, width: u32) -> Result<(), Refused> {
        let least = 1.0 / self.values.len() as f64;
        let share = |share: f64| short(Unit::Share.show(share));
        let height = SIZE.1 - UPPER - 160;
        let across = self.scale(Room::Across(width - LABELS.1));
        let up = Scale::of_values((least, 1.0), true, &share, Room::Up(height));
        let mut chart = ChartBuilder::on(area)
            .margin_top(14)
            .x_label_area_size(LABELS.0)
            .y_label_area_size(LABELS.1)
            .build_cartesian_2d(across, up)?;
        axes(&mut chart, format!("{} of an interval", name(&self.timeline.metric)), "intervals above")?;
        chart.draw_series([PathElement::new(self.survival(least), COLOURS[0].stroke_width(2))])?;
        Ok(())
    }

    /// (level, share of intervals above it) along the sorted values, each value's own step left out of many.
    fn survival(&self, least: f64) -> Vec<(f64, f64)> {
        let number = self.values.len();
        let mut levels: Vec<f64> = (0..number.min(LEVELS_MAX))
            // Closer together towards the largest: halves of what is left.
            .map(|level| {
                let left = libm::pow(number as f64, 1.0 - level as f64 / number.min(LEVELS_MAX) as f64);
                self.values[number - (left.round() as usize).clamp(1, number)]
            })
            .collect();
        levels.push(self.values[number - 1]);
        levels.dedup();
        levels.into_iter().map(|level| (level, share_above(self.values, level).max(least))).collect()
    }

    /// Median and worst window by length.
    fn by_length(&self, area: &Area<'_>) -> Result<(), Refused> {
        let windows = &self.timeline.windows;
        let places = windows.iter().map(|windows| span(windows.length));
        let across = Scale::of_places(places, Room::Across(SIZE.0 - LEGEND - LEFT - LABELS.1));
        let mut chart = ChartBuilder::on(area)
            .margin_top(14)
            .x_label_area_size(LABELS.0)
            .y_label_area_size(LABELS.1)
            .build_cartesian_2d(across, self.scale(Room::Up(SIZE.1 - UPPER - 160)))?;
        axes(&mut chart, "windows of: median, worst", "P99")?;
        let line: RGBColor = COLOURS[0];
        for (place, windows) in windows.iter().enumerate() {
            let (x, ends) = (place as f64, [windows.median, windows.worst]);
            chart.draw_series([PathElement::new(ends.map(|end| (x, end)), line.mix(0.4).stroke_width(6))])?;
            chart.draw_series(ends.map(|end| Circle::new((x, end), 4, line.filled())))?;
        }
        Ok(())
    }
}
