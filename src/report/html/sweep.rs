//! The page of a sweep: any metric along any axis, as a map of two, and as a table.

use serde_json::{Value, json};

use super::files::{Files, MANIFEST, Unreadable, table_fault};
use super::manifest;
use super::view::{Chart, Page, Section, Tile, rounded};
use crate::experiment::Metric;
use crate::experiment::metric::Unit;
use crate::report::plot::layout::{Layout, Request};
use crate::report::plot::points::{Outcome, Points};
use crate::report::plot::source::Source;
use crate::report::plot::table::Table as Csv;

/// The page.
///
/// # Errors
/// A file is missing or damaged.
pub fn page(files: &Files) -> Result<Page, Unreadable> {
    let file = "points.csv";
    let bytes = files.need(file)?;
    let fault = table_fault(file);
    let header = Csv::open(bytes).map_err(&fault)?.header().clone();
    let known =
        Metric::all().into_iter().filter(|metric| header.iter().any(|column| column == metric.column()));
    let read = |metric: Metric| Points::read(bytes, Some(&metric));
    let metrics = known.map(read).collect::<Result<Vec<Points>, _>>().map_err(&fault)?;
    let first = Points::read(bytes, None).map_err(&fault)?;
    let manifest = files.object(MANIFEST)?.unwrap_or_default();
    let source = Source::read(files.need(MANIFEST)?)
        .map_err(|what| super::files::unreadable(MANIFEST, format!(": {what}")))?
        .completed(&first);
    let failed = first.points.iter().filter(|point| matches!(point.outcome, Outcome::Nothing(_))).count();
    let label = describe(&first);
    let mut page = Page {
        title: source.scenario.clone().unwrap_or_else(|| "Sweep".to_owned()),
        kind: "a sweep",
        verdict: vec![label.clone()],
        facts: source.facts(),
        tiles: vec![
            Tile { label: "Points", value: first.points.len().to_string(), note: without(failed) },
            Tile { label: "Axes", value: first.axes.len().to_string(), note: String::new() },
        ],
        ..Page::default()
    };
    page.data.insert("sweep".to_owned(), data(&metrics, &first));
    let chart = |name, label| Some(Chart { name, label, behind: None });
    page.sections.push(Section {
        id: "lines",
        title: "Along an axis".to_owned(),
        text: vec![
            "Bars are 95 % intervals; a cross on the lower edge is a point without a value. What has no place in the chart \
             is held at the level chosen."
                .to_owned(),
        ],
        chart: chart("lines", label.clone()),
        ..Section::default()
    });
    let many = |points: &Points| points.axes.iter().filter(|axis| axis.levels.len() > 1).count();
    if many(&first) > 1 {
        page.sections.push(Section {
            id: "cells",
            title: "Map of two axes".to_owned(),
            chart: chart("cells", format!("The same by two axes, as a table of coloured cells. {label}")),
            ..Section::default()
        });
    }
    page.sections.push(Section {
        id: "points",
        title: "All points".to_owned(),
        lists: vec!["points"],
        ..Section::default()
    });
    page.sections.push(manifest::reproduce(&manifest));
    Ok(page)
}

fn without(failed: usize) -> String {
    if failed == 0 { "all with a value".to_owned() } else { format!("{failed} without a value") }
}

/// Extremes of the metric and where they are, in words.
fn describe(points: &Points) -> String {
    let name = points.metric.to_string().to_uppercase();
    let values = points.points.iter().filter_map(|point| match point.outcome {
        Outcome::Value(value, _) => Some((value, point)),
        Outcome::Nothing(_) => None,
    });
    let low = values.clone().min_by(|a, b| a.0.total_cmp(&b.0));
    let high = values.max_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(low), Some(high)) = (low, high) else { return format!("No point has a {name}.") };
    let place = |levels: &[usize]| {
        let axes = points.axes.iter().zip(levels).filter(|(axis, _)| axis.levels.len() > 1);
        axes.map(|(axis, &level)| format!("{} {}", axis.key, axis.levels[level]))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let show = |value| points.metric.quantity.unit.show(value);
    format!(
        "{name} is {} at {} and {} at {}.",
        show(low.0),
        place(&low.1.levels),
        show(high.0),
        place(&high.1.levels)
    )
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos => "ns",
        Unit::Seconds => "s",
        Unit::PerSecond => "/s",
        Unit::Bytes => "bytes",
        Unit::Share => "share",
        Unit::Count => "",
    }
}

