//! Figures show every point at its place.
//!
//! Method: figures of small tables are read back as SVG. Circles are points, crosses are points without a value,
//! rectangles are cells of a map; places are whole pixels, so they may be off by one.

use std::fmt::Write;

use writepath::experiment::Metric;
use writepath::report::plot::layout::{Layout, Request};
use writepath::report::plot::points::Points;
use writepath::report::plot::source::Source;
use writepath::report::plot::svg;
use writepath::report::plot::text::Spacing;
use writepath::report::plot::timeline::Timeline;

/// Ends of the colours of maps (viridis).
const DARKEST: &str = "#440154";
const BRIGHTEST: &str = "#FEE825";

/// A sweep of rates, whose P99 rises by the same factor as they do; two policies, of which one has `missing` points
/// without a value.
fn table(missing: usize) -> String {
    let mut table =
        "redis_appendfsync,workload_rate_per_s,point,replications,scenario,seed,status,reason,sojourn_ns_p99,\
                     sojourn_ns_p99_low,sojourn_ns_p99_high\n"
            .to_owned();
    for (policy, factor) in [("no", 1.0), ("always", 3.0)] {
        for step in 0..5 {
            let rate = 1000 * 10_u64.pow(step);
            let value = 100.0 * factor * rate as f64;
            let row = match policy == "always" && step as usize >= 5 - missing {
                true => format!("overload,\"load of {step} & more <than> 1\",,,"),
                false => format!("ok,,{value},{},{}", 0.9 * value, 1.2 * value),
            };
            writeln!(table, "{policy},{rate},0,3,a & b,1,{row}").expect("a string takes every line");
        }
    }
    table
}

fn read(table: &str) -> Points {
    Points::read(table.as_bytes(), None).expect("a table of points")
}

fn lines(table: &str, spacing: Spacing) -> String {
    let points = read(table);
    let layout = Layout::choose(&points, &Request::default()).expect("a layout");
    let source = Source::default().completed(&points);
    svg::lines::svg(&points, &layout, &source, spacing).expect("a figure")
}

fn map(table: &str) -> String {
    let points = read(table);
    let request = Request { y: Some("appendfsync".to_owned()), ..Request::default() };
    let layout = Layout::choose(&points, &request).expect("a layout");
    let y = layout.y.expect("a map has two axes");
    svg::heat::svg(&points, &layout, y, &Source::default(), Spacing::Auto).expect("a figure")
}

/// The elements of a figure of this name: their attributes as text.
fn elements<'a>(svg: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    svg.lines().filter_map(move |line| line.strip_prefix('<')?.strip_prefix(name)?.strip_prefix(' '))
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let start = format!("{name}=\"");
    let from = element.find(&start).unwrap_or_else(|| panic!("{element} has {name}")) + start.len();
    element[from..].split('"').next().unwrap_or_default()
}

fn place(element: &str, name: &str) -> i32 {
    attribute(element, name).parse().expect("whole pixels")
}

/// Columns and rows of the circles of one colour.
fn circles(svg: &str, colour: &str) -> Vec<(i32, i32)> {
    let own = elements(svg, "circle").filter(|circle| attribute(circle, "fill") == colour);
    own.map(|circle| (place(circle, "cx"), place(circle, "cy"))).collect()
}

/// Rows of the ends of the strokes that crosses of one colour have, two each.
fn crosses(svg: &str, colour: &str) -> Vec<(i32, i32)> {
    let own = elements(svg, "line").filter(|line| attribute(line, "stroke") == colour);
    own.map(|line| (place(line, "y1"), place(line, "y2"))).collect()
}

fn first_colour(svg: &str) -> &str {
    attribute(elements(svg, "circle").next().expect("a circle"), "fill")
}

fn assert_even(steps: &[i32]) {
    let spread = steps.iter().max().expect("steps") - steps.iter().min().expect("steps");
    assert!(spread <= 1 && steps[0] != 0, "{steps:?}");
}

