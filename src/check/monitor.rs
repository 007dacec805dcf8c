//! Atomicity gaps in a MONITOR capture: steps that belong together and that other clients can come between.
//!
//! A gap is seen when one client sends the steps on one key in separate commands, outside of MULTI and of a script. MONITOR
//! shows commands in the order of their execution, so what came between them is seen, not guessed.

use std::collections::{BTreeMap, VecDeque};

use super::input::decode;
use crate::scenario::redis_conf;

/// Commands of a client that are remembered.
const RECENT: usize = 16;
/// Most keys and clients that are followed; a longer capture is still counted.
const FOLLOWED: usize = 200_000;
/// Longest time between two steps of one operation \[s\].
const ONE_OPERATION_S: f64 = 5.0;
/// Gaps of a kind whose lengths are kept for the median.
const LENGTHS: usize = 10_000;

/// Which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// GET, SET without NX, INCR.
    GetSetIncr,
    /// SET NX with a time to live, or SETNX, then INCR.
    SetNxIncr,
    /// INCR, then EXPIRE.
    IncrExpire,
}

impl GapKind {
    /// All of them.
    pub const ALL: [GapKind; 3] = [GapKind::GetSetIncr, GapKind::SetNxIncr, GapKind::IncrExpire];

    /// The steps as commands.
    pub fn steps(self) -> &'static str {
        match self {
            GapKind::GetSetIncr => "GET, SET, INCR",
            GapKind::SetNxIncr => "SET NX EX, INCR",
            GapKind::IncrExpire => "INCR, EXPIRE",
        }
    }
}

/// Gaps of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Which.
    pub kind: GapKind,
    /// Operations whose steps were separate commands.
    pub operations: u64,
    /// Of those, with a write of another client between the steps.
    pub interleaved: u64,
    /// Keys on which it was seen.
    pub keys: usize,
    /// The key with most of them.
    pub key: String,
    /// Increments of that key a second.
    pub increments_per_s: f64,
    /// Median time from the first step to the last \[s\].
    pub span_s: f64,
}

impl Gap {
    /// Probability that an expiry leaves the counter without a time to live: ½ (1 − e^(−2λr)) for Poisson
    /// increments at rate λ and steps r apart.
    pub fn immortal(&self) -> f64 {
        0.5 * (1.0 - libm::exp(-2.0 * self.increments_per_s * self.span_s))
    }
}

/// What a capture shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Monitor {
    /// Commands read.
    pub commands: u64,
    /// From the first to the last \[s\].
    pub seconds: f64,
    /// Lines that are no commands.
    pub unread: u64,
    /// Gaps by kind.
    pub gaps: Vec<Gap>,
    /// The key with most commands and how many; scripts' calls count too.
    pub hottest: Option<(String, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Get,
    Set,
    SetNx,
    Incr,
    Expire,
}

struct Recent {
    at: f64,
    step: Step,
    key: String,
    /// Writes of the key, this one included.
    writes: u64,
}

#[derive(Default)]
struct Client {
    in_multi: bool,
    recent: VecDeque<Recent>,
}

#[derive(Default)]
struct Key {
    commands: u64,
    writes: u64,
    increments: u64,
    /// By kind: operations, with others' writes between.
    operations: [(u64, u64); 3],
    /// Somebody began a counter by SET after a GET.
    is_begun: bool,
}

#[derive(Default)]
struct Reader {
    clients: BTreeMap<String, Client>,
    keys: BTreeMap<String, Key>,
    spans: [Vec<f64>; 3],
}

/// Reads a capture; none if no line is a command.
pub fn parse(bytes: &[u8]) -> Option<Monitor> {
    let text = decode(bytes);
    let (mut reader, mut monitor) = (Reader::default(), Monitor::default());
    let (mut first, mut last) = (None, 0.0_f64);
    for line in text.lines().filter(|line| !matches!(line.trim(), "" | "OK" | "+OK")) {
        let Some((at, client, words)) = command(line) else {
            monitor.unread += 1;
            continue;
        };
        monitor.commands += 1;
        last = last.max(at);
        let first = *first.get_or_insert(at);
        monitor.seconds = last - first;
        reader.take(at, client, &words);
    }
    monitor.hottest =
        reader.keys.iter().max_by_key(|(_, key)| key.commands).map(|(n, key)| (n.clone(), key.commands));
    monitor.gaps = GapKind::ALL.into_iter().filter_map(|kind| reader.gap(kind, monitor.seconds)).collect();
    (monitor.commands > 0).then_some(monitor)
}

