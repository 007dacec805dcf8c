//! Operations of several dependent steps that a client runs over the network on one key.
//!
//! A step is one command, one script call, or one `MULTI … EXEC` block, sent in one write; after its reply the
//! client decides which step comes next. The built-in patterns are the ways a counter with a time to live is
//! commonly kept, right and wrong.

use super::KeyPopularity;
use crate::redis::version::Version;
use crate::units::{MILLISECOND, Nanos};

/// Most steps of a pattern: their outcomes are kept for each running operation.
pub const MAX_STEPS: usize = 8;
/// Most commands of one `MULTI` block.
pub const MAX_CALLS: usize = 16;
/// Most keys of one group: each is kept exactly.
pub const MAX_KEYS: u64 = 10_000_000;
/// Longest window, so that a deadline has 13 digits \[ms\].
pub const MAX_TTL_MS: u64 = 1_000_000_000_000;

/// What a group of clients does instead of single commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Its name; `own` when the scenario spells out the steps.
    pub name: String,
    /// The steps in order, 1 to [`MAX_STEPS`].
    pub steps: Vec<Step>,
    /// Time to live that the built-in patterns give the key: the window of a rate limiter \[ms\], > 0.
    pub window_ms: u64,
    /// Increments a rate limiter lets through in a window.
    pub limit: Option<u64>,
    /// Keys of the group, beside the dataset, 1 to [`MAX_KEYS`].
    pub key_count: u64,
    /// Which of them an operation addresses.
    pub keys: KeyPopularity,
    /// Probability that a client that would send a further step dies instead, once an operation.
    pub client_death: f64,
    /// What a client does when a reply does not come.
    pub patience: Patience,
    /// All clients wait, and start one operation each at the instant the key expires.
    pub released: bool,
}

/// When a client gives up waiting, and what it does then.
#[derive(Clone, Debug, PartialEq)]
pub struct Patience {
    /// It waits so long for a step's reply; none: for ever \[ns\].
    pub timeout: Option<Nanos>,
    /// Times it sends a step again.
    pub retries: u32,
    /// Pause before it does.
    pub backoff: Backoff,
    /// Retries are at most this share of the operations begun (a token bucket); none: no budget.
    pub budget: Option<f64>,
}

/// Pause before a retry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same \[ns\].
    Constant(Nanos),
    /// `base` doubled with each retry of a step, at most `cap`; with `jitter` uniform between 0 and that.
    Exponential {
        /// First pause \[ns\].
        base: Nanos,
        /// Longest pause \[ns\].
        cap: Nanos,
        /// Full jitter.
        jitter: bool,
    },
}

/// What a client sends in one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name by which later steps refer to its outcome.
    pub name: Option<String>,
    /// How the commands are sent.
    pub block: Block,
    /// The commands.
    pub calls: Vec<Call>,
    /// Whether the step is taken.
    pub when: When,
}

/// How the commands of a step are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// One command.
    Plain,
    /// `MULTI`, the commands, `EXEC`, in one write.
    Multi,
    /// One `EVALSHA` that calls INCR and, if that gave 1, EXPIRE.
    Script {
        /// ARGV\[1\] is a number; otherwise EXPIRE raises an error after INCR was done.
        argument: bool,
    },
}

/// Condition on an earlier step's outcome: the reply of its last command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// The step of that index replied nil.
    Nil(usize),
    /// The step of that index replied this number.
    Equals(usize, i64),
}

/// One command on the operation's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// GET.
    Get,
    /// SET of a number.
    Set {
        /// The number.
        value: i64,
        /// NX.
        nx: bool,
        /// EX or PX \[ms\].
        ttl_ms: Option<u64>,
        /// KEEPTTL.
        keepttl: bool,
    },
    /// INCR.
    Incr,
    /// DEL.
    Del,
    /// EXPIRE, or PEXPIRE when the time is no whole number of seconds.
    Expire {
        /// Time to live \[ms\].
        ttl_ms: u64,
        /// NX (7.0 on): only if the key has none.
        nx: bool,
    },
    /// `INCREX key EX s ENX` (Redis 8.8 on).
    Increx {
        /// Time to live that it gives a key without one \[ms\].
        ttl_ms: u64,
    },
    /// `ZADD key now member`, each time another member.
    Zadd,
    /// `ZREMRANGEBYSCORE key 0 now-window`.
    Zremrangebyscore,
    /// ZCARD.
    Zcard,
    /// LPUSH of one element.
    Lpush,
    /// `LTRIM key 0 keep-1`.
    Ltrim {
        /// Elements that stay.
        keep: u64,
    },
}

/// (name, first version that can run it, what it does) of every built-in pattern.
pub const BUILT_IN: &[(&str, Option<Version>, &str)] = &[
    ("set", None, "SET 0 EX window"),
    ("get-set-incr", None, "GET; if nil SET 0 EX window; INCR"),
    ("set-nx-ex-incr", None, "SET 0 NX EX window; INCR"),
    ("set-nx-ex-incr-multi", None, "the same two in MULTI"),
    ("incr-expire", None, "INCR; if 1 EXPIRE window"),
    ("lua-incr-expire", None, "a script: INCR, if 1 EXPIRE window"),
    ("lua-incr-expire-bad-argv", None, "the same script without its argument"),
    ("multi-incr-expire-nx", Some(Version::redis(7, 0)), "MULTI: INCR, EXPIRE window NX"),
    ("increx", Some(Version::redis(8, 8)), "INCREX EX window ENX"),
    ("zset-window", None, "MULTI: ZADD, ZREMRANGEBYSCORE, ZCARD, EXPIRE window"),
    ("list-window", None, "MULTI: LPUSH, LTRIM to the limit, EXPIRE window"),
];

