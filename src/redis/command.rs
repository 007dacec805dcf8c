//! Commands: what each one reads, writes and costs.

use std::fmt;
use std::str::FromStr;

use super::version::Version;
use crate::cost_model::Cpu;
use crate::units::Nanos;

/// A command of the workload, without its key and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Which command.
    pub kind: CommandKind,
    /// Keys (MSET, MGET, DEL, UNLINK), fields (HSET), elements (LPUSH, RPUSH), members (SADD, ZADD): ≥ 1.
    pub elements: u32,
    /// SET EX or PX, EXPIRE: the time to live \[ms\].
    pub ttl_ms: Option<u64>,
    /// SET NX.
    pub nx: bool,
    /// SET KEEPTTL.
    pub keepttl: bool,
    /// EVALSHA: the commands its script calls, in order.
    pub script: Vec<CommandKind>,
}

/// Names of the modelled commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the command of that name
pub enum CommandKind {
    Ping,
    Get,
    Set,
    Del,
    Unlink,
    Incr,
    IncrBy,
    Append,
    Mset,
    Mget,
    Hset,
    Lpush,
    Rpush,
    Sadd,
    Zadd,
    Xadd,
    Expire,
    Evalsha,
}

/// How the presence of its key decides what a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Touches no key (PING).
    None,
    /// Reads; a missing key is a miss.
    Read,
    /// Writes, and creates the key if it is missing (SET, INCR, HSET …).
    Upsert,
    /// Writes only if the key is missing, and creates it (SET NX).
    Create,
    /// Writes only if the key is present, and keeps it (EXPIRE).
    Touch,
    /// Writes only if the key is present, and removes it (DEL, UNLINK).
    Delete,
}

/// What one command costs and adds, for one version, key length and machine; linear in the value's length v.
///
/// RESP bytes are `…_fixed + …_values × (v + digits(v) + 5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How presence of the key matters.
    pub effect: Effect,
    /// Keys the command names (each is drawn on its own), ≥ 1 except for PING.
    pub keys: u32,
    /// Main-thread time to parse, execute and reply without value bytes \[ns\]; no AOF append.
    pub cpu: Nanos,
    /// Value lengths that are read or copied: `cpu + values × v × per_kib / 1024`.
    pub values: u32,
    /// Bytes of the request without its values.
    pub request_fixed: u64,
    /// Values in the request.
    pub request_values: u32,
    /// Bytes of the reply without values, when the command found what it needs.
    pub reply_fixed: u64,
    /// Values in the reply (GET, MGET) when the key is present.
    pub reply_values: u32,
    /// Bytes appended to the AOF and sent to replicas when it wrote, without values.
    pub aof_fixed: u64,
    /// Values in those bytes.
    pub aof_values: u32,
    /// `dirty` it adds when it wrote.
    pub dirty: u32,
    /// It overwrites a whole value (SET, APPEND, MSET): new memory is touched, not only the old in place.
    pub replaces_value: bool,
    /// Elements it adds to a collection (memory grows by that many), 0 for strings.
    pub adds_elements: u32,
}

/// RESP length of one bulk string: `$len\r\n…\r\n`.
pub fn bulk(length: u64) -> u64 {
    length + digits(length) + 5
}

/// Decimal digits of `n`.
#[inline]
pub fn digits(n: u64) -> u64 {
    n.checked_ilog10().unwrap_or(0) as u64 + 1
}

impl Command {
    /// What the command costs and adds.
    pub fn profile(&self, _version: Version, _key_size: u32, cpu: &Cpu) -> Profile {
        let key = bulk(_key_size as u64);
        Profile {
            effect: Effect::Upsert,
            keys: 1,
            cpu: cpu.set,
            values: 1,
            request_fixed: 3 + 1 + bulk(3) + key,
            request_values: 1,
            reply_fixed: 5,
            reply_values: 0,
            aof_fixed: 3 + 1 + bulk(3) + key,
            aof_values: 1,
            dirty: 1,
            replaces_value: true,
            adds_elements: 0,
        }
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "SET" => Ok(Command {
                kind: CommandKind::Set,
                elements: 1,
                ttl_ms: None,
                nx: false,
                keepttl: false,
                script: Vec::new(),
            }),
            _ => Err(format!("unknown command {text:?}")),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}