fn steps(places: impl Iterator<Item = i32>) -> Vec<i32> {
    let places: Vec<i32> = places.collect();
    places.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Every tag that is opened is closed, in order.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "a bracket in {text}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap_or_default()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn equal_factors_are_equally_far_apart_on_logarithmic_axes() {
    let svg = lines(&table(0), Spacing::Auto);
    let own = circles(&svg, first_colour(&svg));
    assert_eq!(own.len(), 5);
    assert_even(&steps(own.iter().map(|place| place.0)));
    assert_even(&steps(own.iter().map(|place| place.1)));
    // Of two policies a factor of 3 apart, the slower is above, by log 3 of a step.
    let all: Vec<(i32, i32)> =
        elements(&svg, "circle").map(|circle| (place(circle, "cx"), place(circle, "cy"))).collect();
    let above = f64::from(all[0].1 - all[5].1) / f64::from(all[0].1 - all[1].1);
    assert!((above - 3_f64.log10()).abs() < 0.04, "{above}");
}

#[test]
fn a_linear_scale_starts_at_zero() {
    let svg = lines(&table(0), Spacing::Linear);
    let own = circles(&svg, first_colour(&svg));
    // As far from the place of 0 as they are large: 1 s of one policy, 3 s of the other.
    let labels: Vec<&str> = svg.lines().collect();
    let zero = labels.windows(2).find(|pair| pair[1] == "0 ns").expect("a label at 0");
    let zero = place(zero[0], " y");
    let slower = elements(&svg, "circle").last().expect("a circle");
    let ratio = f64::from(zero - place(slower, "cy")) / f64::from(zero - own[4].1);
    assert!((ratio - 3.0).abs() < 0.05, "{ratio}");
}

#[test]
fn every_point_is_drawn_and_one_without_a_value_is_marked_with_its_reason() {
    for missing in 0..4 {
        let svg = lines(&table(missing), Spacing::Auto);
        assert_well_formed(&svg);
        assert_eq!(elements(&svg, "circle").count(), 10 - missing);
        // A cross is two strokes in the colour of its line.
        let colour = attribute(elements(&svg, "circle").last().expect("a circle"), "fill");
        assert_eq!(crosses(&svg, colour).len(), 2 * missing);
        assert_eq!(svg.matches("&amp; more &lt;than&gt; 1").count(), missing);
        assert!(svg.contains("always, workload_rate=10 M/s: load of 4") == (missing > 0), "{svg}");
        assert!(svg.contains("a &amp; b, 3 replications, seed 1"));
    }
}

#[test]
fn marks_of_each_line_have_a_row_of_their_own_above_all_values() {
    let fastest = "1,ok,,1000000000,900000000,1200000000";
    let svg = lines(&table(1).replace(fastest, "1,overload,slow,,,"), Spacing::Auto);
    let circles: Vec<&str> = elements(&svg, "circle").collect();
    assert_eq!(circles.len(), 8);
    let colours = [circles[0], circles[7]].map(|circle| attribute(circle, "fill"));
    let [first, second] = colours.map(|colour| crosses(&svg, colour));
    assert_eq!((first.len(), second.len()), (2, 2));
    let corners = elements(&svg, "polyline").flat_map(|line| attribute(line, "points").split_whitespace());
    let rows = corners.filter_map(|at| at.split_once(',')?.1.parse::<i32>().ok());
    let edge = rows.min().expect("the axis");
    let highest = circles.iter().map(|circle| place(circle, "cy")).min().expect("a circle");
    let within = |strokes: &[(i32, i32)], (from, to): (i32, i32)| {
        assert!(strokes.iter().all(|stroke| stroke.0.min(stroke.1) > from && stroke.0.max(stroke.1) < to));
    };
    let middle = (first[0].0 + first[0].1 + second[0].0 + second[0].1) / 4;
    within(&first, (edge, middle + 1));
    within(&second, (middle, highest));
}

#[test]
fn intervals_lie_around_their_values() {
    let svg = lines(&table(0), Spacing::Auto);
    let own = circles(&svg, first_colour(&svg));
    let band = elements(&svg, "polygon").next().expect("a band");
    let corners: Vec<(i32, i32)> = attribute(band, "points")
        .split_whitespace()
        .filter_map(|at| at.split_once(','))
        .map(|(x, y)| (x.parse().expect("pixels"), y.parse().expect("pixels")))
        .collect();
    assert_eq!(corners.len(), 10);
    let step = f64::from(own[0].1 - own[1].1);
    for (&(x, y), number) in own.iter().zip(0..) {
        let (lower, upper) = (corners[number], corners[9 - number]);
        assert_eq!((lower.0, upper.0), (x, x));
        assert!((f64::from(lower.1 - y) + 0.9_f64.log10() * step).abs() <= 1.0, "{corners:?} {own:?}");
        assert!((f64::from(y - upper.1) - 1.2_f64.log10() * step).abs() <= 1.0, "{corners:?} {own:?}");
    }
}