/// Elements that `list-window` keeps when no limit is given.
pub const LIST_LENGTH: u64 = 100;

impl Step {
    fn plain(call: Call, when: When) -> Self {
        Step { name: None, block: Block::Plain, calls: vec![call], when }
    }

    fn multi(calls: &[Call]) -> Self {
        Step { name: None, block: Block::Multi, calls: calls.to_vec(), when: When::Always }
    }

    /// Commands a client sends for it, MULTI and EXEC included.
    pub fn commands(&self) -> u32 {
        match self.block {
            Block::Multi => self.calls.len() as u32 + 2,
            Block::Plain | Block::Script { .. } => 1,
        }
    }
}

impl Call {
    /// Whether it may change a key.
    pub fn is_write(self) -> bool {
        !matches!(self, Call::Get | Call::Zcard)
    }

    /// Why `version` cannot run it, with the remedy, if so.
    pub fn missing_in(self, version: Version) -> Option<&'static str> {
        match self {
            Call::Expire { nx: true, .. } if !version.has(7, 0) => {
                Some("EXPIRE NX came with Redis 7.0; use a script, or redis.version = \"7.0\"")
            }
            Call::Increx { .. } if !version.redis_at_least(8, 8) => {
                Some("INCREX came with Redis 8.8; use a script, or redis.version = \"8.8\"")
            }
            Call::Set { keepttl: true, .. } if !version.has(6, 0) => {
                Some("SET KEEPTTL came with Redis 6.0; set the time again, or redis.version = \"6.0\"")
            }
            _ => None,
        }
    }
}

/// The steps of a built-in pattern; none if there is none of that name.
pub fn built_in(name: &str, ttl_ms: u64, limit: Option<u64>) -> Option<Vec<Step>> {
    let set = |nx| Call::Set { value: 0, nx, ttl_ms: Some(ttl_ms), keepttl: false };
    let expire = Call::Expire { ttl_ms, nx: false };
    let script = |argument| Step {
        name: None,
        block: Block::Script { argument },
        calls: vec![Call::Incr, expire],
        when: When::Always,
    };
    Some(match name {
        "set" => vec![Step::plain(set(false), When::Always)],
        "get-set-incr" => vec![
            Step::plain(Call::Get, When::Always),
            Step::plain(set(false), When::Nil(0)),
            Step::plain(Call::Incr, When::Always),
        ],
        "set-nx-ex-incr" => {
            vec![Step::plain(set(true), When::Always), Step::plain(Call::Incr, When::Always)]
        }
        "set-nx-ex-incr-multi" => vec![Step::multi(&[set(true), Call::Incr])],
        "incr-expire" => {
            vec![Step::plain(Call::Incr, When::Always), Step::plain(expire, When::Equals(0, 1))]
        }
        "lua-incr-expire" => vec![script(true)],
        "lua-incr-expire-bad-argv" => vec![script(false)],
        "multi-incr-expire-nx" => vec![Step::multi(&[Call::Incr, Call::Expire { ttl_ms, nx: true }])],
        "increx" => vec![Step::plain(Call::Increx { ttl_ms }, When::Always)],
        // The reply that counts is ZCARD's, so it comes last.
        "zset-window" => vec![Step::multi(&[Call::Zadd, Call::Zremrangebyscore, expire, Call::Zcard])],
        "list-window" => {
            let keep = limit.unwrap_or(LIST_LENGTH);
            vec![Step::multi(&[Call::Lpush, Call::Ltrim { keep }, expire])]
        }
        _ => return None,
    })
}

impl Patience {
    /// Waits for ever.
    pub fn endless() -> Self {
        Patience { timeout: None, retries: 0, backoff: Backoff::Constant(0), budget: None }
    }
}

impl Pattern {
    /// A built-in pattern on one key, with patient clients; none if there is none of that name.
    pub fn new(name: &str, window_ms: u64, limit: Option<u64>) -> Option<Self> {
        Some(Pattern {
            name: name.into(),
            steps: built_in(name, window_ms, limit)?,
            window_ms,
            limit,
            key_count: 1,
            keys: KeyPopularity::Uniform,
            client_death: 0.0,
            patience: Patience::endless(),
            released: false,
        })
    }

    /// The window \[ns\].
    pub fn window(&self) -> Nanos {
        self.window_ms * MILLISECOND
    }

    /// Every call of every step.
    pub fn calls(&self) -> impl Iterator<Item = Call> + '_ {
        self.steps.iter().flat_map(|step| step.calls.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_pattern_is_there_and_no_other() {
        for (name, _, doc) in BUILT_IN {
            let pattern = Pattern::new(name, 60_000, None).unwrap_or_else(|| panic!("{name}"));
            assert!((1..=MAX_STEPS).contains(&pattern.steps.len()) && !doc.is_empty());
        }
        assert!(built_in("nothing", 1, None).is_none());
    }

    #[test]
    fn versions_lack_what_came_later() {
        for (name, first, _) in BUILT_IN {
            let pattern = Pattern::new(name, 1000, None).expect("built in");
            for version in crate::redis::version::KNOWN {
                let missing = pattern.calls().any(|call| call.missing_in(*version).is_some());
                let expected = first.is_some_and(|first| match first {
                    first if first == Version::redis(8, 8) => !version.redis_at_least(8, 8),
                    first => !version.has(first.major, first.minor),
                });
                assert_eq!(missing, expected, "{name} {version}");
            }
        }
    }
}
