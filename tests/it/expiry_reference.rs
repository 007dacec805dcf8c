//! The cohorts against a slow, exact simulation of the same algorithm: every key with its own hash and deadline, a real
//! table of buckets and a real cursor.
//!
//! Written from expire.c alone; it shares no code with the engine but its random numbers. Both are run under many
//! seeds, and their means have to agree within the error of the means.

use writepath::dist::Dist;
use writepath::redis::command::Command;
use writepath::redis::version::Version;
use writepath::rng::{Stream, StreamId, Streams, Uniform};
use writepath::scenario::Scenario;
use writepath::scenario::ttl::{Ttl, TtlAge};
use writepath::sim::{RunOptions, run};
use writepath::units::{MILLISECOND, SECOND};

use super::support::{Estimate, poisson, scenario};

/// Deleting a key, and looking at one that is not due \[ns\].
const EXPIRE_KEY: u64 = 2000;
const EXPIRE_SAMPLE: u64 = 60;

/// What both are run on: `due` keys whose deadlines lie evenly between 1 s and 1 s + `over`, and `waiting` keys that are
/// not due within the run.
#[derive(Clone, Copy, Debug)]
struct Case {
    version: Version,
    due: u64,
    waiting: u64,
    over: u64,
    duration: u64,
    /// Before 6.0: every key is drawn with the same chance (`dictGetRandomKey` prefers those in short chains).
    fair: bool,
}

/// What is compared: keys deleted, and the mean and quantiles of their lag \[s\].
type Figures = [f64; 5];
const NAMES: [&str; 5] =
    ["keys deleted", "mean lag", "median lag", "P90 of the lag", "largest number of dead keys"];

fn by_engine(case: &Case, replication: u64) -> Figures {
    let mut scenario: Scenario = scenario(poisson(0.001), 1, Dist::Fixed(1.0), case.duration);
    scenario.redis.version = case.version;
    scenario.workloads[0].mix = vec![("PING".parse::<Command>().unwrap(), 1.0)];
    (scenario.machine.cpu.expire_key, scenario.machine.cpu.expire_sample) = (EXPIRE_KEY, EXPIRE_SAMPLE);
    let keys = case.due + case.waiting;
    scenario.dataset.keys = keys;
    scenario.dataset.ttl_share = 1.0;
    let life = match case.waiting {
        0 => Dist::Fixed(1e9),
        _ => Dist::Empirical(vec![(case.due as f64 / keys as f64, 1e9), (1.0, 1e14)]),
    };
    scenario.dataset.ttl = Some(Ttl { dist: life, jitter: case.over, align: 0, age: TtlAge::New });
    let options = RunOptions { replication, ..RunOptions::default() };
    let expiry = run(&scenario, &options, &mut |_| true).expect("it runs").expiry.expect("keys expire");
    assert_eq!(expiry.time_cap_reached, 0, "{case:?}: the reference has no fast cycles");
    let s = |nanos: u64| nanos as f64 / 1e9;
    let [median, p90] = expiry.lag.quantiles([0.5, 0.9]);
    [expiry.expired_keys as f64, expiry.lag.mean() / 1e9, s(median), s(p90), expiry.pending_max as f64]
}

/// A table of keys in buckets, in the order in which the cursor goes through them.
struct Table {
    buckets: Vec<Vec<(f64, u64)>>,
    keys: u64,
    cursor: usize,
}

impl Table {
    fn new(keys: Vec<(f64, u64)>) -> Self {
        let mut table = Table { buckets: Vec::new(), keys: keys.len() as u64, cursor: 0 };
        table.place(keys);
        table
    }

    /// Into a table as large as so many keys need; the cursor stays where it is in the order.
    fn place(&mut self, keys: Vec<(f64, u64)>) {
        let before = self.buckets.len().max(1);
        let size = keys.len().next_power_of_two().max(4);
        self.buckets = vec![Vec::new(); size];
        for key in keys {
            self.buckets[(key.0 * size as f64) as usize].push(key);
        }
        self.cursor = self.cursor * size / before;
    }

