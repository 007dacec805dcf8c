//! How much a scenario can have under its objectives: against closed forms, where the answer must not be a number, and
//! whatever the number of threads.
//!
//! Method: one connection a command and a machine on which nothing but the commands costs anything, so that the server is
//! an M/D/1 queue whose replies leave at the end of each turn.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use writepath::models::price::{PRICES, Price};
use writepath::models::unit::Unit;
use writepath::stats::queueing::md1_wait;

/// Service time of a command \[s\]: a read of its value at 1 ms/KiB.
const SERVICE: f64 = 1e-3;

/// A model in which a KiB of a command's value costs 1 ms and nothing else costs anything.
fn queue() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let scenario = r#"
[redis]
appendonly = false
save       = ""
dynamic-hz = false
maxclients = 50000

[dataset]
keys       = 1000
value-size = "1KiB"

[[workload]]
rate        = "100/s"
connections = 20000

[machine]
cpu.per-kib = "1ms"
"#;
    let free = |price: &Price| match price.unit {
        Unit::Span | Unit::SpanPerKib | Unit::SpanPerMib | Unit::SpanPerGib if price.min == 0.0 => {
            Some("0ns")
        }
        Unit::Spread => Some("0ns"),
        Unit::Curve | Unit::Gaps => Some("none"),
        _ => None,
    };
    let costs = PRICES.iter().filter(|price| price.name != "cpu.per-kib");
    let zeros: String =
        costs.filter_map(|price| Some(format!("{} = {:?}\n", price.name, free(price)?))).collect();
    std::fs::write(folder.path().join("queue.toml"), scenario.to_owned() + &zeros)
        .expect("it can be written");
    folder
}

fn size(folder: &TempDir, arguments: &[&str]) -> Output {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_writepath"));
    Command::new(program).current_dir(folder.path()).arg("size").args(arguments).output().expect("it runs")
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is a number: {value}"))
}

/// Mean sojourn when replies leave at the end of their turn \[s\] (derived in `queueing.rs`): s + W (1 + 2ρ) / (1 + ρ).
fn mean_sojourn(rate: f64, service: f64) -> f64 {
    let rho = rate * service;
    service + md1_wait(rate, service).unwrap_or(f64::INFINITY) * (1.0 + 2.0 * rho) / (1.0 + rho)
}

/// The rate at which the mean sojourn is `bound` \[s\], by bisection.
fn rate_for(bound: f64, service: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0 / service);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if mean_sojourn(middle, service) > bound { high = middle } else { low = middle }
    }
    low
}

#[test]
fn the_rate_for_a_mean_sojourn_is_that_of_the_queue() {
    let folder = queue();
    let shared =
        ["queue.toml", "--format", "json", "--duration", "400s", "--warmup", "20s", "--solve", "rate"];
    for (objective, bound) in [("mean<2ms", 2e-3), ("mean<5ms", 5e-3)] {
        let output = size(&folder, &[&shared[..], &["--slo", objective]].concat());
        let answer = json(&output);
        let (value, low, high) = (number(&answer, "value"), number(&answer, "low"), number(&answer, "high"));
        let expected = rate_for(bound, SERVICE);
        assert!(low <= expected && expected <= high, "{objective}: {expected} is not in {low} to {high}");
        assert!(
            low <= value && value <= high && high / low < 1.07,
            "{objective}: {value} in {low} to {high}"
        );
        assert_eq!((output.status.code(), answer["met"].as_bool()), (Some(0), Some(true)));
        assert_eq!(answer["binding"]["cause"], "queueing");
        // A server 5 % slower would be told apart.
        let slower = rate_for(bound, 1.05 * SERVICE);
        assert!(slower < low, "{objective}: {slower} is not below {low}");
    }
}

#[test]
fn as_many_shards_are_needed_as_the_load_over_what_one_carries() {
    let folder = queue();
    let flags =
        ["queue.toml", "--format", "json", "--duration", "200s", "--warmup", "10s", "--rate", "4000/s"];
    let output = size(&folder, &[&flags[..], &["--slo", "mean<2ms", "--solve", "shards"]].concat());
    let answer = json(&output);
    let expected = (4000.0 / rate_for(2e-3, SERVICE)).ceil();
    assert_eq!(number(&answer, "value"), expected, "{answer}");
    assert_eq!((number(&answer, "low"), number(&answer, "high")), (expected, expected));
    assert_eq!(answer["direction"], "smallest");
}