/// Time, client and words of a line `1339518083.107412 [0 127.0.0.1:60866] "get" "x"`.
fn command(line: &str) -> Option<(f64, &str, Vec<String>)> {
    let (at, rest) = line.trim_start_matches('+').split_once(" [")?;
    let (origin, words) = rest.split_once("] ")?;
    let at: f64 = at.parse().ok().filter(|at: &f64| at.is_finite())?;
    let words = redis_conf::split(words).ok()?;
    let words: Vec<String> = words.into_iter().map(|(_, word)| word).collect();
    (!words.is_empty()).then_some((at, origin, words))
}

/// What a command is among the steps.
fn step(name: &str, words: &[String]) -> Option<Step> {
    let has = |flag: &str| words.iter().skip(3).any(|word| word.eq_ignore_ascii_case(flag));
    Some(match name {
        "get" | "exists" => Step::Get,
        "set" if has("NX") => Step::SetNx,
        "setnx" => Step::SetNx,
        "set" | "setex" | "psetex" => Step::Set,
        "incr" | "incrby" | "decr" | "decrby" | "incrbyfloat" => Step::Incr,
        "expire" | "pexpire" | "expireat" | "pexpireat" => Step::Expire,
        _ => return None,
    })
}

impl Reader {
    fn take(&mut self, at: f64, origin: &str, words: &[String]) {
        let name = words[0].to_ascii_lowercase();
        let (db, who) = origin.split_once(' ').unwrap_or(("0", origin));
        if !self.clients.contains_key(who) && self.clients.len() >= FOLLOWED {
            return;
        }
        let client = self.clients.entry(who.to_owned()).or_default();
        match name.as_str() {
            "multi" => client.in_multi = true,
            "exec" | "discard" => client.in_multi = false,
            _ => {}
        }
        let step = step(&name, words);
        let (Some(key), Some(step)) = (words.get(1), step) else { return };
        let key = if db == "0" { key.clone() } else { format!("{key} (db {db})") };
        if !self.keys.contains_key(&key) && self.keys.len() >= FOLLOWED {
            return;
        }
        let known = self.keys.entry(key.clone()).or_default();
        known.commands += 1;
        known.writes += u64::from(step != Step::Get);
        known.increments += u64::from(step == Step::Incr);
        // Inside MULTI and scripts the steps are one.
        if client.in_multi || who == "lua" {
            return;
        }
        let mine: Vec<&Recent> =
            client.recent.iter().filter(|r| r.key == key && at - r.at <= ONE_OPERATION_S).collect();
        if let Some((kind, from)) = kind(step, &mine, known.is_begun) {
            let own = mine.iter().filter(|r| r.at > from.at && r.step != Step::Get).count() as u64;
            let others = (known.writes - 1).saturating_sub(from.writes).saturating_sub(own);
            known.is_begun |= kind == GapKind::GetSetIncr;
            let (operations, interleaved) = &mut known.operations[kind as usize];
            *operations += 1;
            *interleaved += u64::from(others > 0);
            if self.spans[kind as usize].len() < LENGTHS {
                self.spans[kind as usize].push(at - from.at);
            }
            if step == Step::Incr {
                client.recent.retain(|r| r.key != key);
            }
        }
        let writes = known.writes;
        client.recent.push_back(Recent { at, step, key, writes });
        if client.recent.len() > RECENT {
            client.recent.pop_front();
        }
    }

