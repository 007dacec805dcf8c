//! Claims: a step does to its key, replies and propagates what the server's commands do.
//!
//! Method: steps are handed to a server one by one, at times of the test's choosing; bytes are counted on arrays of
//! bulk strings written out here.

use writepath::client::operation::Outcome::{self, Error, Nil, Ok, Value};
use writepath::dist::Dist;
use writepath::redis::server::Server;
use writepath::redis::step_plan::PatternPlan;
use writepath::redis::work::Work;
use writepath::rng::Streams;
use writepath::scenario::pattern::Pattern;
use writepath::units::{MILLISECOND, Nanos};

use super::support::{poisson, scenario};

const KEY: &str = "counter:0123456789ab";
const DEADLINE: &str = "1700000000000";
const MULTI: &[&str] = &["MULTI"];
const EXEC: &[&str] = &["EXEC"];

/// A server and the steps of one pattern on one key.
struct Bench {
    server: Server,
    plan: PatternPlan,
}

impl Bench {
    fn new(name: &str, version: &str, window_ms: u64, limit: Option<u64>) -> Self {
        let mut scenario = scenario(poisson(1.0), 1, Dist::Fixed(1.0), MILLISECOND);
        scenario.redis.version = version.parse().expect("a version");
        scenario.redis.appendonly = true;
        let pattern = Pattern::new(name, window_ms, limit).expect("built in");
        let plan = PatternPlan::new(&pattern, KEY.len() as u64, &scenario.machine);
        scenario.workloads[0].key_size = KEY.len() as u32;
        scenario.workloads[0].mix.clear();
        scenario.workloads[0].pattern = Some(Box::new(pattern));
        Bench { server: Server::new(&scenario, &Streams::new(1, 0)).0, plan }
    }

    /// Executes a step at `at_ms`: reply of the last command, and bytes for the AOF.
    fn step(&mut self, step: usize, at_ms: u64) -> (Outcome, u64) {
        let (mut work, now): (Work, Nanos) = (Work::default(), at_ms * MILLISECOND);
        let done = self.server.execute_step(&self.plan, (0, 0), step, now, &mut work);
        self.server.exact.check();
        (done.outcome, work.aof_bytes)
    }
}

fn bytes(commands: &[&[&str]]) -> u64 {
    let strings = |command: &&[&str]| -> u64 {
        let strings: String = command.iter().map(|a| format!("${}\r\n{a}\r\n", a.len())).collect();
        (format!("*{}\r\n", command.len()).len() + strings.len()) as u64
    };
    commands.iter().map(strings).sum()
}

#[test]
fn the_racy_triple_sees_its_key_come_and_go() {
    for version in ["6.0", "6.2", "7.2", "valkey-8.1"] {
        let mut bench = Bench::new("get-set-incr", version, 100, None);
        assert_eq!(bench.step(0, 0), (Nil, 0));
        let set: &[&[&str]] = match version {
            "6.0" => &[&["SET", KEY, "0"], &["PEXPIREAT", KEY, DEADLINE]],
            _ => &[&["SET", KEY, "0", "PXAT", DEADLINE]],
        };
        assert_eq!(bench.step(1, 10), (Ok, bytes(set)), "{version}");
        let incr = bytes(&[&["INCR", KEY]]);
        assert_eq!((bench.step(2, 20), bench.step(0, 30)), ((Value(1), incr), (Value(1), 0)));
        // Gone when the clock is past 110 ms; whoever meets it deletes it first.
        assert_eq!(bench.step(2, 110), (Value(2), incr));
        let del: &[&str] = &["DEL", KEY];
        let met: &[&[&str]] = match version {
            "6.0" | "6.2" => &[del, &["INCR", KEY]],
            _ => &[MULTI, del, &["INCR", KEY], EXEC],
        };
        assert_eq!(bench.step(2, 111), (Value(1), bytes(met)), "{version}");
        // That key lives for ever.
        assert_eq!(bench.step(0, 1_000_000), (Value(1), 0));
        assert_eq!(bench.step(1, 1_000_000).0, Ok);
        bench.server.config.lazyfree_lazy_expire = true;
        assert_eq!(bench.step(0, 1_000_101), (Nil, bytes(&[&["UNLINK", KEY]])));
    }
}

