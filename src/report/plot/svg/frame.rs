//! What surrounds a figure: title, legend, notes, and where the numbers come from.

use std::io;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::{Rectangle, Text};
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, WHITE};

use super::scale::Scale;
use crate::report::plot::text::cut;

/// Size of a figure \[pixels\].
pub const SIZE: (u32, u32) = (900, 500);
/// Columns of the legend, where there is one.
pub const LEGEND: u32 = 230;
/// Rows of the title.
pub const HEAD: u32 = 52;
/// Rows of the line that names the source.
pub const FOOT: u32 = 26;
/// Rows of a note.
pub const NOTE: u32 = 17;
/// From the left edge to text.
const MARGIN: i32 = 16;
/// Letters of the longest label of a legend, and of the longest line.
const LABEL_MAX: usize = 32;
const LINE_MAX: usize = 138;

/// Text and lines.
pub const INK: RGBColor = RGBColor(34, 34, 34);
/// What is beside the point.
pub const GREY: RGBColor = RGBColor(110, 110, 110);
/// Lines of the grid.
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Colours of lines that people tell apart, also with weak colour vision (Okabe and Ito 2008), on white.
pub const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
    RGBColor(140, 86, 75),
    RGBColor(148, 103, 189),
    RGBColor(150, 150, 30),
];

/// A part of a figure.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A part of a figure with two scales.
pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;
/// Why an element cannot be drawn; into a string every one can.
pub type Refused = DrawingAreaErrorKind<io::Error>;

/// What surrounds a figure.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The title.
    pub title: String,
    /// A smaller line under it.
    pub subtitle: String,
    /// What the legend's labels are levels of.
    pub legend_title: String,
    /// Colours and what they stand for.
    pub legend: Vec<(RGBColor, String)>,
    /// Lines under the figure.
    pub notes: Vec<String>,
    /// Where the numbers come from.
    pub source: String,
}

/// Draws the grid of a chart, and its axes with what they say: `x` below, `y` at the left.
pub fn axes(chart: &mut Chart<'_, '_>, x: impl Into<String>, y: impl Into<String>) -> Result<(), Refused> {
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(GRID).light_line_style(GRID).axis_style(INK);
    mesh.label_style(letters(11.0, INK)).x_desc(x).y_desc(y).draw()
}

/// Letters of about `pixels` height.
pub fn letters(pixels: f64, colour: RGBColor) -> TextStyle<'static> {
    // The backend writes a size that is this much smaller.
    ("sans-serif", pixels * 1.24).into_font().color(&colour)
}

/// A whole figure as SVG: the frame, and what `draw` puts into the area left.
pub fn figure(frame: &Frame, draw: impl FnOnce(&Area<'_>) -> Result<(), Refused>) -> String {
    let mut svg = String::new();
    {
        let notes = NOTE * frame.notes.len() as u32;
        let root = SVGBackend::with_string(&mut svg, (SIZE.0, SIZE.1 + notes)).into_drawing_area();
        let drawn = root.fill(&WHITE).and_then(|()| frame.draw(&root)).and_then(|()| {
            let right = if frame.legend.is_empty() { MARGIN as u32 } else { LEGEND };
            draw(&root.margin(HEAD, FOOT + notes, MARGIN, right))
        });
        drawn.and_then(|()| root.present()).expect("a string takes every element");
    }
    svg
}

impl Frame {
    fn draw(&self, root: &Area<'_>) -> Result<(), Refused> {
        let bold = ("sans-serif", 16.0 * 1.24, FontStyle::Bold).into_font().color(&INK);
        root.draw(&Text::new(cut(&self.title, LINE_MAX), (MARGIN, 12), bold))?;
        root.draw(&Text::new(cut(&self.subtitle, LINE_MAX), (MARGIN, 34), letters(11.0, GREY)))?;
        let left = (SIZE.0 - LEGEND) as i32 + 14;
        root.draw(&Text::new(cut(&self.legend_title, LABEL_MAX), (left, HEAD as i32), letters(11.0, GREY)))?;
        for (row, (colour, label)) in self.legend.iter().enumerate() {
            let top = HEAD as i32 + 20 + 20 * row as i32;
            root.draw(&Rectangle::new([(left, top + 2), (left + 14, top + 10)], colour.filled()))?;
            root.draw(&Text::new(cut(label, LABEL_MAX), (left + 20, top), letters(11.0, INK)))?;
        }
        let below = (SIZE.1 - FOOT) as i32 + 6;
        for (row, note) in self.notes.iter().enumerate() {
            let at = (MARGIN, below + (NOTE * row as u32) as i32);
            root.draw(&Text::new(cut(note, LINE_MAX), at, letters(11.0, INK)))?;
        }
        let at = (MARGIN, below + 2 + (NOTE * self.notes.len() as u32) as i32);
        root.draw(&Text::new(cut(&self.source, LINE_MAX), at, letters(10.0, GREY)))
    }
}
