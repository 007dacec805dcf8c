use super::*;
use crate::cause::Cause;
use crate::experiment::compare::{Pair, compare};
use crate::experiment::why::{Effort, Horizon, Remedy, Tail, Without, metrics};
use crate::experiment::{Assignment, Outcome};
use crate::observe::blame::Part;
use crate::observe::blame::rows::Rows;
use crate::observe::blame::split::Split;
use crate::report::fixture;
use crate::stats::paired::Moments;
use crate::units::{MILLISECOND, SECOND};

/// The forks of the fixture, with a split of some requests beside.
fn run() -> RunResult {
    let (mut rows, mut split) = (Rows::default(), Split::default());
    for (number, fork) in [(1000, 0), (10, 50 * MILLISECOND)] {
        split.clear();
        split.add(Part::Network, 70_000);
        split.add(Part::Main(Cause::Fork), fork);
        rows.add(number, 70_000 + fork, &mut split);
    }
    RunResult { blame: Some(rows.finish()), ..fixture::forks() }
}

/// Four replications in which some metrics are `factor` times what they were, with a spread of 1 %.
fn effect(change: Change, changed: &[(&str, f64)]) -> Effect {
    let metrics = metrics();
    let base = |name: &str| match name {
        "p50" => 1e5,
        "p99" => 1.2e5,
        "p999" => 44e6,
        "p9999" => 200e6,
        "max" => 225e6,
        "loss" => 1.0,
        "busy" => 0.1,
        "used" | "rss" => 1e9,
        _ => 0.0,
    };
    let pair = |replication: u64| -> Pair {
        let outcome = |factor: &dyn Fn(&str) -> f64| Outcome {
            replication,
            seed: 1,
            requests: 10_000_000,
            values: metrics
                .iter()
                .map(|metric| {
                    let name = metric.quantity.name;
                    Some(base(name) * factor(name) * (1.0 + 0.01 * (replication % 2) as f64))
                })
                .collect(),
        };
        let factor = |name: &str| changed.iter().find(|entry| entry.0 == name).map_or(1.0, |entry| entry.1);
        (outcome(&|_| 1.0), outcome(&factor))
    };
    let pairs: Vec<Pair> = (0..4).map(pair).collect();
    let mean = |index: usize| {
        let values: Vec<f64> = pairs.iter().filter_map(|pair| pair.1.values[index]).collect();
        Some(Moments::of(&values).interval(0.95))
    };
    Effect { change, rows: Ok(compare(&pairs, &metrics)), means: (0..metrics.len()).map(mean).collect() }
}

fn remedy(id: &'static str, title: &str, effort: Effort, beside: &'static str) -> Change {
    let settings = vec![Assignment { key: "redis.save".to_owned(), value: String::new() }];
    Change::Remedy(Remedy { id, title: title.to_owned(), effort, settings, lines: "", beside })
}

fn findings(without: Vec<Effect>, remedies: Vec<Effect>) -> Findings {
    Findings { headline: "p999", without, remedies, replications: 4, goals: Vec::new() }
}

fn forks_and_remedies() -> Findings {
    let fork = effect(Change::Without(Without::of(Cause::Fork)), &[("p999", 0.01), ("max", 0.02)]);
    let cron = effect(Change::Without(Without::of(Cause::Cron)), &[]);
    let dear = effect(
        remedy("replica-snapshots", "let a replica take the snapshots", Effort::Servers, "a second server"),
        &[("p999", 0.01), ("busy", 1.1)],
    );
    let lossy =
        effect(remedy("no-snapshots", "save \"\"", Effort::Setting, ""), &[("p999", 0.01), ("loss", 60.0)]);
    let weak = effect(remedy("hz", "hz 100", Effort::Setting, ""), &[("p999", 0.9)]);
    findings(vec![fork, cron], vec![dear, lossy, weak])
}

fn with_report(findings: &Findings, check: impl FnOnce(WhyReport)) {
    let (run, about) = (run(), fixture::about());
    let bands = run.blame.as_ref().map_or_else(Vec::new, |blame| blame.bands());
    let tail = Tail::of(&bands, &run);
    let horizon = Horizon { duration: 600 * SECOND, warmup: 0, replications: 4, whole: None };
    let plan = Plan { tail, changes: Vec::new(), horizon, left_out: vec![Cause::Cow] };
    check(WhyReport { run: &run, about: &about, plan: &plan, findings, traced: None });
}

#[test]
fn the_sentence_names_the_cause_what_it_would_be_and_what_costs_least() {
    with_report(&forks_and_remedies(), |report| {
        // The setting loses more, so that the server that loses nothing is the cheaper one; hz gives too little.
        assert_eq!(
            report.sentence(),
            "P99.9 of 43.8 ms comes from 107 forks of 225 ms (BGSAVE, save 60 10000; one every 3 min). Without them it \
             would be 442 us (438 to 446 us). Cheapest: let a replica take the snapshots: P99.9 442 us (438 to 446 us); \
             costs: server busy 10.1 % to 11.1 %; a second server."
        );
    });
    let mut only_weak = forks_and_remedies();
    only_weak.remedies.drain(..2);
    with_report(&only_weak, |report| {
        assert!(
            report.sentence().ends_with("None of the remedies below gives half of that."),
            "{}",
            report.sentence()
        );
    });
}

