//! What the server knows about the steps of a pattern before any of them runs: bytes and prices.
//!
//! Bytes are those of `resp.rs`, with the numbers of an exact key written out. Prices: ZREMRANGEBYSCORE and LTRIM
//! cost what adding one element costs, and `per-element` for each they remove; ZCARD costs a GET; INCREX an INCR
//! and one further element for its time to live (assumptions, not measured). The value of `INCREX` is taken to
//! propagate as INCRBYFLOAT's does, as SET (assumption: the source was not at hand).

use super::hot_keys::{cached, share_in_cache};
use super::resp::{DEADLINE_DIGITS, bulk, digits};
use super::version::Version;
use crate::cost_model::CostModel;
use crate::math::Factor;
use crate::scenario::pattern::{Block, Call, Pattern, Step};
use crate::units::{KIB, Nanos};

/// `MULTI` as request and in the AOF \[bytes\].
pub const MULTI: u64 = 15;
/// `EXEC` \[bytes\].
pub const EXEC: u64 = 14;
/// Length of a script's SHA1 in hexadecimal \[bytes\].
const SHA: u64 = 40;
/// Memory of a counter beyond its key, about: entry, object, deadline \[bytes\].
const KEY_BYTES: u64 = 80;
/// Length of a member of `zset-window`: the time in microseconds and a number \[bytes\].
pub const MEMBER: u64 = 20;
/// Length of an element of `list-window`: the time in milliseconds \[bytes\].
pub const ELEMENT: u64 = 13;
/// An error reply, about \[bytes\].
pub const ERROR_REPLY: u64 = 100;

/// RESP array of bulk strings of these lengths \[bytes\].
pub fn array(lengths: &[u64]) -> u64 {
    3 + digits(lengths.len() as u64) + lengths.iter().map(|&length| bulk(length)).sum::<u64>()
}

/// Bytes in the AOF of a key's deletion by expiry: DEL, or UNLINK with `lazyfree-lazy-expire` (`propagateDeletion`).
pub fn deletion(key: u64, lazily: bool) -> u64 {
    array(&[if lazily { 6 } else { 3 }, key])
}

