//! Claims: what clients do with operations of several steps conserves them, retries included; and the shipped
//! scenarios give the verdicts their comments name.

use std::path::Path;

use writepath::observe::patterns::{PatternResult, PatternSums};
use writepath::observe::result::RunResult;
use writepath::rng::{StreamId, Streams, Uniform};
use writepath::scenario::builtin;
use writepath::scenario::pattern::Pattern;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::units::{MILLISECOND, SECOND};

use super::patterns::{pattern, result};
use super::support::{poisson, record};
use super::world::{on_a_free_machine, simulate};

/// A built-in scenario with settings.
fn built_in(name: &str, set: &[&str]) -> RunResult {
    let text = builtin::get(name).unwrap_or_else(|| panic!("{name} is built in"));
    let overrides =
        Overrides { set: set.iter().map(|set| (*set).to_owned()).collect(), ..Overrides::default() };
    let scenario = resolve(text, name, Path::new(""), &overrides).unwrap_or_else(|p| panic!("{name}\n{p}"));
    simulate(&scenario)
}

fn one(run: RunResult) -> PatternResult {
    assert_eq!(run.patterns.len(), 1);
    run.patterns.into_iter().next().expect("one")
}

#[test]
fn an_operation_takes_its_round_trips() {
    // Two steps of r each while the key lives, three when it does not.
    let run = result(&pattern("get-set-incr", poisson(1000.0), MILLISECOND, 1.0, |pattern| {
        *pattern = Pattern::new("get-set-incr", 60_000, None).expect("built in");
    }));
    let quantile = run.sojourn.quantile(0.5);
    assert!(quantile.abs_diff(2 * MILLISECOND) < 2 * MILLISECOND / 64, "{quantile}");
    assert!(run.sojourn.max().abs_diff(3 * MILLISECOND) < 3 * MILLISECOND / 64, "{}", run.sojourn.max());
    assert_eq!((run.sums.increments_lost, run.sums.failed), (0, 0));
}

#[test]
fn eight_hundred_released_writers_all_set_and_steady_ones_do_not() {
    let released = one(built_in("expiry-stampede-synchronised", &[]));
    assert!(released.sums.followed >= 50, "{:?}", released.sums);
    let sets = released.sets_per_expiry().expect("expiries");
    assert!(sets > 100.0 && released.sums.left_without_ttl == 0, "{sets} SETs an expiry");
    let steady = one(built_in("expiry-stampede-steady", &[]));
    let (sets, left) =
        (steady.sets_per_expiry().expect("expiries"), steady.share_left_without_ttl().expect("some"));
    assert!(steady.sums.followed >= 20 && sets < 3.0, "{sets} SETs an expiry of {}", steady.sums.followed);
    // x = λr = 2000/s × a little over 0.5 ms: ½ (1 − e^(−2x)) is 0.43 or a little more.
    let error = (0.25 / steady.sums.followed as f64).sqrt();
    assert!((left - 0.44).abs() < 4.0 * error, "{left} ± {error}");
}

#[test]
fn released_writers_on_a_free_machine_all_find_the_key_missing() {
    let text = "[redis]\nsave = \"\"\n[[workload]]\nloop = \"closed\"\nconnections = 800\n\
                pattern = \"get-set-incr\"\nwindow = \"100ms\"\nrelease = \"expiry\"\n[run]\nduration = \"2s\"\n";
    let run = one(simulate(&on_a_free_machine(text, |machine| machine.network.one_way = MILLISECOND)));
    assert!(run.sums.followed >= 15);
    assert_eq!((run.sums.sets, run.sets_max), (800 * run.sums.followed, 800));
}

