//! A trace shows the run that it is of, to the nanosecond, and changes nothing in it.
//!
//! Method: short runs of every mechanism, once bare and once traced into memory. The text is read back as JSON and held
//! against the trace-event format, the result, and itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;
use writepath::cause::Cause;
use writepath::cluster;
use writepath::observe::result::RunResult;
use writepath::report::trace::TraceWriter;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};
use writepath::sim::RunOptions;
use writepath::trace::output::Output;
use writepath::trace::{self, Plan, TraceOptions};
use writepath::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

use crate::support::record;

/// Snapshots, rewrites, a full disk, a death and commands that change settings, on a noisy machine.
const BUSY: &str = r#"
[redis]
version     = "7.2"
appendonly  = true
appendfsync = "everysec"
save        = "1 100"
auto-aof-rewrite-min-size = "64kb"
auto-aof-rewrite-percentage = 2
[dataset]
keys       = "20k"
value-size = "200B"
[[workload]]
loop = "open"
rate = "400/s"
[[event]]
at = "2s"
do = "CONFIG SET appendfsync always"
[[event]]
at = "3s"
do = "CONFIG SET appendfsync everysec"
[[event]]
at = "4s"
do = "crash"
restart = "300ms"
[run]
duration = "6s"
warmup   = "0s"
"#;

const REPLICATED: &str = r#"
[redis]
appendonly = true
[dataset]
keys = "100k"
[[workload]]
loop = "open"
rate = "300/s"
[[replica]]
name = "near"
[[replica]]
name   = "late"
attach = "1s"
[run]
duration = "5s"
warmup   = "0s"
"#;

const CLUSTER: &str = r#"
[redis]
version     = "7.2"
appendonly  = true
appendfsync = "everysec"
save        = ""
[dataset]
keys = "20k"
[cluster]
primaries = 3
[[workload]]
loop = "open"
rate = "500/s"
[[event]]
at    = "1s"
do    = "reshard"
from  = "node-1"
to    = "node-2"
slots = 20
[run]
duration = "3s"
warmup   = "0s"
"#;

