//! The page of a run, or of a real server under load.

use serde_json::{Map, Value, json};

use super::files::{Files, Kind, MANIFEST, Unreadable};
use super::hlog;
use super::manifest;
use super::summary::Summary;
use super::timeline::{self, Timeline};
use super::view::{Cell, Chart, Page, Section, Table};
use super::why;
use crate::cause::Cause;
use crate::report::plot::source::Source;
use crate::report::words::plain_span;
use crate::units::{SECOND, format_count, format_span};

/// Causes below this share of the busy time are left out.
const SHARE_SHOWN: f64 = 0.0005;

/// The page.
///
/// # Errors
/// A file is missing or damaged.
pub fn page(files: &Files, kind: Kind) -> Result<Page, Unreadable> {
    let manifest = files.object(MANIFEST)?.unwrap_or_default();
    let result = files.object("result.json")?;
    let scenario = manifest.get("scenario").and_then(Value::as_str).unwrap_or("run").to_owned();
    let summary = Summary::read(files.need("summary.csv")?)?;
    let mut page = Page {
        title: scenario,
        kind: if kind == Kind::Load { "a real server under load" } else { "a simulated run" },
        facts: facts(files, kind, &manifest, result.as_ref())?,
        tiles: summary.tiles(result.as_ref()),
        ..Page::default()
    };
    let (why_sections, sentence) = match kind {
        Kind::Load => (Vec::new(), None),
        _ => why::sections(files, &manifest::why(&manifest))?,
    };
    page.verdict.extend(sentence);
    page.verdict.extend(answer(result.as_ref()));
    let events = over_time(&mut page, files)?;
    distribution(&mut page, files, &summary)?;
    page.sections.push(summary.windows());
    page.sections.extend(why_sections);
    if let Some(result) = &result {
        let children = children(&mut page, result);
        page.sections.extend([busy(result), loss(result), children].into_iter().flatten());
    }
    for (file, title) in super::tables::present(files) {
        page.sections.push(super::tables::section(files, file, title, &mut page.data)?);
    }
    let counts = result.as_ref().and_then(|result| counts(&mut page, result));
    page.sections.extend(counts);
    page.sections.extend(events);
    if let Some((section, list)) = manifest::settings(&manifest) {
        page.sections.push(section);
        page.data.insert("settings".to_owned(), list);
    }
    page.sections.push(manifest::reproduce(&manifest));
    Ok(page)
}

/// The answer in words, and why there is none.
fn answer(result: Option<&Map<String, Value>>) -> Vec<String> {
    let sentences = result.and_then(|result| result.get("answer")).and_then(Value::as_array);
    match sentences {
        Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec![
            "This folder has no result.json: run the scenario again for the answer in words, busy time by \
                      cause and what a crash would lose."
                .to_owned(),
        ],
    }
}