#[test]
fn rate_limiters_are_as_right_as_their_patterns() {
    let racy = one(built_in("rate-limiter-racy", &[]));
    let nx = one(built_in("rate-limiter-nx", &[]));
    // 50/s and 0.5 ms: x = 0.025 and more, by the server's own time; 1,000 users, about ten windows.
    for limiter in [&racy, &nx] {
        let sums = limiter.sums;
        let share = limiter.share_left_without_ttl().expect("expiries");
        assert!(sums.followed > 5_000 && (0.015..0.05).contains(&share), "{}: {share}", limiter.name);
        assert!(sums.locked_out > 1_000 && limiter.keys_at_end.1 > 100, "{}: {sums:?}", limiter.name);
    }
    assert_eq!(nx.sums.increments_lost, 0);
    for name in ["lua", "multi"] {
        let limiter = one(built_in(&format!("rate-limiter-{name}"), &[]));
        let sums = limiter.sums;
        assert!(sums.expiries > 5_000, "{name}");
        assert_eq!((sums.windows_without_ttl, sums.increments_lost, sums.failed), (0, 0, 0), "{name}");
        assert_eq!((sums.over_limit, sums.locked_out), (0, 0), "{name}");
        let commands = limiter.per_operation(sums.commands).expect("operations").round();
        assert_eq!(commands, if name == "lua" { 1.0 } else { 4.0 });
    }
}

/// Timeouts end as a retry or a failure; every increment was seen, was for nobody, or is on its way.
fn assert_conserves(what: &str, sums: &PatternSums, in_flight: u64) {
    assert_eq!(sums.timeouts, sums.retries + sums.timed_out, "{what}");
    assert_eq!(sums.failed, sums.refused + sums.timed_out + sums.died, "{what}");
    let known = sums.increments_acked + sums.increments_unseen;
    assert!(sums.increments >= known && sums.increments - known <= in_flight, "{what}: {sums:?}");
}

#[test]
fn retries_multiply_the_load_of_a_stall() {
    let settled = |set: &[&str]| {
        let run = one(built_in("retry-storm", set));
        assert_conserves("retry-storm", &run.sums, 1_000_000);
        run.sums
    };
    let storm = settled(&[]);
    let budget = settled(&["workload.retry-budget=0.1"]);
    let patient = settled(&["workload.timeout=60s"]);
    // Two seconds of 40,000/s, each sent up to four times.
    assert!(storm.retries > 200_000, "{storm:?}");
    assert!(budget.retries < 100_000 && budget.increments_unseen < storm.increments_unseen / 2, "{budget:?}");
    assert_eq!((patient.timeouts, patient.failed), (0, 0));
    // Increments done twice are those whose client no longer waited and asked again.
    assert!(storm.increments_unseen > 150_000, "{storm:?}");
}

#[test]
fn a_timeout_longer_than_every_reply_changes_nothing() {
    let with = |timeout| {
        let change = |pattern: &mut Pattern| {
            (pattern.key_count, pattern.patience.timeout, pattern.patience.retries) = (10, timeout, 3);
        };
        result(&pattern("get-set-incr", poisson(50_000.0), MILLISECOND, 1.0, change))
    };
    let (endless, patient) = (with(None), with(Some(SECOND)));
    assert_eq!(endless.sums, patient.sums);
    assert_eq!(endless.sojourn.quantile(0.999), patient.sojourn.quantile(0.999));
}

#[test]
fn a_probe_changes_nothing_and_sees_every_command() {
    let mut scenario = pattern("get-set-incr", poisson(20_000.0), MILLISECOND, 1.0, |pattern| {
        (pattern.key_count, pattern.patience.timeout, pattern.patience.retries) =
            (5, Some(3 * MILLISECOND), 2);
    });
    scenario.machine.cpu.incr = 20_000;
    let (seen, probed) = record(&scenario);
    let bare = simulate(&scenario);
    assert_eq!(probed.patterns[0].sums, bare.patterns[0].sums);
    assert_eq!(probed.completed, bare.completed);
    assert_eq!(seen.iter().map(|replied| replied.commands as u64).sum::<u64>(), bare.completed);
}