#[test]
fn a_map_has_a_cell_for_every_point_from_dark_to_bright() {
    let svg = map(&table(2));
    assert_well_formed(&svg);
    // Cells are larger than the steps of the colours' scale, and smaller than the white below everything.
    let cells: Vec<(i32, i32, &str)> = elements(&svg, "rect")
        .filter(|rect| (40..800).contains(&place(rect, "width")))
        .map(|rect| (place(rect, "x"), place(rect, "y"), attribute(rect, "fill")))
        .collect();
    assert_eq!(cells.len(), 10);
    // Words are upwards in the order of the sweep: no below, always above; rates to the right.
    assert!(cells[..5].iter().all(|cell| cell.1 > cells[5].1));
    assert_even(&steps(cells[..5].iter().map(|cell| cell.0)));
    assert_eq!((cells[0].2, cells[4].2), (DARKEST, BRIGHTEST));
    let nothing = cells[8].2;
    assert!(nothing == cells[9].2 && cells[..8].iter().all(|cell| cell.2 != nothing), "{cells:?}");
}

#[test]
fn equal_tables_give_equal_figures() {
    assert_eq!(lines(&table(1), Spacing::Auto), lines(&table(1), Spacing::Auto));
    assert_ne!(lines(&table(1), Spacing::Auto), lines(&table(2), Spacing::Auto));
    assert_eq!(map(&table(1)), map(&table(1)));
}

#[test]
fn too_many_lines_are_refused_with_what_to_do() {
    let mut rows = "redis_hz,workload_rate_per_s,point,status,sojourn_ns_p99\n".to_owned();
    for point in 0..33 {
        let (hz, rate) = (1 + point / 3, 1000 + point % 3);
        writeln!(rows, "{hz},{rate},{point},ok,1000").expect("a string takes every line");
    }
    let points = read(&rows);
    let layout = Layout::choose(&points, &Request { x: Some("rate".to_owned()), ..Request::default() });
    let layout = layout.expect("a layout");
    let refused = svg::lines::svg(&points, &layout, &Source::default(), Spacing::Auto);
    let refused = refused.expect_err("there are 11 lines");
    assert!(
        refused.starts_with("11 lines are too many") && refused.contains("--at redis_hz=1,"),
        "{refused}"
    );
}

/// P99 of a long run, 1 ms but for one second of 100 ms.
fn run(seconds: usize, slow: usize) -> String {
    let mut rows = "scenario,seed,time_s,sojourn_ns_p99\n".to_owned();
    for second in 1..=seconds {
        let p99 = if second == slow { 100_000_000 } else { 1_000_000 };
        writeln!(rows, "long,1,{second},{p99}").expect("a string takes every line");
    }
    let p99 = Metric::parse("p99").expect("a metric");
    let timeline = Timeline::read(rows.as_bytes(), &p99).expect("a timeline");
    svg::timeline::svg(&timeline, &Source::default(), Spacing::Auto).expect("a figure")
}

#[test]
fn one_slow_second_of_six_hours_is_seen_at_its_height_and_time() {
    let peak = |svg: &str| {
        let line =
            elements(svg, "polyline").max_by_key(|line| attribute(line, "points").len()).expect("a line");
        let at = attribute(line, "points").split_whitespace().filter_map(|at| at.split_once(','));
        at.map(|(x, y)| (y.parse::<i32>().expect("pixels"), x.parse::<i32>().expect("pixels"))).min()
    };
    let (short, long) = (run(100, 50), run(21_600, 10_800));
    assert_well_formed(&long);
    let ((short_y, short_x), (long_y, long_x)) =
        (peak(&short).expect("a peak"), peak(&long).expect("a peak"));
    assert_eq!(short_y, long_y);
    assert!((short_x - long_x).abs() <= 4, "in the middle of both: {short_x} {long_x}");
    assert!(long.len() < 60_000, "{} bytes", long.len());
}