fn scenario(text: &str, settings: &[&str]) -> Scenario {
    let set = settings.iter().map(|setting| setting.to_string()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    resolve(text, "test.toml", Path::new("."), &overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A built-in scenario of `duration`, counted from its start.
fn built_in(name: &str, duration: &str) -> Scenario {
    let text = builtin::get(name).expect("it is built in");
    let overrides =
        Overrides { duration: Some(duration.into()), warmup: Some("0s".into()), ..Overrides::default() };
    resolve(text, name, Path::new("."), &overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bare(scenario: &Scenario) -> RunResult {
    cluster::simulate(scenario, &RunOptions::default(), &mut |_| true).expect("it runs")
}

/// A slice of a trace.
#[derive(Clone, Debug)]
struct Slice {
    track: (u64, u64),
    at: Nanos,
    end: Nanos,
    name: String,
    args: Value,
}

/// A trace, read back.
struct Read {
    result: RunResult,
    bytes: u64,
    events: Vec<Value>,
    slices: Vec<Slice>,
}

fn nanos(value: &Value) -> Nanos {
    let nanos = value.as_f64().expect("a number") * 1000.0;
    // Some readers round, some cut.
    assert_eq!(nanos.round(), nanos.floor(), "{value}");
    nanos as Nanos
}

fn track(event: &Value) -> (u64, u64) {
    (event["pid"].as_u64().expect("a process"), event["tid"].as_u64().expect("a thread"))
}

fn traced(scenario: &Scenario, options: TraceOptions) -> Read {
    let writer = TraceWriter::new(Vec::new(), &[]);
    let output = Rc::new(RefCell::new(Output::new(writer, Plan::new(&options, scenario))));
    let result = trace::simulate(scenario, &RunOptions::default(), &output, &mut |_| true).expect("it runs");
    let output = Rc::try_unwrap(output).ok().expect("the probes are gone").into_inner();
    let (text, bytes) = output.sink.finish().expect("memory takes everything");
    let whole: Value = serde_json::from_slice(&text).expect("JSON");
    let events = whole["traceEvents"].as_array().expect("a list").clone();
    let slices = events.iter().filter(|event| event["ph"] == "X").map(|event| Slice {
        track: track(event),
        at: nanos(&event["ts"]),
        end: nanos(&event["ts"]) + nanos(&event["dur"]),
        name: event["name"].as_str().expect("a name").to_owned(),
        args: event["args"].clone(),
    });
    Read { result, bytes, slices: slices.collect(), events }
}

fn resolution(resolution: Nanos) -> TraceOptions {
    TraceOptions { resolution: Some(resolution), ..TraceOptions::default() }
}

impl Read {
    /// Tracks by name.
    fn tracks(&self) -> BTreeMap<(u64, u64), &str> {
        let names = self.events.iter().filter(|event| event["name"] == "thread_name");
        names.map(|event| (track(event), event["args"]["name"].as_str().expect("a name"))).collect()
    }

    /// Slices of tracks whose name begins so.
    fn on(&self, name: &str) -> Vec<&Slice> {
        let tracks = self.tracks();
        self.slices.iter().filter(|slice| tracks[&slice.track].starts_with(name)).collect()
    }

    /// Time of main threads by cause.
    fn busy(&self) -> [Nanos; Cause::COUNT] {
        let slices = self.on("event loop");
        Cause::ALL.map(|cause| {
            slices.iter().filter(|slice| slice.name == cause.name()).map(|slice| slice.end - slice.at).sum()
        })
    }
}

#[test]
fn a_traced_run_is_the_same_run() {
    let mut cases: Vec<Scenario> =
        [BUSY.to_owned(), BUSY.replace("7.2", "6.2"), BUSY.replace("7.2", "2.8"), REPLICATED.to_owned()]
            .iter()
            .map(|text| scenario(text, &[]))
            .collect();
    cases.push(built_in("rate-limiter-racy", "4s"));
    cases.push(built_in("expiry-storm", "4s"));
    cases.push(built_in("pipelined", "1s"));
    cases.push(scenario(CLUSTER, &[]));
    for scenario in &cases {
        let (bare, read) = (bare(scenario), traced(scenario, resolution(50 * MICROSECOND)));
        assert!(read.slices.len() > 100, "{}: {} slices", scenario.name, read.slices.len());
        assert_same(&bare, &read.result);
    }
}

/// With replicas at a higher rate a bare run passes quiet stretches on in bulk, so that the few samples of a replica's lag
/// in bytes are rounded another way: there the comparison is with a run that something else watches.
#[test]
fn a_trace_changes_no_more_than_any_other_probe() {
    let scenario = scenario(&REPLICATED.replace("300/s", "2000/s"), &[]);
    let (_, probed) = record(&scenario);
    assert_same(&probed, &traced(&scenario, resolution(50 * MICROSECOND)).result);
}

fn assert_same(one: &RunResult, other: &RunResult) {
    let (left, right) = (format!("{one:?}"), format!("{other:?}"));
    let differs = left.bytes().zip(right.bytes()).position(|(one, other)| one != other);
    let around = |text: &str, at: usize| text[at.saturating_sub(200)..(at + 100).min(text.len())].to_owned();
    let shown = differs.map(|at| (around(&left, at), around(&right, at)));
    assert!(left == right, "{}: {shown:#?}", one.scenario);
}

#[test]
fn slices_of_a_cause_add_up_to_its_time_at_any_resolution() {
    for (text, settings) in [
        (BUSY, &[][..]),
        (BUSY, &["redis.version=6.2"]),
        (BUSY, &["redis.version=2.8"]),
        (BUSY, &["redis.appendfsync=always", "workload.rate=200/s"]),
        (REPLICATED, &[]),
    ] {
        let scenario = scenario(text, settings);
        for options in [resolution(0), resolution(100 * MICROSECOND), TraceOptions::default()] {
            let read = traced(&scenario, options);
            assert_eq!(read.busy(), read.result.busy, "{settings:?} {options:?}");
            let commands = read.on("event loop").iter().filter_map(|s| s.args["commands"].as_u64()).sum();
            let (answered, asked): (u64, _) = (read.result.completed, read.result.requests);
            assert!((answered..=asked).contains(&commands), "{answered} to {asked}: {commands}");
        }
    }
    let cluster = scenario(CLUSTER, &[]);
    let read = traced(&cluster, resolution(0));
    assert_eq!(read.busy(), read.result.busy);
}

#[test]
fn two_traces_one_after_the_other_are_the_whole() {
    let scenario = scenario(BUSY, &[]);
    let cut = 4 * SECOND + 123_456_789;
    for finest in [0, 200 * MICROSECOND] {
        let whole = traced(&scenario, resolution(finest));
        let before = traced(&scenario, TraceOptions { until: Some(cut), ..resolution(finest) });
        let after = traced(&scenario, TraceOptions { from: Some(cut), ..resolution(finest) });
        let sum: Vec<Nanos> = before.busy().iter().zip(after.busy()).map(|(a, b)| a + b).collect();
        assert_eq!(sum, whole.busy());
        assert!(before.slices.iter().filter(|slice| slice.track.1 < 100).all(|slice| slice.end <= cut));
        assert!(after.slices.iter().filter(|slice| slice.track.1 < 100).all(|slice| slice.at >= cut));
        assert!(before.slices.len() > 1000 && after.slices.len() > 1000);
    }
}

/// What the format and its readers ask of a trace, apart from its being JSON.
fn check_format(read: &Read) {
    let tracks = read.tracks();
    let processes: Vec<u64> = read
        .events
        .iter()
        .filter(|event| event["name"] == "process_name")
        .map(|event| event["pid"].as_u64().expect("a number"))
        .collect();
    let mut counters: BTreeMap<(u64, String), Nanos> = BTreeMap::new();
    let mut arrows: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in &read.events {
        let phase = event["ph"].as_str().expect("a phase");
        assert!(event["name"].is_string() && event["pid"].is_u64(), "{event}");
        if phase == "M" {
            continue;
        }
        assert!(event["ts"].as_f64().is_some_and(|at| at >= 0.0), "{event}");
        assert!(processes.contains(&event["pid"].as_u64().expect("a number")), "{event}");
        assert!(phase == "C" || tracks.contains_key(&track(event)), "a track without a name: {event}");
        match phase {
            "X" => assert!(event["dur"].as_f64().is_some_and(|span| span > 0.0), "{event}"),
            "i" => assert_eq!(event["s"], "t"),
            "C" => {
                let args = event["args"].as_object().expect("values");
                assert!(args.len() == 1 && args.values().all(Value::is_number), "{event}");
                let key = (event["pid"].as_u64().expect("a number"), event["name"].to_string());
                let at = nanos(&event["ts"]);
                let last = counters.insert(key, at);
                assert!(last.is_none_or(|last| last < at), "{event} after {last:?}");
            }
            "s" | "f" => arrows.entry(event["id"].as_u64().expect("a number")).or_default().push(event),
            _ => panic!("an unknown phase: {event}"),
        }
    }
    check_nesting(&read.slices);
    for ends in arrows.values() {
        let [start, end] = ends[..] else { panic!("an arrow has two ends: {ends:?}") };
        assert_eq!((start["ph"].as_str(), end["ph"].as_str()), (Some("s"), Some("f")));
        assert!(nanos(&start["ts"]) <= nanos(&end["ts"]) && start["cat"] == end["cat"]);
        assert_eq!(end["bp"], "e");
        let around = |event: &Value, name: &dyn Fn(&str) -> bool| {
            let (track, at) = (track(event), nanos(&event["ts"]));
            let holds = |slice: &&Slice| slice.track == track && slice.at <= at && at < slice.end;
            read.slices.iter().filter(holds).any(|slice| name(&slice.name))
        };
        assert!(around(start, &|name| Cause::ALL.iter().any(|cause| cause.name() == name)), "{start}");
        assert!(around(end, &|name| name == "request"), "{end}");
    }
}

/// Slices of a track hold one another or lie apart, and the outer of two that begin together comes first.
fn check_nesting(slices: &[Slice]) {
    let mut by_track: BTreeMap<(u64, u64), Vec<&Slice>> = BTreeMap::new();
    slices.iter().for_each(|slice| by_track.entry(slice.track).or_default().push(slice));
    for track in by_track.values_mut() {
        track.sort_by_key(|slice| slice.at);
        let mut open: Vec<&Slice> = Vec::new();
        for slice in track.iter() {
            open.retain(|other| other.end > slice.at);
            let fits = open.last().is_none_or(|outer| slice.end <= outer.end);
            assert!(fits, "{slice:?} sticks out of {:?}", open.last());
            open.push(slice);
            assert!(open.len() <= 2, "{open:?}");
        }
    }
}

#[test]
fn traces_keep_to_the_format() {
    let cases = [
        scenario(BUSY, &[]),
        scenario(BUSY, &["redis.version=6.2"]),
        scenario(REPLICATED, &[]),
        built_in("rate-limiter-racy", "2s"),
        scenario(CLUSTER, &[]),
    ];
    for scenario in &cases {
        for options in [resolution(0), TraceOptions::default()] {
            check_format(&traced(scenario, options));
        }
    }
}

#[test]
fn children_syncs_and_changes_of_state_are_those_of_the_result() {
    let read = traced(&scenario(BUSY, &[]), resolution(0));
    let kinds = ["bgsave", "aof-rewrite"];
    let children: Vec<_> = read.on("child").into_iter().filter(|s| kinds.contains(&&*s.name)).collect();
    let done = |slice: &&&Slice| slice.args["outcome"] == "done";
    let rows: Vec<_> = read.result.children.iter().filter(|row| row.ok).collect();
    assert!(rows.len() > 2, "{} children", rows.len());
    let seen: Vec<_> = children.iter().filter(done).map(|s| (s.at, s.end, s.name.as_str())).collect();
    let expected: Vec<_> =
        rows.iter().map(|row| (row.start, row.start + row.fork + row.duration, row.kind)).collect();
    assert_eq!(seen, expected);
    let by_bio = read.on("bio_aof").into_iter().filter(|slice| slice.name == "fdatasync").count();
    let by_main = read.on("event loop").into_iter().filter(|s| s.name == "aof-fsync-always").count();
    assert!(by_bio > 3 && by_main > 100, "{by_bio} and {by_main}");
    assert_eq!((by_bio + by_main) as u64, read.result.counters.aof_fsyncs);
    let changes = read.events.iter().filter(|event| event["ph"] == "i").count();
    let rows = read.result.events.iter().filter(|row| row.span == 0).count();
    assert!(rows > 4, "{rows} changes of state");
    assert_eq!(changes, rows);
}

#[test]
fn the_slowest_request_is_there_with_the_hold_that_made_it_slow() {
    let text = BUSY.split("[[event]]").next().expect("a head").to_owned()
        + "[[event]]\nat = \"1s\"\ndo = \"SAVE\"\n[run]\nduration = \"3s\"\nwarmup = \"0s\"\n";
    let read = traced(&scenario(&text, &[]), TraceOptions::default());
    let requests: Vec<_> =
        read.on("slowest requests").into_iter().filter(|slice| slice.name == "request").collect();
    let slowest = requests.iter().max_by_key(|slice| slice.end - slice.at).expect("there are some");
    assert_eq!(slowest.end - slowest.at, read.result.scopes[0].sojourn.max());
    assert_eq!(slowest.args["held_up_by"], "save");
    let save = read.on("event loop").into_iter().find(|slice| slice.name == "save").expect("it is shown");
    let arrow = |event: &&Value| event["ph"] == "s" && nanos(&event["ts"]) == save.at;
    assert!(read.events.iter().filter(arrow).count() >= 5);
    // Its phases add up to it.
    let phases: Nanos = read
        .slices
        .iter()
        .filter(|s| {
            s.track == slowest.track && s.name != "request" && s.at >= slowest.at && s.end <= slowest.end
        })
        .map(|slice| slice.end - slice.at)
        .sum();
    assert_eq!(phases, slowest.end - slowest.at);
}

#[test]
fn a_trace_keeps_within_its_limit_and_shows_long_holds_all_the_same() {
    let scenario = scenario(BUSY, &["run.duration=20s"]);
    let long = traced(&scenario, TraceOptions::default());
    let limit = long.bytes / 4;
    let short = traced(&scenario, TraceOptions { limit: Some(limit), ..TraceOptions::default() });
    assert!(short.bytes <= limit, "{} of {limit} bytes", short.bytes);
    assert!(short.bytes > limit / 2, "{} of {limit} bytes", short.bytes);
    assert_eq!(short.busy(), short.result.busy);
    let is_restart = |slice: &&&Slice| slice.name == "restart" && slice.end - slice.at > 100 * MILLISECOND;
    assert_eq!(short.on("event loop").iter().filter(is_restart).count(), 1);
}

#[test]
fn replicas_and_nodes_are_processes() {
    let names = |read: &Read| -> Vec<String> {
        let named = read.events.iter().filter(|event| event["name"] == "process_name");
        named.map(|event| event["args"]["name"].as_str().expect("a name").to_owned()).collect()
    };
    let read = traced(&scenario(REPLICATED, &[]), TraceOptions::default());
    assert_eq!(names(&read), ["server 7.2", "near", "late"]);
    let states: Vec<_> = read.on("link").iter().map(|slice| slice.name.clone()).collect();
    assert!(states.contains(&"disconnected".into()) && states.contains(&"wait_bgsave".into()), "{states:?}");
    let scenario = scenario(CLUSTER, &[]);
    let nodes = scenario.cluster.as_ref().expect("a cluster").nodes.iter().map(|node| node.name.clone());
    assert_eq!(names(&traced(&scenario, TraceOptions::default())), nodes.collect::<Vec<_>>());
}