    /// serverCron: a table filled below 10 % (12.5 % from 7.4 on) shrinks; its rehash is over at once.
    fn shrink(&mut self, version: Version) {
        let buckets = self.buckets.len() as u64;
        let sparse =
            if version.has(7, 4) { self.keys * 8 <= buckets } else { self.keys * 100 / buckets < 10 };
        if buckets > 4 && sparse {
            let keys = std::mem::take(&mut self.buckets).into_iter().flatten().collect();
            self.buckets = vec![Vec::new(); buckets as usize];
            self.place(keys);
        }
    }
}

fn by_reference(case: &Case, replication: u64) -> Figures {
    let mut stream = Streams::new(99, replication).open(StreamId::Expiry, 0);
    let keys = (0..case.due + case.waiting).map(|key| {
        let deadline = SECOND + stream.below(case.over + 1);
        (stream.unit(), if key < case.due { deadline / MILLISECOND } else { u64::MAX })
    });
    let mut table = Table::new(keys.collect());
    let mut deadlines: Vec<u64> =
        table.buckets.iter().flatten().map(|key| key.1).filter(|&at| at < u64::MAX).collect();
    deadlines.sort_unstable();
    let mut lags: Vec<f64> = Vec::new();
    let mut most_dead = 0;
    let mut now = 100 * MILLISECOND;
    while now < case.duration {
        let start = now;
        loop {
            let buckets = table.buckets.len() as u64;
            if table.keys == 0 || (buckets > 4 && table.keys * 100 / buckets < 1) {
                break;
            }
            let wall = now / MILLISECOND;
            let dead = deadlines.partition_point(|&at| at < wall) - lags.len();
            most_dead = most_dead.max(dead);
            let num = table.keys.min(20);
            let (sampled, expired, turned) = match case.version.has(6, 0) {
                true => sweep(&mut table, num, wall, case.version, &mut now, &mut lags),
                false => draw(&mut table, case.fair, wall, &mut now, &mut lags, &mut stream),
            };
            let again = match case.version.has(6, 0) {
                true => sampled == 0 || expired * 100 / sampled > 10,
                false => expired > 5,
            };
            if turned || !again {
                break;
            }
        }
        assert!(now - start < 25 * MILLISECOND, "{case:?}: the reference has no fast cycles");
        table.shrink(case.version);
        now += 100 * MILLISECOND;
    }
    lags.sort_by(f64::total_cmp);
    let at = |q: f64| lags[((lags.len() as f64 * q) as usize).min(lags.len() - 1)];
    let mean = lags.iter().sum::<f64>() / lags.len() as f64;
    [lags.len() as f64, mean, at(0.5), at(0.9), most_dead as f64]
}

fn lag(now: u64, deadline: u64) -> f64 {
    (now - deadline * MILLISECOND) as f64 / 1e9
}

fn sweep(
    table: &mut Table,
    num: u64,
    wall: u64,
    version: Version,
    now: &mut u64,
    lags: &mut Vec<f64>,
) -> (u64, u64, bool) {
    let (mut sampled, mut expired, mut checked) = (0, 0, 0);
    while sampled < num && checked < num * 20 {
        let bucket = &mut table.buckets[table.cursor];
        checked += 1;
        bucket.retain(|key| {
            sampled += 1;
            let dead = wall > key.1;
            *now += if dead { EXPIRE_KEY } else { EXPIRE_SAMPLE };
            if dead {
                expired += 1;
                lags.push(lag(*now, key.1));
            }
            !dead
        });
        table.cursor = (table.cursor + 1) % table.buckets.len();
        if table.cursor == 0 && version.has(7, 4) {
            table.keys -= expired;
            return (sampled, expired, true);
        }
    }
    table.keys -= expired;
    (sampled, expired, false)
}