/// Server, machine, length and seed. Of a real server its own version, and no model.
fn facts(
    files: &Files,
    kind: Kind,
    manifest: &Map<String, Value>,
    result: Option<&Map<String, Value>>,
) -> Result<String, Unreadable> {
    let bytes = files.need(MANIFEST)?;
    let mut source =
        Source::read(bytes).map_err(|what| super::files::unreadable(MANIFEST, format!(": {what}")))?;
    let text = |key: &str| result.and_then(|result| result.get(key)).and_then(Value::as_str);
    if kind == Kind::Load {
        source.redis_version = text("redis_version").map(str::to_owned);
        source.model = None;
    }
    let duration = manifest.get("duration_s").and_then(Value::as_f64);
    let span = duration.map(|seconds| format!("{} long", plain_span((seconds * SECOND as f64) as u64)));
    let parts = [Some(source.facts()), text("loop").map(|kind| format!("{kind} loop")), span];
    Ok(parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
}

/// Latency over time with its stalls, and the map; the section of all events, for later, if there are any.
fn over_time(page: &mut Page, files: &Files) -> Result<Option<Section>, Unreadable> {
    let timeline = Timeline::read(files.need("timeline.csv")?)?;
    let (stalls, events) = match files.get("events.csv") {
        Some(bytes) => timeline::events(bytes)?,
        None => (Vec::new(), Map::new()),
    };
    page.data.insert("latency".to_owned(), timeline.data(&stalls));
    let causes = timeline::causes(&stalls);
    let mut kinds = Table::new("Stalls by cause", &["Cause", "Number", "Longest", "All together"]);
    let span = |value: f64| Cell::number(format_span(value.round() as u64));
    kinds.rows.extend(causes.iter().map(|cause| {
        let name = Cell::from(cause.name.clone());
        vec![name, Cell::number(format_count(cause.number as f64)), span(cause.longest), span(cause.total)]
    }));
    page.sections.push(Section {
        id: "latency",
        title: "Latency over time".to_owned(),
        text: vec![timeline.note()],
        chart: Some(Chart {
            name: "latency",
            label: timeline.describe(&stalls),
            behind: Some(timeline.table()),
        }),
        tables: if kinds.rows.is_empty() { Vec::new() } else { vec![kinds] },
        ..Section::default()
    });
    if let Some(bytes) = files.get("intervals.hlog") {
        let intervals = hlog::read("intervals.hlog", bytes)?;
        if let (Some(map), Some(label)) = (hlog::map(&intervals), hlog::describe(&intervals)) {
            page.data.insert("map".to_owned(), map);
            page.sections.push(Section {
                id: "map",
                title: "Map of latency over time".to_owned(),
                text: vec![
                    "Each cell holds the requests of a time and a sojourn; its colour is their share of the interval, on \
                     a logarithmic scale."
                        .to_owned(),
                ],
                chart: Some(Chart { name: "map", label, behind: Some(hlog::table(&intervals)) }),
                ..Section::default()
            });
        }
    }
    let is_empty = events.get("rows").and_then(Value::as_array).is_none_or(Vec::is_empty);
    page.data.insert("events".to_owned(), Value::Object(events));
    Ok((!is_empty).then(|| Section {
        id: "events",
        title: "Stalls and changes of state".to_owned(),
        lists: vec!["events"],
        ..Section::default()
    }))
}

/// The ladder of quantiles and the table of them.
fn distribution(page: &mut Page, files: &Files, summary: &Summary) -> Result<(), Unreadable> {
    let mut section = Section {
        id: "quantiles",
        title: "Quantiles of sojourn".to_owned(),
        text: vec![
            "From the intended arrival of a request to its reply at the client; intervals (95 %) say what other runs of \
             the same scenario would give."
                .to_owned(),
        ],
        tables: vec![summary.quantiles()],
        ..Section::default()
    };
    if let Some(bytes) = files.get("histogram.hlog") {
        let scopes = hlog::read("histogram.hlog", bytes)?;
        page.data.insert("ladder".to_owned(), hlog::ladder(&scopes));
        section.chart = Some(Chart { name: "ladder", label: summary.describe(), behind: None });
    }
    page.sections.push(section);
    Ok(())
}

/// Busy time by cause.
fn busy(result: &Map<String, Value>) -> Option<Section> {
    let busy = result.get("busy_ns")?.as_object()?;
    let total: f64 = busy.values().filter_map(Value::as_f64).sum();
    let share = result.get("server_busy_share").and_then(Value::as_f64);
    let mut causes: Vec<(&String, f64)> =
        busy.iter().filter_map(|(name, ns)| Some((name, ns.as_f64()?))).collect();
    causes.retain(|cause| cause.1 > 0.0 && cause.1 >= SHARE_SHOWN * total);
    causes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let mut table =
        Table::new("Busy time of the main thread by cause", &["Cause", "Share", "Time", "What it is"]);
    for (name, ns) in causes {
        let what = Cause::ALL.iter().find(|cause| cause.name() == name).map_or("", |cause| cause.describe());
        let bar = Cell::bar(format!("{:.1} %", 100.0 * ns / total), ns / total);
        table.rows.push(vec![
            Cell::from(name.clone()),
            bar,
            Cell::number(format_span(ns as u64)),
            Cell::from(what),
        ]);
    }
    let of = share.map(|share| format!("The main thread is busy {:.1} % of the time.", 100.0 * share));
    (!table.rows.is_empty()).then(|| Section {
        id: "busy",
        title: "What the main thread does".to_owned(),
        text: of.into_iter().collect(),
        tables: vec![table],
        ..Section::default()
    })
}

/// What a crash would lose.
fn loss(result: &Map<String, Value>) -> Option<Section> {
    let loss = result.get("loss")?.as_object()?;
    let value = |key: &str| loss.get(key).and_then(Value::as_f64);
    // Nobody outside a real server knows.
    value("machine_death_writes_max")?;
    let mut table = Table::new(
        "Acknowledged writes that a crash takes",
        &["Crash", "Mean", "P99", "Most", "Oldest of them"],
    );
    let count = |key: &str| Cell::number(value(key).map_or_else(String::new, format_count));
    let age = |key: &str| {
        Cell::number(value(key).map_or_else(String::new, |s| format_span((s * SECOND as f64).round() as u64)))
    };
    table.rows.push(vec![
        Cell::from("of the process (kill -9)"),
        count("process_death_writes_mean"),
        Cell::default(),
        count("process_death_writes_max"),
        Cell::default(),
    ]);
    table.rows.push(vec![
        Cell::from("of the machine (power loss)"),
        count("machine_death_writes_mean"),
        count("machine_death_writes_p99"),
        count("machine_death_writes_max"),
        age("machine_death_seconds_max"),
    ]);
    Some(Section {
        id: "loss",
        title: "What a crash would lose".to_owned(),
        tables: vec![table],
        ..Section::default()
    })
}

/// Snapshot and rewrite children, as a long table.
fn children(page: &mut Page, result: &Map<String, Value>) -> Option<Section> {
    let children = result.get("persistence")?.get("children")?.as_array().filter(|list| !list.is_empty())?;
    let columns = [
        ("start_s", "Start", "clock"),
        ("kind", "Kind", ""),
        ("trigger", "Started by", ""),
        ("fork_ns", "fork(2)", "ns"),
        ("duration_s", "Ran for", "s"),
        ("cow_bytes", "Copied on write", "bytes"),
        ("file_bytes", "File", "bytes"),
        ("end_stall_ns", "Stall at its end", "ns"),
    ];
    let cell = |child: &Value, key: &str| child.get(key).cloned().unwrap_or(Value::Null);
    let rows: Vec<Vec<Value>> =
        children.iter().map(|child| columns.iter().map(|column| cell(child, column.0)).collect()).collect();
    let heads: Vec<Value> =
        columns.iter().map(|(_, name, unit)| json!({"name": name, "unit": unit})).collect();
    let list = json!({"caption": "Snapshots and rewrites", "columns": heads, "rows": rows});
    page.data.insert("children".to_owned(), list);
    Some(Section {
        id: "children",
        title: "Snapshots and rewrites".to_owned(),
        lists: vec!["children"],
        ..Section::default()
    })
}

/// Parts of the result that are single numbers, for the long table of them.
const COUNTS: [&str; 9] =
    ["errors", "counters", "memory", "expiry", "hot_key", "streams", "replication", "load", "info"];

/// Counts and states under their names, as a long table.
fn counts(page: &mut Page, result: &Map<String, Value>) -> Option<Section> {
    let mut rows: Vec<Value> = Vec::new();
    for part in COUNTS {
        let fields = result.get(part).and_then(Value::as_object);
        for (name, value) in fields.into_iter().flatten() {
            match value {
                Value::Object(inner) => {
                    rows.extend(
                        inner
                            .iter()
                            .filter(|own| is_plain(own.1))
                            .map(|(own, value)| json!([part, format!("{name}.{own}"), value])),
                    );
                }
                value if is_plain(value) => rows.push(json!([part, name, value])),
                _ => {}
            }
        }
    }
    let columns = json!([{"name": "Part"}, {"name": "Name"}, {"name": "Value"}]);
    page.data.insert(
        "counts".to_owned(),
        json!({"caption": "Counts and states", "columns": columns, "rows": rows}),
    );
    (!rows.is_empty()).then(|| Section {
        id: "counts",
        title: "Counts and states".to_owned(),
        text: vec!["Under the names that result.json has; info is INFO at the end.".to_owned()],
        lists: vec!["counts"],
        ..Section::default()
    })
}

fn is_plain(value: &Value) -> bool {
    value.is_number() || value.is_string() || value.is_boolean()
}