#[test]
fn a_server_that_exits_refuses_what_it_had() {
    let text = "[redis]\nappendonly = true\nappendfsync = \"always\"\nsave = \"\"\n[[workload]]\nrate = \"20k/s\"\n\
                pattern = \"get-set-incr\"\nwindow = \"50ms\"\ntimeout = \"100ms\"\nretries = 2\n\
                [[event]]\nat = \"500ms\"\ndo = \"disk-full\"\nfor = \"400ms\"\n[run]\nduration = \"1s\"\n";
    let run = simulate(&on_a_free_machine(text, |machine| machine.network.one_way = MILLISECOND));
    let sums = run.patterns[0].sums;
    assert!(run.errors.connection_lost > 0 && sums.refused > 0, "{:?} {sums:?}", run.errors);
}

#[test]
fn random_patterns_balance() {
    let mut draws = Streams::new(5, 0).open(StreamId::Mix, 0);
    let mut pick = |words: &[&str]| words[draws.below(words.len() as u64) as usize].to_owned();
    for round in 0..60 {
        let commands = [
            "GET",
            "INCR",
            "SET 5 PX 30",
            "SET 0",
            "SET -3 NX PX 20",
            "SET 1 KEEPTTL",
            "DEL",
            "PEXPIRE 25",
            "PEXPIRE 15 NX",
        ];
        let steps: Vec<String> = (0..1 + round % 4)
            .map(|step| {
                let name = format!("name = \"s{step}\", ");
                let what = match pick(&["one", "one", "block", "script"]).as_str() {
                    "block" => format!("[\"{}\", \"{}\"]", pick(&commands), pick(&commands)),
                    "script" => "\"EVALSHA INCR EXPIRE 1\"".into(),
                    _ => format!("\"{}\"", pick(&commands)),
                };
                let when = match step {
                    0 => String::new(),
                    _ => pick(&["", ", if-nil = \"s0\"", ", if-equals = [\"s0\", 1]"]),
                };
                format!("{{ {name}do = {what}{when} }}")
            })
            .collect();
        let source = pick(&["loop = \"open\"\nrate = \"20k/s\"", "loop = \"closed\"\nthink = \"1ms\""]);
        let patience = pick(&[
            "",
            "timeout = \"3ms\"\nretries = 2\nretry-backoff = \"1ms\"\n",
            "timeout = \"5ms\"\nretries = 5\nretry-budget = 0.2\n\
             retry-backoff = { kind = \"exponential\", base = \"1ms\", cap = \"20ms\" }\n",
        ]);
        let popularity = pick(&["\"uniform\"", "{ dist = \"zipf\", s = 1.0 }"]);
        let death = if steps.len() > 1 { "client-death = 0.01\n" } else { "" };
        let version = pick(&["7.2", "8.8", "valkey-8.1"]);
        let aof = pick(&["true", "false"]);
        let text = format!(
            "[redis]\nversion = \"{version}\"\nappendonly = {aof}\nsave = \"1 100\"\n[dataset]\nkeys = 1000\n\
             [[workload]]\n{source}\nconnections = 20\npattern = [{}]\npattern-keys = 7\nwindow = \"20ms\"\n\
             limit = 3\n{death}keys = {popularity}\n{patience}\
             [[event]]\nat = \"300ms\"\ndo = \"freeze\"\nfor = \"30ms\"\n\
             [run]\nduration = \"1s\"\nwarmup = \"200ms\"\nseed = {round}\n",
            steps.join(", ")
        );
        // What must balance is asserted at the end of every run; seen from outside:
        let run = on_a_free_machine(&text, |machine| {
            machine.network.one_way = MILLISECOND / 2;
            machine.cpu.incr = 1000;
        });
        let sums = one(simulate(&run)).sums;
        // The warm-up cuts what was under way at its end.
        assert!(sums.operations > 500, "{text}\n{sums:?}");
        assert!(
            sums.increments_acked + sums.increments_unseen <= sums.increments + 2_000,
            "{text}\n{sums:?}"
        );
    }
}