/// Characters of a number.
pub fn text_length(number: i64) -> u64 {
    digits(number.unsigned_abs()) + (number < 0) as u64
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallPlan {
    pub(super) call: Call,
    /// Main-thread time to parse and execute, in a block without MULTI and EXEC \[ns\].
    pub(super) cpu: Nanos,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct StepPlan {
    pub(super) block: Block,
    pub(super) calls: Vec<CallPlan>,
    /// Commands sent, MULTI and EXEC included.
    pub(super) commands: u32,
    /// Bytes of the request.
    pub(super) request: u64,
    /// Time of what is around the calls: MULTI and EXEC, or the script \[ns\].
    pub(super) around: Nanos,
    pub(super) is_write: bool,
}

/// The steps of a group's pattern.
#[derive(Clone, Debug)]
pub struct PatternPlan {
    pub(super) steps: Vec<StepPlan>,
    pub(super) key_size: u64,
    pub(super) window_ms: u64,
    pub(super) del: Nanos,
    pub(super) per_element: Nanos,
    pub(super) append: Nanos,
    pub(super) append_per_byte: Factor,
    pub(super) pages_per_set: f64,
    pub(super) pages_per_update: f64,
}

/// What one operation costs when every step is taken and the key exists, for predictions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typical {
    /// Commands.
    pub commands: u64,
    /// Bytes of its requests.
    pub request: u64,
    /// Main-thread time without AOF appends \[ns\].
    pub cpu: Nanos,
    /// Bytes for the AOF.
    pub aof_bytes: u64,
    /// Commands in them.
    pub aof_commands: u32,
    /// Commands that change the key.
    pub changes: u32,
}

impl PatternPlan {
    /// The plan of `pattern` with keys of `key_size` bytes.
    pub fn new(pattern: &Pattern, key_size: u64, machine: &CostModel) -> Self {
        // Keys of a pattern are few, and every step comes back to the same one.
        let in_cache = share_in_cache((pattern.key_count * (key_size + KEY_BYTES)) as f64, machine);
        let step = |step: &Step| StepPlan {
            block: step.block,
            calls: step
                .calls
                .iter()
                .map(|&call| CallPlan { call, cpu: price(call, machine, in_cache) })
                .collect(),
            commands: step.commands(),
            request: request(step, key_size),
            around: match step.block {
                Block::Plain => 0,
                Block::Multi => machine.cpu.multi,
                // Each call it makes adds `script-call`.
                Block::Script { .. } => machine.cpu.script,
            },
            is_write: step.calls.iter().any(|call| call.is_write()),
        };
        PatternPlan {
            steps: pattern.steps.iter().map(step).collect(),
            key_size,
            window_ms: pattern.window_ms,
            del: machine.cpu.del,
            per_element: machine.cpu.per_element,
            append: machine.cpu.aof_append,
            append_per_byte: Factor::new(machine.cpu.aof_append_per_kib / KIB as f64),
            pages_per_set: machine.cow.pages_per_set,
            pages_per_update: machine.cow.pages_per_update,
        }
    }

    /// Bytes of each step's request.
    pub fn step_bytes(&self) -> Vec<u64> {
        self.steps.iter().map(|step| step.request).collect()
    }

    /// Mean bytes of a command, over all steps.
    pub fn bytes_per_command(&self) -> f64 {
        let commands: u32 = self.steps.iter().map(|step| step.commands).sum();
        self.step_bytes().iter().sum::<u64>() as f64 / commands as f64
    }

    /// Commands of the longest step.
    pub fn longest_step(&self) -> u32 {
        self.steps.iter().map(|step| step.commands).max().unwrap_or(1)
    }

    /// What one operation costs when the conditions of its steps do not hold and the key exists.
    pub fn typical(&self, pattern: &Pattern, version: Version) -> Typical {
        let mut sum = Typical::default();
        for (step, plan) in pattern.steps.iter().zip(&self.steps) {
            if step.when != crate::scenario::pattern::When::Always {
                continue;
            }
            sum.commands += plan.commands as u64;
            sum.request += plan.request;
            sum.cpu += plan.around + plan.calls.iter().map(|call| call.cpu).sum::<Nanos>();
            // A script's EXPIRE runs in the first call of a window only; SET NX and EXPIRE NX find the key.
            let writes = plan.calls.iter().filter(|plan| match plan.call {
                Call::Set { nx, .. } | Call::Expire { nx, .. } => !nx && step.block == Block::Plain,
                Call::Ltrim { .. } | Call::Zremrangebyscore => false,
                call => call.is_write(),
            });
            for plan in writes {
                sum.aof_bytes += logged(plan.call, self.key_size, version, 1000);
                sum.aof_commands += 1;
                sum.changes += 1;
            }
        }
        sum
    }

    /// Main-thread time of appending `commands` commands of `bytes` bytes in all.
    pub(super) fn append_cost(&self, commands: u32, bytes: u64) -> Nanos {
        commands as u64 * self.append + self.append_per_byte.of(bytes)
    }
}

fn price(call: Call, machine: &CostModel, in_cache: f64) -> Nanos {
    let cpu = &machine.cpu;
    let of_key = |price| cached(price, in_cache, machine);
    match call {
        Call::Zcard => cpu.get,
        Call::Get => of_key(cpu.get),
        Call::Set { ttl_ms, .. } => of_key(cpu.set) + if ttl_ms.is_some() { cpu.per_element } else { 0 },
        Call::Incr => of_key(cpu.incr),
        Call::Del => of_key(cpu.del),
        Call::Expire { .. } => of_key(cpu.expire),
        Call::Increx { .. } => of_key(cpu.incr) + cpu.per_element,
        Call::Zadd | Call::Zremrangebyscore => cpu.zadd,
        Call::Lpush | Call::Ltrim { .. } => cpu.push,
    }
}

/// Bytes of a step's request.
fn request(step: &Step, key: u64) -> u64 {
    match step.block {
        Block::Plain => step.calls.iter().map(|&call| call_request(call, key)).sum(),
        Block::Multi => MULTI + EXEC + step.calls.iter().map(|&call| call_request(call, key)).sum::<u64>(),
        Block::Script { argument } => {
            let ttl = step.calls.iter().find_map(|call| match call {
                Call::Expire { ttl_ms, .. } => Some(time(*ttl_ms).1),
                _ => None,
            });
            let mut lengths = vec![7, SHA, 1, key];
            lengths.extend(ttl.filter(|_| argument));
            array(&lengths)
        }
    }
}

/// Whether a time is written in seconds, and the digits of its number.
fn time(ttl_ms: u64) -> (bool, u64) {
    if ttl_ms.is_multiple_of(1000) { (true, digits(ttl_ms / 1000)) } else { (false, digits(ttl_ms)) }
}

/// Bytes of one command's request.
fn call_request(call: Call, key: u64) -> u64 {
    match call {
        Call::Get => array(&[3, key]),
        Call::Set { value, nx, ttl_ms, keepttl } => {
            let mut lengths = vec![3, key, text_length(value)];
            lengths.extend(nx.then_some(2));
            lengths.extend(keepttl.then_some(7));
            lengths.extend(ttl_ms.into_iter().flat_map(|ms| [2, time(ms).1]));
            array(&lengths)
        }
        Call::Incr => array(&[4, key]),
        Call::Del => array(&[3, key]),
        Call::Expire { ttl_ms, nx } => {
            let (seconds, digits) = time(ttl_ms);
            let mut lengths = vec![if seconds { 6 } else { 7 }, key, digits];
            lengths.extend(nx.then_some(2));
            array(&lengths)
        }
        Call::Increx { ttl_ms } => array(&[6, key, 2, time(ttl_ms).1, 3]),
        Call::Zadd => array(&[4, key, DEADLINE_DIGITS, MEMBER]),
        Call::Zremrangebyscore => array(&[16, key, 1, DEADLINE_DIGITS]),
        Call::Zcard => array(&[5, key]),
        Call::Lpush => array(&[5, key, ELEMENT]),
        Call::Ltrim { keep } => array(&[5, key, 1, digits(keep - 1)]),
    }
}

/// Bytes that a call which changed its key adds to the AOF; `value` is the number it leaves.
pub(super) fn logged(call: Call, key: u64, version: Version, value: i64) -> u64 {
    let deadline = array(&[9, key, DEADLINE_DIGITS]);
    match call {
        Call::Set { value, ttl_ms: Some(_), .. } if version.has(6, 2) => {
            array(&[3, key, text_length(value), 4, DEADLINE_DIGITS])
        }
        Call::Set { value, ttl_ms: Some(_), .. } => array(&[3, key, text_length(value)]) + deadline,
        // Up to 5.0 feedAppendOnlyFile cuts every SET to its first three arguments.
        Call::Set { value, .. } if !version.has(6, 0) => array(&[3, key, text_length(value)]),
        Call::Expire { .. } => deadline,
        Call::Increx { .. } => array(&[3, key, text_length(value), 4, DEADLINE_DIGITS]),
        _ => call_request(call, key),
    }
}

/// Commands in those bytes.
pub(super) fn logged_commands(call: Call, version: Version) -> u32 {
    match call {
        Call::Set { ttl_ms: Some(_), .. } if !version.has(6, 2) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(arguments: &[&str]) -> u64 {
        let strings: String = arguments.iter().map(|a| format!("${}\r\n{a}\r\n", a.len())).collect();
        format!("*{}\r\n{strings}", arguments.len()).len() as u64
    }

    fn step_bytes(name: &str) -> Vec<u64> {
        let pattern = Pattern::new(name, 60_000, None).expect("built in");
        PatternPlan::new(&pattern, 3, &crate::models::blank("blank")).step_bytes()
    }

    #[test]
    fn requests_are_counted_to_the_byte() {
        let (multi, exec) = (wire(&["MULTI"]), wire(&["EXEC"]));
        assert_eq!((multi, exec), (MULTI, EXEC));
        let racy = [wire(&["GET", "key"]), wire(&["SET", "key", "0", "EX", "60"]), wire(&["INCR", "key"])];
        assert_eq!(step_bytes("get-set-incr"), racy);
        assert_eq!(step_bytes("set-nx-ex-incr")[0], wire(&["SET", "key", "0", "NX", "EX", "60"]));
        let nx = multi + wire(&["INCR", "key"]) + wire(&["EXPIRE", "key", "60", "NX"]) + exec;
        assert_eq!(step_bytes("multi-incr-expire-nx"), [nx]);
        let sha = "0123456789012345678901234567890123456789";
        assert_eq!(step_bytes("lua-incr-expire"), [wire(&["EVALSHA", sha, "1", "key", "60"])]);
        assert_eq!(step_bytes("lua-incr-expire-bad-argv"), [wire(&["EVALSHA", sha, "1", "key"])]);
    }

    #[test]
    fn aof_bytes_are_those_of_the_reference_table() {
        let set = Call::Set { value: 0, nx: true, ttl_ms: Some(60_000), keepttl: false };
        let v7 = Version::redis(7, 2);
        assert_eq!(logged(set, 20, v7, 0), wire(&["SET", &"k".repeat(20), "0", "PXAT", "1700000000000"]));
        assert_eq!(logged(Call::Incr, 20, v7, 5), 41);
        assert_eq!(logged(Call::Expire { ttl_ms: 1, nx: true }, 20, v7, 5), 66);
        assert_eq!(logged(Call::Del, 20, v7, 5), 40);
        assert_eq!(logged_commands(set, Version::redis(6, 0)), 2);
        assert_eq!(text_length(-12), 3);
    }
}
