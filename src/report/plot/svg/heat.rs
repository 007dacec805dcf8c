//! The metric over two axes as a figure: a coloured cell for each pair of levels, and the scale of the colours.

use plotters::element::{Rectangle, Text};
use plotters::prelude::{ChartBuilder, ColorMap, ViridisRGB};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, WHITE};

use super::frame::{Area, FOOT, Frame, GREY, HEAD, INK, Refused, SIZE, figure, letters};
use super::scale::{Room, Scale};
use super::{notes_of, short, subtitle};
use crate::report::plot::heat::Heat;
use crate::report::plot::layout::Layout;
use crate::report::plot::lines::extent;
use crate::report::plot::points::Points;
use crate::report::plot::source::Source;
use crate::report::plot::text::{Spacing, name, title};

/// Columns of the colours' scale.
const COLOURS: u32 = 110;
/// Rows and columns of the labels of scales.
const LABELS: (u32, u32) = (44, 96);
/// Most cells with a number in each.
const NUMBERS_MAX: usize = 120;
/// Steps of the colours' scale.
const STEPS: u32 = 64;
/// What has no value.
const NOTHING: RGBColor = RGBColor(235, 235, 235);

/// The figure.
///
/// # Errors
/// There is no value at all.
pub fn svg(
    points: &Points,
    layout: &Layout,
    y: usize,
    source: &Source,
    spacing: Spacing,
) -> Result<String, String> {
    let heat = Heat::of(points, layout, y);
    let (across, up) = (&points.axes[layout.x], &points.axes[y]);
    let Some(extent) = extent(heat.cells.values()) else {
        return Err(format!("no point has a value of {}", points.metric));
    };
    let frame = Frame {
        title: title(points, layout),
        subtitle: subtitle(points, layout, heat.cells.values()),
        notes: notes_of(heat.cells.iter().map(|(&(row, column), cell)| {
            let column = format!("{}={}", across.key, heat.columns[column]);
            ([format!("{}={}", up.key, heat.rows[row]), column], cell)
        })),
        source: source.line(),
        ..Frame::default()
    };
    let plot = (SIZE.0 - LABELS.1 - COLOURS - 32, SIZE.1 - HEAD - FOOT - LABELS.0);
    let x = Scale::of_places(heat.columns.iter().cloned(), Room::Across(plot.0));
    let rows = Scale::of_places(heat.rows.iter().cloned(), Room::Up(plot.1));
    let unit = points.metric.quantity.unit;
    let is_logarithmic = spacing.is_logarithmic(extent);
    let show = |value: f64| short(unit.show(value));
    let shades = Shades { extent, is_logarithmic };
    Ok(figure(&frame, |area| {
        let (map, scale) = area.split_horizontally(plot.0 + LABELS.1);
        let mut chart = ChartBuilder::on(&map)
            .x_label_area_size(LABELS.0)
            .y_label_area_size(LABELS.1)
            .build_cartesian_2d(x, rows)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(INK)
            .label_style(letters(11.0, INK))
            .x_desc(across.key.clone())
            .y_desc(up.key.clone())
            .draw()?;
        let has_numbers = heat.cells.len() <= NUMBERS_MAX && plot.0 / heat.columns.len() as u32 >= 48;
        for (&(row, column), cell) in &heat.cells {
            let (x, y) = (column as f64, row as f64);
            let (colour, ink) = cell.value.map_or((NOTHING, GREY), |value| shades.of(value));
            chart.draw_series([Rectangle::new([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)], colour.filled())])?;
            if has_numbers || cell.value.is_none() {
                let text = cell.value.map_or_else(|| "×".to_owned(), show);
                let style = letters(10.0, ink).pos(Pos::new(HPos::Center, VPos::Center));
                chart.draw_series([Text::new(text, (x, y), style)])?;
            }
        }
        shades.draw(&scale, &name(&points.metric), &show)
    }))
}

/// Colours of values.
struct Shades {
    extent: (f64, f64),
    is_logarithmic: bool,
}

impl Shades {
    /// The colour of `value`, and of letters on it.
    fn of(&self, value: f64) -> (RGBColor, RGBColor) {
        let along = |value: f64| if self.is_logarithmic { libm::log(value) } else { value };
        let (low, high) = (along(self.extent.0), along(self.extent.1));
        let share = if high > low { (along(value) - low) / (high - low) } else { 0.5 };
        self.at(share)
    }

    fn at(&self, share: f64) -> (RGBColor, RGBColor) {
        let colour = ViridisRGB.get_color(share.clamp(0.0, 1.0));
        (colour, if share < 0.6 { WHITE } else { INK })
    }

    /// The scale of the colours beside the map.
    fn draw(&self, area: &Area<'_>, described: &str, show: &dyn Fn(f64) -> String) -> Result<(), Refused> {
        let (_, height) = area.dim_in_pixel();
        let (top, bottom) = (24, height as i32 - LABELS.0 as i32);
        let at = |step: u32| bottom - (bottom - top) * step as i32 / STEPS as i32;
        area.draw(&Text::new(described.to_owned(), (18, 4), letters(11.0, INK)))?;
        for step in 0..STEPS {
            let (colour, _) = self.at((f64::from(step) + 0.5) / f64::from(STEPS));
            area.draw(&Rectangle::new([(18, at(step + 1)), (32, at(step))], colour.filled()))?;
        }
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let (low, high) = self.extent;
            let value = if self.is_logarithmic {
                low * libm::pow(high / low, share)
            } else {
                low + (high - low) * share
            };
            let style = letters(10.0, INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(show(value), (38, at(STEPS * quarter / 4)), style))?;
        }
        Ok(())
    }
}
