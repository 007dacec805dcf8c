//! Pages are made whole, of the same bytes each time, and over nothing else.
//!
//! Method: the program runs a short scenario into a folder; pages made with the run and of the folder are compared.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use tempfile::tempdir;

fn writepath(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    command.current_dir(dir).args(arguments).output().expect("it starts")
}

/// A run of five seconds into `out`, with a page.
fn run(dir: &Path) -> Vec<u8> {
    let short = ["--duration", "5s", "--warmup", "1s", "--keys", "10k", "-q"];
    let arguments =
        [&["run", "persistence-everysec", "--out", "out", "--report", "run.html"], &short[..]].concat();
    let output = writepath(dir, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(dir.join("run.html")).expect("a page")
}

#[test]
fn the_page_of_a_run_is_that_of_its_folder_and_has_equal_bytes_each_time() {
    let dir = tempdir().expect("a folder");
    let first = run(dir.path());
    let output = writepath(dir.path(), &["report", "out"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("out/report.html: "));
    assert!(fs::read(dir.path().join("out/report.html")).expect("a page") == first, "made of the same files");
    assert!(writepath(dir.path(), &["report", "out", "-o", "-"]).stdout == first, "to standard output");
    assert!(run(dir.path()) == first, "a page in the folder hinders no other run, and runs are equal");
    let text = String::from_utf8(first).expect("text");
    assert!(text.contains("data-chart=\"map\"") && text.contains("id=\"busy\""), "everything is written");
}

/// The counts of the lines without a tag of a log, added up.
fn counted(path: &Path) -> (usize, Histogram<u64>) {
    let bytes = fs::read(path).expect("a log");
    let mut sum = Histogram::new(3).expect("three digits");
    let mut lines = 0;
    for entry in IntervalLogIterator::new(&bytes) {
        let LogEntry::Interval(interval) = entry.expect("sound") else { continue };
        if interval.tag().is_none() {
            let payload = STANDARD.decode(interval.encoded_histogram()).expect("base 64");
            let read: Histogram<u64> =
                Deserializer::new().deserialize(&mut payload.as_slice()).expect("sound");
            sum.add(&read).expect("it grows");
            lines += 1;
        }
    }
    (lines, sum)
}

#[test]
fn the_intervals_hold_every_request_of_the_run() {
    let dir = tempdir().expect("a folder");
    run(dir.path());
    let (lines, whole) = counted(&dir.path().join("out/histogram.hlog"));
    let (intervals, parts) = counted(&dir.path().join("out/intervals.hlog"));
    assert!(lines == 1 && intervals > 30 && !whole.is_empty(), "{lines} {intervals}");
    assert_eq!((parts.len(), parts.max()), (whole.len(), whole.max()));
    for q in [0.5, 0.9, 0.99, 0.999] {
        assert!(parts.equivalent(parts.value_at_quantile(q), whole.value_at_quantile(q)), "{q}");
    }
}

#[test]
fn only_reports_are_written_over() {
    let dir = tempdir().expect("a folder");
    run(dir.path());
    let thesis = dir.path().join("thesis.html");
    fs::write(&thesis, "<!doctype html>\n<p>years of work").expect("it can be written");
    let refused = writepath(dir.path(), &["report", "out", "-o", "thesis.html"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(fs::read_to_string(&thesis).expect("text").contains("years of work"));
    assert!(writepath(dir.path(), &["report", "out", "-o", "thesis.html", "--force"]).status.success());
    assert!(writepath(dir.path(), &["report", "out", "-o", "thesis.html"]).status.success(), "now it is one");
    fs::remove_file(dir.path().join("out/summary.csv")).expect("it is there");
    let before = fs::read(&thesis).expect("a page");
    let damaged = writepath(dir.path(), &["report", "out", "-o", "thesis.html"]);
    assert_eq!(damaged.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&damaged.stderr), "error: out/summary.csv is missing\n");
    assert!(fs::read(&thesis).expect("a page") == before, "a page that cannot be made changes nothing");
    let environment = writepath(dir.path(), &["report", "out", "-o", "thesis.html/page.html"]);
    assert_ne!(environment.status.code(), Some(0));
}