#[test]
fn blocks_and_scripts_are_wrapped_as_each_version_wraps_them() {
    let (incr, expire): (&[&str], &[&str]) = (&["INCR", KEY], &["PEXPIREAT", KEY, DEADLINE]);
    for (version, later) in
        [("6.2", bytes(&[MULTI, incr, EXEC])), ("7.2", bytes(&[incr])), ("8.8", bytes(&[incr]))]
    {
        let mut bench = Bench::new("lua-incr-expire", version, 60_000, None);
        assert_eq!(bench.step(0, 0), (Value(1), bytes(&[MULTI, incr, expire, EXEC])), "{version}");
        assert_eq!(bench.step(0, 1), (Value(2), later), "{version}");
    }
    // Before 5.0 a script itself is propagated.
    let sha = "0123456789012345678901234567890123456789";
    let mut bench = Bench::new("lua-incr-expire", "4.0", 60_000, None);
    assert_eq!(bench.step(0, 0), (Value(1), bytes(&[&["EVALSHA", sha, "1", KEY, "60"]])));
    // EXPIRE NX of a key that has a deadline changes nothing; a key that has lost it gets one again.
    let mut bench = Bench::new("multi-incr-expire-nx", "7.2", 60_000, None);
    assert_eq!(bench.step(0, 0), (Value(1), bytes(&[MULTI, incr, expire, EXEC])));
    assert_eq!(bench.step(0, 1), (Value(0), bytes(&[incr])));
    // SET NX that fails is not propagated.
    let mut bench = Bench::new("set-nx-ex-incr", "7.2", 60_000, None);
    assert_eq!(bench.step(0, 0), (Ok, bytes(&[&["SET", KEY, "0", "PXAT", DEADLINE]])));
    assert_eq!(bench.step(0, 1), (Nil, 0));
}

#[test]
fn a_script_is_not_rolled_back() {
    let mut bench = Bench::new("lua-incr-expire-bad-argv", "7.2", 1000, None);
    let incr = bytes(&[&["INCR", KEY]]);
    assert_eq!((bench.step(0, 0), bench.step(0, 1)), ((Error, incr), (Value(2), incr)));
    assert_eq!(bench.step(0, 1_000_000), (Value(3), incr));
    assert_eq!(bench.server.exact.volatile(), 0);
}

#[test]
fn increx_gives_a_time_to_live_to_a_key_without_one_only() {
    let mut bench = Bench::new("increx", "8.8", 1000, None);
    assert_eq!((bench.step(0, 0).0, bench.step(0, 900).0), (Value(1), Value(2)));
    assert_eq!((bench.step(0, 1000).0, bench.step(0, 1001).0), (Value(3), Value(1)));
}

#[test]
fn a_sorted_set_counts_exactly_the_last_window() {
    let mut bench = Bench::new("zset-window", "7.2", 100, None);
    let mut times: Vec<u64> = Vec::new();
    for n in 0..2000u64 {
        // Gaps of 0 to 22 ms, and now and then one longer than the window.
        let gap = if n % 97 == 96 { 150 } else { (n * 7919) % 23 };
        let at = times.last().copied().unwrap_or(0) + gap;
        times.push(at);
        let expected = times.iter().filter(|&&time| time + 100 > at).count();
        assert_eq!(bench.step(0, at).0, Value(expected as i64), "at {at}");
    }
    assert_eq!(bench.server.exact.present(), 1);
}

#[test]
fn a_list_never_keeps_more_than_its_limit() {
    let mut bench = Bench::new("list-window", "7.2", 60_000, Some(5));
    let (push, trim): (&[&str], &[&str]) = (&["LPUSH", KEY, DEADLINE], &["LTRIM", KEY, "0", "4"]);
    let expire: &[&str] = &["PEXPIREAT", KEY, DEADLINE];
    let memory = |bench: &Bench| bench.server.exact.used_bytes();
    let mut full = 0;
    for n in 1..=20 {
        let (_, logged) = bench.step(0, n);
        // LTRIM that removes nothing is not propagated.
        let expected = if n <= 5 {
            bytes(&[MULTI, push, expire, EXEC])
        } else {
            bytes(&[MULTI, push, trim, expire, EXEC])
        };
        assert_eq!(logged, expected, "{n}");
        full = if n == 5 { memory(&bench) } else { full };
    }
    assert_eq!(memory(&bench), full);
}