#[test]
fn what_no_rate_keeps_is_an_answer_and_exit_code_1() {
    let folder = queue();
    let flags = ["queue.toml", "--duration", "20s", "--warmup", "1s", "--slo", "p50<900us", "--format"];
    let output = size(&folder, &[&flags[..], &["json"]].concat());
    let answer = json(&output);
    assert_eq!((output.status.code(), answer["met"].as_bool()), (Some(1), Some(false)));
    assert!(answer["value"].is_null() && answer["low"].is_null() && answer["next"].is_null());
    assert!(output.stderr.is_empty(), "the answer says all there is");
    let text = size(&folder, &[&flags[..], &["human"]].concat()).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.starts_with(
            "p50<900us: not met at any rate from 1/s to 1,001/s: at 1/s ordinary requests take longer"
        ),
        "{text}"
    );
}

#[test]
fn a_fork_that_is_too_long_by_itself_is_named_with_what_would_be_without_it() {
    let folder = queue();
    let flags = [
        "queue.toml",
        "--format",
        "json",
        "--duration",
        "130s",
        "--warmup",
        "10s",
        "--from",
        "1/s",
        "--to",
        "500/s",
        "--set",
        "redis.save=1 1",
        "--set",
        "machine.fork.base=200ms",
        "--slo",
        "max<100ms",
    ];
    let output = size(&folder, &flags);
    let answer = json(&output);
    assert_eq!((output.status.code(), answer["met"].as_bool()), (Some(1), Some(false)), "{answer}");
    assert_eq!(
        (answer["binding"]["cause"].as_str(), answer["binding"]["objective"].as_str()),
        (Some("fork"), Some("max<100ms"))
    );
    assert_eq!(number(&answer["binding"], "longest_block_ns"), 200e6);
    assert_eq!(
        (answer["next"]["without"].as_str(), answer["next"]["value"].as_f64()),
        (Some("fork"), Some(500.0))
    );
}