    fn gap(&mut self, kind: GapKind, seconds: f64) -> Option<Gap> {
        let of = |key: &Key| key.operations[kind as usize];
        let seen = self.keys.iter().filter(|(_, key)| of(key).0 > 0);
        let (key, most) = seen.clone().max_by_key(|(_, key)| of(key).0)?;
        let spans = &mut self.spans[kind as usize];
        spans.sort_by(f64::total_cmp);
        Some(Gap {
            kind,
            operations: seen.clone().map(|(_, key)| of(key).0).sum(),
            interleaved: seen.clone().map(|(_, key)| of(key).1).sum(),
            keys: seen.count(),
            key: key.clone(),
            increments_per_s: most.increments as f64 / seconds.max(1.0),
            span_s: spans.get(spans.len() / 2).copied().unwrap_or(0.0),
        })
    }
}

/// Which operation `step` ends, and its first step.
fn kind<'a>(step: Step, mine: &[&'a Recent], is_begun: bool) -> Option<(GapKind, &'a Recent)> {
    let last = |wanted: Step| mine.iter().rev().find(|recent| recent.step == wanted).copied();
    match step {
        Step::Incr => {
            if let Some(set) = last(Step::SetNx) {
                return Some((GapKind::SetNxIncr, set));
            }
            let get = last(Step::Get)?;
            // Whoever found the key goes from GET to INCR: the same operation, if others begin it by SET.
            let set = last(Step::Set).is_some_and(|set| set.at >= get.at);
            (set || is_begun).then_some((GapKind::GetSetIncr, get))
        }
        Step::Expire => Some((GapKind::IncrExpire, last(Step::Incr)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(monitor: &Monitor, kind: GapKind) -> Option<&Gap> {
        monitor.gaps.iter().find(|gap| gap.kind == kind)
    }

    #[test]
    fn gaps_in_the_capture_of_a_real_server() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/redis-7.0/monitor.txt");
        let monitor = parse(&std::fs::read(path).expect("a fixture")).expect("a capture");
        // Ten rounds of three clients: two find nothing and SET, all three INCR.
        let racy = gap(&monitor, GapKind::GetSetIncr).expect("it is there");
        assert_eq!((racy.operations, racy.keys, racy.key.as_str()), (30, 1, "rate:alice"));
        assert!(racy.interleaved >= 20, "{racy:?}");
        let nx = gap(&monitor, GapKind::SetNxIncr).expect("it is there");
        assert_eq!((nx.operations, nx.interleaved, nx.key.as_str()), (1, 0, "rate:bob"));
        let expire = gap(&monitor, GapKind::IncrExpire).expect("it is there");
        assert_eq!(
            (expire.operations, expire.key.as_str()),
            (1, "rate:carol"),
            "MULTI and scripts are no gaps"
        );
        assert_eq!(monitor.hottest.as_ref().map(|hot| hot.0.as_str()), Some("rate:alice"));
    }

    #[test]
    fn steps_of_different_clients_or_far_apart_are_no_operation() {
        let text = "1.0 [0 a:1] \"GET\" \"k\"\n1.1 [0 b:1] \"SET\" \"k\" \"0\" \"EX\" \"9\"\n1.2 [0 b:1] \"INCR\" \"k\"\n\
                    2.0 [0 c:1] \"INCR\" \"x\"\n9.0 [0 c:1] \"EXPIRE\" \"x\" \"60\"\nnothing\n";
        let monitor = parse(text.as_bytes()).expect("a capture");
        assert_eq!((monitor.gaps.len(), monitor.commands, monitor.unread), (0, 5, 1));
        assert_eq!(parse(b"OK\nhello\n"), None);
    }

    #[test]
    fn the_share_of_immortal_counters_is_that_of_simulated_races() {
        let gap = |increments_per_s| Gap {
            kind: GapKind::SetNxIncr,
            operations: 1,
            interleaved: 0,
            keys: 1,
            key: String::new(),
            increments_per_s,
            span_s: 0.0005,
        };
        for (rate, expected) in [(100.0, 0.05), (1000.0, 0.32), (5000.0, 0.5)] {
            assert!((gap(rate).immortal() - expected).abs() < 0.005, "{rate}");
        }
    }
}