/// Axes, metrics and values, for the charts and the long table of points.
fn data(metrics: &[Points], first: &Points) -> Value {
    let axes: Vec<Value> = first
        .axes
        .iter()
        .map(|axis| json!({"name": axis.key, "levels": axis.levels, "numbers": axis.numbers, "log": axis.logarithmic}))
        .collect();
    let values = |points: &Points| -> Vec<Value> {
        let digits = |value: f64| if value.abs() >= 1e4 { rounded(value) } else { value };
        let one = |outcome: &Outcome| match outcome {
            Outcome::Value(value, None) => json!([digits(*value)]),
            Outcome::Value(value, Some((low, high))) => json!([digits(*value), digits(*low), digits(*high)]),
            Outcome::Nothing(reason) => json!(reason),
        };
        points.points.iter().map(|point| one(&point.outcome)).collect()
    };
    let metric = |points: &Points| {
        let quantity = points.metric.quantity;
        json!({"name": points.metric.to_string(), "about": quantity.about, "unit": unit(quantity.unit), "values": values(points)})
    };
    // What the layout of a picture would choose is where the page begins.
    let layout = Layout::choose(first, &Request::default()).ok();
    let along = layout.as_ref().map(|layout| layout.x);
    let by = layout.as_ref().and_then(|layout| layout.by.first().copied());
    let levels: Vec<&[usize]> = first.points.iter().map(|point| point.levels.as_slice()).collect();
    json!({
        "axes": axes,
        "points": levels,
        "metrics": metrics.iter().map(metric).collect::<Vec<_>>(),
        "begin": {"metric": first.metric.to_string(), "along": along, "by": by},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: &str = "redis_appendfsync,workload_rate_per_s,point,replications,scenario,seed,status,reason,\
        sojourn_ns_p99,sojourn_ns_p99_low,sojourn_ns_p99_high,throughput_per_s\n\
        no,1000,0,3,article,1,ok,,300000,290000,310000,1000\n\
        no,20000,1,3,article,1,ok,,400000,390000,410000,20000\n\
        always,1000,2,3,article,1,ok,,3000000,2900000,3100000,1000\n\
        always,20000,3,0,article,,overload,load of 1.3,,,,\n";

    #[test]
    fn every_metric_and_every_point_is_there() {
        let mut files = Files::default();
        files.add(MANIFEST, br#"{"writepath": "0.1.0", "scenario": "article"}"#.to_vec());
        files.add("points.csv", POINTS.as_bytes().to_vec());
        let page = page(&files).expect("a page");
        assert_eq!(
            page.verdict[0],
            "P99 is 300 us at redis_appendfsync no, workload_rate 1000/s and 3.00 ms at redis_appendfsync always, \
             workload_rate 1000/s."
        );
        let sweep = &page.data["sweep"];
        assert_eq!(sweep["metrics"].as_array().map(Vec::len), Some(2));
        assert_eq!(sweep["metrics"][0]["values"][3], "load of 1.3");
        assert_eq!(sweep["points"][3], json!([1, 1]));
        assert_eq!(sweep["begin"], json!({"metric": "p99", "along": 1, "by": 0}));
        assert_eq!(sweep["metrics"][0]["values"][1], json!([400_000.0, 390_000.0, 410_000.0]));
        assert_eq!(page.tiles[0].note, "1 without a value");
        assert_eq!(
            page.sections.iter().map(|section| section.id).collect::<Vec<_>>(),
            ["lines", "cells", "points", "reproduce"]
        );
        files.add("points.csv", b"a,b\n1,2\n".to_vec());
        let fault = super::page(&files).expect_err("no table of points").to_string();
        assert!(fault.starts_with("points.csv:1: is not a table of points"), "{fault}");
    }
}