/// At a few requests a second a server has slept and pays for waking up; at many it queues. Between them it is fast.
#[test]
fn a_second_boundary_is_seen_and_said() {
    let folder = queue();
    let flags = [
        "queue.toml",
        "--format",
        "json",
        "--duration",
        "400s",
        "--warmup",
        "10s",
        "--set",
        "machine.cpu.wakeup=1ms:1us,100ms:4ms",
        "--slo",
        "mean<2500us",
        "--from",
        "0.5/s",
    ];
    let answer = json(&size(&folder, &flags));
    let (low, high) = (number(&answer, "low"), number(&answer, "high"));
    let verdicts: Vec<&str> = answer["probes"]
        .as_array()
        .expect("probes")
        .iter()
        .filter_map(|probe| probe["verdict"].as_str())
        .collect();
    assert_eq!(
        (verdicts.first(), verdicts.last().map(|last| *last == "met")),
        (Some(&"unmet"), Some(false)),
        "{verdicts:?}"
    );
    assert!(verdicts.contains(&"met") && low > 20.0 && high < 1000.0, "{low} to {high}");
    let warning = answer["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("not one boundary: unmet at 0.5/s and met again at"), "{warning}");
}

/// The answer of a search on the queue at a command in ten seconds, so that nothing waits.
fn alone(arguments: &[&str]) -> Value {
    let folder = queue();
    let flags = ["queue.toml", "--format", "json", "--duration", "400s", "--warmup", "0s", "--rate", "0.1/s"];
    json(&size(&folder, &[&flags[..], arguments].concat()))
}

/// Whether `expected` is in the interval of an answer, which is at most 7 % long.
fn assert_found(answer: &Value, expected: f64, unit: &str) {
    let (value, low, high) = (number(answer, "value"), number(answer, "low"), number(answer, "high"));
    assert!(low <= expected && expected <= high, "{expected} is not in {low} to {high}: {answer}");
    assert!(low <= value && value <= high && high / low < 1.07, "{value} in {low} to {high}");
    assert_eq!((answer["unit"].as_str(), answer["met"].as_bool()), (Some(unit), Some(true)));
}

#[test]
fn sizes_prices_and_pipelines_end_where_a_command_takes_too_long() {
    // A KiB takes 1 ms.
    assert_found(&alone(&["--slo", "mean<3ms", "--solve", "value-size"]), 3072.0, "B");
    assert_found(&alone(&["--slo", "mean<300us", "--solve", "cpu.per-kib"]), 3e5, "ns");
    // The commands of a write are answered together, after all of them.
    let pipeline = alone(&["--slo", "mean<8500us", "--solve", "pipeline", "--to", "100"]);
    assert_found(&pipeline, 8.0, "1");
    assert_eq!((number(&pipeline, "low"), number(&pipeline, "high")), (8.0, 8.0));
}

#[test]
fn as_often_as_the_share_of_time_allows_is_hz() {
    // serverCron comes ⌊1000/hz⌋ ms after its last end, and takes 1 ms: one of 21 at hz 50, of 20 at 51.
    let cron = ["--set", "machine.cpu.cron=1ms", "--solve", "hz", "--slo", "busy<4.9%", "--precision", "1%"];
    let answer = alone(&cron);
    assert_eq!((number(&answer, "low"), number(&answer, "high")), (50.0, 50.0), "{answer}");
    assert_eq!(answer["direction"], "largest");
}

#[test]
fn as_many_clients_may_wait_as_are_answered_in_time() {
    let folder = queue();
    let path = folder.path().join("queue.toml");
    let open = std::fs::read_to_string(&path).expect("it was written");
    let closed = open.replace("rate        = \"100/s\"", "loop        = \"closed\"");
    std::fs::write(&path, closed).expect("it can be written");
    let flags =
        ["queue.toml", "--format", "json", "--duration", "60s", "--warmup", "10s", "--precision", "1%"];
    let flags = [&flags[..], &["--solve", "connections", "--slo", "mean<10500us"]].concat();
    let answer = json(&size(&folder, &flags));
    // All of them are answered at the end of a turn of a millisecond each.
    assert_eq!((number(&answer, "low"), number(&answer, "high")), (10.0, 10.0), "{answer}");
}

#[test]
fn keys_and_their_memory_end_where_memory_does() {
    let of_run = |arguments: &[&str]| {
        let flags = ["run", "queue.toml", "--format", "json", "--duration", "10s", "--warmup", "0s"];
        let folder = queue();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_writepath"));
        let mut command = Command::new(program);
        let output =
            command.current_dir(folder.path()).args(flags).args(arguments).output().expect("it runs");
        number(&json(&output)["memory"], "used_bytes")
    };
    let bound = f64::from(64 << 20);
    let keys = alone(&["--slo", "used<64MiB", "--solve", "keys"]);
    let (low, high) = (number(&keys, "low"), number(&keys, "high"));
    assert!(high / low < 1.07, "{low} to {high}");
    assert!(of_run(&["--keys", &format!("{low:.0}")]) < bound, "{keys}");
    assert!(of_run(&["--keys", &format!("{:.0}", high + 1.0)]) >= bound, "{keys}");
    let memory = alone(&["--slo", "used<64MiB", "--solve", "memory", "--from", "1MiB"]);
    assert_found(&memory, number(&memory, "value"), "B");
    let at = |bytes: f64| of_run(&["--set", &format!("dataset.memory={bytes:.0}B")]);
    assert!(at(number(&memory, "low")) < bound && at(number(&memory, "high")) >= bound, "{memory}");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let folder = queue();
    let run = |jobs: &str, out: &str| {
        let flags = ["queue.toml", "--duration", "30s", "--warmup", "2s", "--jobs", jobs, "--out", out];
        let sets = ["--for", "mean<2ms", "--for", "p99<9ms/10s@50%,mean<3ms", "--format", "json"];
        let output = size(&folder, &[&flags[..], &sets].concat());
        let file = |name: &str| std::fs::read(folder.path().join(out).join(name)).expect("a file");
        (output.stdout, file("size.csv"), file("curve.csv"))
    };
    let (one, two) = (run("1", "one"), run("2", "two"));
    assert!(one == two, "JSON and tables are the same");
    let rows = String::from_utf8_lossy(&one.1).lines().count();
    assert_eq!(rows, 3, "a row a set of objectives");
    let answers: Value = serde_json::from_slice(&one.0).expect("JSON");
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    assert_eq!(answers[1]["objectives"], serde_json::json!(["p99<9ms/10s@50%", "mean<3ms"]));
}