/// Twenty random keys, or as many as there are: a bucket that is not empty, then a key of it.
fn draw(
    table: &mut Table,
    fair: bool,
    wall: u64,
    now: &mut u64,
    lags: &mut Vec<f64>,
    stream: &mut Stream,
) -> (u64, u64, bool) {
    let (num, mut expired) = (table.keys.min(20), 0);
    for _ in 0..num {
        let bucket = loop {
            let bucket = stream.below(table.buckets.len() as u64) as usize;
            let keys = table.buckets[bucket].len();
            // Longer chains as often as they have keys, of at most 16.
            if keys > 0 && (!fair || stream.below(16) < keys as u64) {
                break bucket;
            }
        };
        let key = stream.below(table.buckets[bucket].len() as u64) as usize;
        let deadline = table.buckets[bucket][key].1;
        *now += if wall > deadline { EXPIRE_KEY } else { EXPIRE_SAMPLE };
        if wall > deadline {
            table.buckets[bucket].swap_remove(key);
            table.keys -= 1;
            expired += 1;
            lags.push(lag(*now, deadline));
        }
        if table.keys == 0 {
            break;
        }
    }
    (num, expired, false)
}

/// Panics unless the two agree within four standard errors of their difference and `percent` of their size.
fn compare(case: &Case, runs: u64, percent: f64) {
    let engine: Vec<Figures> = (0..runs).map(|run| by_engine(case, run)).collect();
    let reference: Vec<Figures> = (0..runs).map(|run| by_reference(case, run)).collect();
    for (figure, name) in NAMES.iter().enumerate() {
        let of = |all: &[Figures]| Estimate::of(&all.iter().map(|run| run[figure]).collect::<Vec<_>>());
        let (ours, exact) = (of(&engine), of(&reference));
        let error = (ours.error * ours.error + exact.error * exact.error).sqrt();
        println!("{} {} + {}: {name}: {ours:?} against {exact:?}", case.version, case.due, case.waiting);
        let allowed = 4.0 * error + percent / 100.0 * exact.mean.abs();
        assert!((ours.mean - exact.mean).abs() <= allowed, "{case:?}, {name}: {ours:?} against {exact:?}");
    }
}

const V7_2: Version = Version::redis(7, 2);

#[test]
fn the_lag_beside_no_other_keys_is_that_of_the_algorithm() {
    for version in [V7_2, Version::redis(8, 0)] {
        let case =
            Case { version, due: 20_000, waiting: 0, over: 20 * SECOND, duration: 25 * SECOND, fair: true };
        compare(&case, 12, 0.0);
    }
}

#[test]
fn the_lag_beside_a_thousand_or_ten_thousand_is_that_of_the_algorithm() {
    for waiting in [1000, 10_000] {
        let case = Case {
            version: V7_2,
            due: 10_000,
            waiting,
            over: 20 * SECOND,
            duration: 60 * SECOND,
            fair: true,
        };
        compare(&case, 12, 0.0);
    }
}

#[test]
fn the_lag_beside_a_million_is_that_of_the_algorithm() {
    // The sweep takes hours for a turn; what is seen are the few keys it meets.
    let case = Case {
        version: V7_2,
        due: 50_000,
        waiting: 1_000_000,
        over: 100 * SECOND,
        duration: 600 * SECOND,
        fair: true,
    };
    compare(&case, 8, 0.0);
    let case = Case {
        version: V7_2,
        due: 300_000,
        waiting: 1_000_000,
        over: 100 * SECOND,
        duration: 200 * SECOND,
        fair: true,
    };
    compare(&case, 6, 0.0);
}

#[test]
fn random_keys_of_old_versions_are_drawn_as_they_were() {
    let version = Version::redis(5, 0);
    for (waiting, fair, percent) in [(1000, true, 0.0), (20_000, true, 0.0), (1000, false, 10.0)] {
        let (over, duration) = (10 * SECOND, 60 * SECOND);
        let case = Case { version, due: 20_000, waiting, over, duration, fair };
        compare(&case, 12, percent);
    }
}
