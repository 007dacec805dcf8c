//! `[run]`: length, seed, and what is recorded.

use super::super::RunConfig;
use super::super::keys::{Kind, RUN, SPAN_MAX};
use super::super::reader::{Reader, Section};
use super::super::shapes::spans;
use super::super::tree::{Place, Table, Value};
use super::super::values::whole;
use crate::units::{MILLISECOND, Nanos, SECOND, format_span};

/// Windows when nobody chooses any.
const WINDOWS: [(Nanos, &str); 3] = [(10 * SECOND, "10s"), (60 * SECOND, "60s"), (3600 * SECOND, "1h")];
/// From this duration on the first minute is warm-up.
const WARMUP_FROM: Nanos = 600 * SECOND;
/// Rows of the timeline a run may have.
const ROWS_MAX: u64 = 10_000_000;

/// Reads the table.
pub fn read(tree: &Table, reader: &mut Reader) -> RunConfig {
    let section = Section::single(&RUN, tree);
    let duration = reader.whole(&section, "duration");
    let warmup = reader.read(&section, "warmup", |node| match &node.value {
        Value::Text(text) if text == "auto" => Ok(None),
        _ => whole(node, Kind::Span(0, SPAN_MAX)).map(Some),
    });
    let warmup_auto = warmup.value == Some(None);
    let length = duration.value.unwrap_or(3600 * SECOND);
    let warmup_span = warmup.value.flatten().unwrap_or_else(|| {
        let (span, text) = if length >= WARMUP_FROM { (60 * SECOND, "60s") } else { (0, "0s") };
        if !warmup.given {
            reader.record(&section, "warmup", format!("{text:?}"), Place::default_value().origin);
        }
        span
    });
    if warmup_span >= length && duration.value.is_some() {
        let read = format!(
            "run.warmup: the warm-up of {} leaves nothing of the duration of {}",
            format_span(warmup_span),
            format_span(length)
        );
        reader.problem(&warmup.place, read, "lower run.warmup or raise run.duration");
    }
    let windows = read_windows(&section, length, reader);
    let seed = reader.whole(&section, "seed").value.unwrap_or(1);
    let interval = reader.whole(&section, "interval");
    let row = interval.value.unwrap_or(SECOND);
    if length / row > ROWS_MAX {
        let read = format!("run.interval: {} makes more than {ROWS_MAX} rows", format_span(row));
        reader.problem(&interval.place, read, "raise run.interval");
    }
    RunConfig {
        duration: length,
        warmup: warmup_span,
        warmup_auto,
        seed,
        windows,
        interval: row,
        allow_overload: reader.boolean(&section, "allow-overload").value.unwrap_or(false),
        stall_threshold: reader.whole(&section, "stall-threshold").value.unwrap_or(MILLISECOND),
    }
}

fn read_windows(section: &Section<'_>, duration: Nanos, reader: &mut Reader) -> Vec<Nanos> {
    let before = reader.settings.len();
    let windows = reader.read(section, "windows", spans);
    reader.settings.truncate(before);
    let Some(typed) = windows.value else {
        let fitting: Vec<_> = WINDOWS.into_iter().filter(|window| window.0 <= duration).collect();
        let texts: Vec<String> = fitting.iter().map(|window| format!("{:?}", window.1)).collect();
        reader.record(section, "windows", format!("[{}]", texts.join(", ")), Place::default_value().origin);
        return fitting.into_iter().map(|window| window.0).collect();
    };
    let mut kept: Vec<Nanos> = Vec::new();
    for window in typed {
        let shown = format_span(window);
        if window == 0 || !window.is_multiple_of(SECOND) {
            reader.problem(
                &windows.place,
                format!("run.windows: {shown} is no multiple of 1 s"),
                "write whole seconds",
            );
        } else if window > duration {
            reader.notes.push(format!("run.windows: {shown} is longer than the run and left out"));
        } else if !kept.contains(&window) {
            kept.push(window);
        }
    }
    let texts: Vec<String> = kept.iter().map(|window| format!("\"{}s\"", window / SECOND)).collect();
    reader.record(section, "windows", format!("[{}]", texts.join(", ")), windows.place.origin.clone());
    kept
}