#[test]
fn a_tail_without_a_cause_and_one_that_other_runs_see_otherwise_are_said_so() {
    let cron = effect(Change::Without(Without::of(Cause::Cron)), &[]);
    // Requests that beyond P99.9 waited for a fork all the time, and runs that do not tell.
    with_report(&findings(vec![cron.clone()], Vec::new()), |report| {
        let expected = "120 us at P99, 43.8 ms at P99.9, 225 ms at worst: 100 % of the time of the slowest requests went \
                        to 107 forks of 225 ms";
        assert!(report.sentence().starts_with(expected), "{}", report.sentence());
    });
    let (about, findings_of_cron) = (fixture::about(), findings(vec![cron], Vec::new()));
    with_report(&findings_of_cron, |report| {
        let run = RunResult { blame: None, ..run() };
        let report = WhyReport { run: &run, about: &about, ..report };
        let expected = "No single cause shapes the tail: 120 us at P99, 43.8 ms at P99.9";
        assert!(report.sentence().starts_with(expected), "{}", report.sentence());
    });
    let noise = effect(Change::Without(Without::of(Cause::HostNoise)), &[("p99", 0.5)]);
    let about_p99 = Findings { headline: "p99", ..findings(vec![noise], Vec::new()) };
    with_report(&about_p99, |report| {
        // No block of the run is so long: the cause is told in its own words, as a part.
        let expected = "P99 of 120 us comes in part from host-noise (the host ran something else on the core). Without it";
        assert!(report.sentence().starts_with(expected), "{}", report.sentence());
    });
}

#[test]
fn the_json_has_the_promised_keys() {
    with_report(&forks_and_remedies(), |report| {
        let json: serde_json::Value = serde_json::from_slice(&report.json()).expect("JSON");
        let fork = &json["without"][0];
        assert_eq!((&fork["cause"], &fork["verdict"]), (&"fork".into(), &"better".into()));
        for key in ["value", "low", "high", "from", "to"] {
            assert!(fork["p999_ns_change"][key].is_number(), "{key} of {fork}");
        }
        let change = &fork["p999_ns_change"];
        assert!(
            (change["to"].as_f64().unwrap()
                - change["from"].as_f64().unwrap()
                - change["value"].as_f64().unwrap())
            .abs()
                < 1.0
        );
        assert_eq!(json["without"][1]["verdict"], "no difference seen");
        assert!(json["without"][0]["loss_s_change"]["value"].is_number());
        for band in json["bands"].as_array().expect("bands") {
            let parts: u64 =
                band["causes"].as_object().expect("parts").values().map(|ns| ns.as_u64().unwrap()).sum();
            assert_eq!(band["sojourn_ns"], parts);
        }
        let lossy = &json["remedies"][1];
        assert_eq!((&lossy["name"], &lossy["settings"][0]), (&"no-snapshots".into(), &"redis.save=".into()));
        assert_eq!(lossy["costs"][0], "loss in a crash 1.00 s to 60.3 s");
        assert_eq!((&json["not_tried"][0], &json["sentence"]), (&"cow".into(), &report.sentence().into()));
        assert_eq!(json["runs"]["duration_s"], 600.0);
    });
}

#[test]
fn tables_have_a_row_a_part_and_a_row_a_metric_of_every_world() {
    with_report(&forks_and_remedies(), |report| {
        let text = report.csv();
        let mut reader = csv::Reader::from_reader(&text[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("columns")).collect();
        let of = |kind: &str| rows.iter().filter(|row| &row[2] == kind).count();
        let metrics = metrics().len();
        assert_eq!((of("without"), of("remedy")), (2 * metrics, 3 * metrics));
        let parts: usize =
            report.run.blame.iter().flat_map(|blame| blame.bands()).map(|band| band.causes.len()).sum();
        assert_eq!(of("band"), parts);
        let loss = rows.iter().find(|row| &row[3] == "no-snapshots" && &row[4] == "loss").expect("a row");
        assert_eq!((&loss[5], &loss[11]), ("machine_death_seconds_max", "worse"));
    });
}

#[test]
fn people_read_values_where_they_differ_and_what_was_not_tried() {
    let mut findings = forks_and_remedies();
    let failed = Effect {
        change: remedy("valkey", "valkey-9.1", Effort::Upgrade, ""),
        rows: Err("offered load is 1.20".to_owned()),
        means: Vec::new(),
    };
    findings.remedies.push(failed);
    with_report(&findings, |report| {
        let text = anstream::adapter::strip_str(&report.human()).to_string();
        let line = |start: &str| {
            let found = text.lines().rfind(|line| line.trim_start().starts_with(start));
            found
                .unwrap_or_else(|| panic!("{start} in\n{text}"))
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(line("fork  "), "fork = = 442 us 4.52 ms = -44.2 ms to -43.4 ms");
        assert_eq!(line("cron"), "cron = = = = = no difference seen");
        assert!(line("valkey-9.1").contains("cannot be run: offered load is 1.20"));
        assert_eq!(line("Smaller, not tried"), "Smaller, not tried (--top): cow.");
        assert!(text.contains("10 min each instead of 6 h"), "{text}");
    });
}
