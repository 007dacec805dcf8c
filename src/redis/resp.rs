//! Bytes of requests, replies and AOF entries (RESP2).
//!
//! Requests and AOF entries are arrays of bulk strings (`aof.c catAppendOnlyGenericCommand`). What is logged
//! follows the rewriting before propagation: `t_string.c setGenericCommand`, `expire.c`, `t_stream.c`, and up
//! to 6.2 `aof.c feedAppendOnlyFile`. A `SELECT` (23 bytes, when the database changes) is not part of a
//! command.

use super::command::{Command, CommandKind::*};
use super::stream_command;
use super::version::Version;

/// Length of the name of a hash field, the same fields in every HSET of a key \[bytes\].
pub const HASH_FIELD_LENGTH: u64 = 10;
/// Length of the name of a stream entry's only field \[bytes\].
pub const STREAM_FIELD_LENGTH: u64 = 5;
/// Length of a stream id as logged and replied: 13 digits of milliseconds, `-` and one digit \[bytes\].
pub const STREAM_ID_LENGTH: u64 = 15;
/// Length of a sorted-set score \[bytes\].
pub const SCORE_LENGTH: u64 = 1;
/// Length of INCRBY's increment, `1` \[bytes\].
pub const INCREMENT_LENGTH: u64 = 1;
/// Digits of the number that INCR, INCRBY, APPEND and pushes reply with when the key existed.
///
/// The exact number depends on the key's history, which is not kept.
pub const REPLY_DIGITS: u64 = 4;
/// Digits of an absolute deadline in milliseconds (until the year 2286).
pub const DEADLINE_DIGITS: u64 = 13;
/// Length of a script's SHA1 in hexadecimal \[bytes\].
const SHA_LENGTH: u64 = 40;
/// The nil bulk reply `$-1\r\n` \[bytes\].
pub const NIL: u64 = 5;
/// RESP length of one bulk string: `$len\r\n…\r\n`.
#[inline]
pub fn bulk(length: u64) -> u64 {
    length + digits(length) + 5
}

/// Decimal digits of `n`.
#[inline]
pub fn digits(n: u64) -> u64 {
    // 1233 / 4096 is log10(2), a little below: the estimate is right or one too small.
    let below = ((64 - (n | 1).leading_zeros() as u64) * 1233) >> 12;
    below + (n >= POWERS_OF_TEN[below as usize]) as u64
}

const POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [0; 20];
    let (mut index, mut power) = (1, 1u64);
    while index < 20 {
        power *= 10;
        powers[index] = power;
        index += 1;
    }
    powers
};

/// RESP length of an integer reply: `:n\r\n` with so many digits.
pub(super) fn integer(digits: u64) -> u64 {
    digits + 3
}

/// Array of bulk strings under construction.
#[derive(Clone, Copy, Default)]
pub(super) struct Resp {
    arguments: u64,
    strings: u64,
    /// Values among the strings.
    pub(super) values: u32,
}

impl Resp {
    pub(super) fn named(name: &str) -> Self {
        Resp::default().text(name.len() as u64)
    }

    pub(super) fn text(mut self, length: u64) -> Self {
        self.arguments += 1;
        self.strings += bulk(length);
        self
    }

    pub(super) fn value(mut self) -> Self {
        self.arguments += 1;
        self.values += 1;
        self
    }

    pub(super) fn repeat(self, times: u32, part: impl Fn(Self) -> Self) -> Self {
        (0..times).fold(self, |resp, _| part(resp))
    }

    /// Bytes without those of the values.
    pub(super) fn fixed(self) -> u64 {
        3 + digits(self.arguments) + self.strings
    }
}

/// What one run of a command appends to the AOF.
#[derive(Clone, Copy, Default)]
pub(super) struct Logged {
    /// Bytes without those of the values.
    pub(super) fixed: u64,
    /// Values.
    pub(super) values: u32,
    /// Commands.
    pub(super) commands: u32,
}

impl Logged {
    pub(super) fn and(self, resp: Resp) -> Self {
        Logged {
            fixed: self.fixed + resp.fixed(),
            values: self.values + resp.values,
            commands: self.commands + 1,
        }
    }
}

impl Command {
    /// The arguments behind name and key, once for each element, `id` bytes for a stream id.
    fn arguments(&self, resp: Resp, id: u64) -> Resp {
        match self.kind {
            Set | Append => resp.value(),
            IncrBy => resp.text(INCREMENT_LENGTH),
            Hset => resp.repeat(self.elements, |r| r.text(HASH_FIELD_LENGTH).value()),
            Lpush | Rpush | Sadd => resp.repeat(self.elements, Resp::value),
            Zadd => resp.repeat(self.elements, |r| r.text(SCORE_LENGTH).value()),
            // Only inside a script: others go through `stream_command`.
            Xadd => resp.text(id).text(STREAM_FIELD_LENGTH).value(),
            _ => resp,
        }
    }

    pub(super) fn request(&self, key: u64) -> Resp {
        let resp = Resp::named(self.kind.name());
        let seconds = |ms: u64| digits(ms / 1000);
        match self.kind {
            Ping => resp,
            kind if kind.is_stream() => stream_command::request(self, key),
            Mset => resp.repeat(self.elements, |r| r.text(key).value()),
            Mget | Del | Unlink => resp.repeat(self.elements, |r| r.text(key)),
            Expire => resp.text(key).text(seconds(self.ttl_ms.unwrap_or(1000))),
            Set => {
                let mut resp = resp.text(key).value();
                if self.nx {
                    resp = resp.text("NX".len() as u64);
                }
                if self.keepttl {
                    resp = resp.text("KEEPTTL".len() as u64);
                }
                match self.ttl_ms {
                    Some(ms) if ms % 1000 == 0 => resp.text("EX".len() as u64).text(seconds(ms)),
                    Some(ms) => resp.text("PX".len() as u64).text(digits(ms)),
                    None => resp,
                }
            }
            Evalsha => {
                let start = resp.text(SHA_LENGTH).text("1".len() as u64).text(key);
                self.script.iter().fold(start, |resp, &call| match call {
                    Expire => resp.text(seconds(self.ttl_ms.unwrap_or(1000))),
                    // The id `*` is in the script's text, not among its arguments.
                    Xadd => resp.value(),
                    _ => Command::plain(call).arguments(resp, 0),
                })
            }
            _ => self.arguments(resp.text(key), "*".len() as u64),
        }
    }

    /// Bytes of the reply without values, values in it, bytes of the reply in the other case.
    pub(super) fn reply(&self) -> (u64, u32, u64) {
        let n = u64::from(self.elements);
        match self.kind {
            Ping => ("+PONG\r\n".len() as u64, 0, "+PONG\r\n".len() as u64),
            Get => (0, 1, NIL),
            Mget => (3 + digits(n), self.elements, 3 + digits(n) + NIL * n),
            Set | Mset => ("+OK\r\n".len() as u64, 0, NIL),
            Del | Unlink => (integer(digits(n)), 0, integer(1)),
            Expire => (integer(1), 0, integer(1)),
            Incr | IncrBy => (integer(REPLY_DIGITS), 0, integer(1)),
            Append => (integer(REPLY_DIGITS), 0, integer(REPLY_DIGITS)),
            Lpush | Rpush => (integer(REPLY_DIGITS), 0, integer(digits(n))),
            Hset => (integer(1), 0, integer(digits(n))),
            Sadd | Zadd => (integer(digits(n)), 0, integer(digits(n))),
            Xadd => (bulk(STREAM_ID_LENGTH), 0, bulk(STREAM_ID_LENGTH)),
            // What it found decides: see `stream_execute`.
            Xreadgroup => (stream_command::NIL_ARRAY, 0, stream_command::NIL_ARRAY),
            Xack | Xdel | Xtrim => (integer(digits(n)), 0, integer(1)),
            Evalsha => Command::plain(self.script.first().copied().unwrap_or(Ping)).reply(),
        }
    }

    /// What replicas get of a command other than EVALSHA when it wrote.
    ///
    /// From 7.0 on the same as the AOF; before, `propagate` sends commands as they came, with SET's time to live as
    /// PX from 6.2 on.
    pub(super) fn replicated(&self, version: Version, key: u64) -> Logged {
        let verbatim = matches!(self.kind, Set | Expire) && !version.has(7, 0);
        match self.ttl_ms {
            Some(ms) if verbatim && self.kind == Set && version.has(6, 2) => {
                let set = Resp::named("SET").text(key).value();
                Logged::default().and(set.text("PX".len() as u64).text(digits(ms)))
            }
            _ if verbatim => Logged::default().and(self.request(key)),
            _ => self.logged(version, key),
        }
    }

    /// What a command other than EVALSHA appends when it wrote.
    pub(super) fn logged(&self, version: Version, key: u64) -> Logged {
        let set = Resp::named("SET").text(key).value();
        let deadline = Resp::named("PEXPIREAT").text(key).text(DEADLINE_DIGITS);
        match self.kind {
            Set if self.ttl_ms.is_some() && version.has(6, 2) => {
                Logged::default().and(set.text("PXAT".len() as u64).text(DEADLINE_DIGITS))
            }
            Set if self.ttl_ms.is_some() => Logged::default().and(set).and(deadline),
            // Up to 5.0 feedAppendOnlyFile cuts every SET to its first three arguments.
            Set if !version.has(6, 0) => Logged::default().and(set),
            Expire => Logged::default().and(deadline),
            kind if kind.is_stream() => stream_command::logged(self, version, key),
            _ => Logged::default().and(self.request(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::KNOWN;

    fn logged(command: &str, version: Version, value: u64) -> u64 {
        let logged = command.parse::<Command>().unwrap().logged(version, 20);
        logged.fixed + u64::from(logged.values) * bulk(value)
    }

    #[test]
    fn aof_bytes_are_those_of_the_reference_table() {
        let v7 = Version::redis(7, 2);
        assert_eq!(logged("SET", v7, 100), 148);
        assert_eq!(logged("SET EX 60", v7, 100), 178);
        assert_eq!(logged("INCR", v7, 100), 41);
        assert_eq!(logged("INCRBY", v7, 100), 50);
        assert_eq!(logged("DEL", v7, 100), 40);
        assert_eq!(logged("UNLINK", v7, 100), 43);
        assert_eq!(logged("EXPIRE 60", v7, 100), 66);
        assert_eq!(logged("HSET", v7, 20), 85);
        assert_eq!(logged("XADD", v7, 20), 101);
    }

    #[test]
    fn deadlines_are_logged_as_each_version_does() {
        for &version in KNOWN {
            let expected = if version.has(6, 2) { 178 } else { 148 + 66 };
            assert_eq!(logged("SET NX PX 1500", version, 100), expected, "{version}");
            assert_eq!(logged("EXPIRE 60", version, 0), 66);
        }
        assert_eq!(logged("SET NX", Version::redis(5, 0), 100), 148);
        assert_eq!(logged("SET NX", Version::redis(6, 0), 100), 156);
        assert_eq!(logged("SET KEEPTTL", Version::valkey(8, 0), 100), 161);
    }

    #[test]
    fn requests_and_replies_are_counted_to_the_byte() {
        let request = |text: &str, value: &str| {
            let resp = text.parse::<Command>().unwrap().request(3);
            resp.fixed() + u64::from(resp.values) * bulk(value.len() as u64)
        };
        let wire = |arguments: &[&str]| {
            let strings: String = arguments.iter().map(|a| format!("${}\r\n{a}\r\n", a.len())).collect();
            format!("*{}\r\n{strings}", arguments.len()).len() as u64
        };
        assert_eq!(request("PING", ""), wire(&["PING"]));
        assert_eq!(request("SET NX EX 60", "v"), wire(&["SET", "key", "v", "NX", "EX", "60"]));
        assert_eq!(request("SET PX 1500", "v"), wire(&["SET", "key", "v", "PX", "1500"]));
        assert_eq!(request("SET KEEPTTL", "v"), wire(&["SET", "key", "v", "KEEPTTL"]));
        assert_eq!(request("DEL 2", ""), wire(&["DEL", "key", "key"]));
        assert_eq!(request("MSET 2", "v"), wire(&["MSET", "key", "v", "key", "v"]));
        assert_eq!(request("INCRBY", ""), wire(&["INCRBY", "key", "1"]));
        assert_eq!(request("ZADD 2", "v"), wire(&["ZADD", "key", "1", "v", "1", "v"]));
        assert_eq!(request("XADD", "v"), wire(&["XADD", "key", "*", "field", "v"]));
        assert_eq!(request("EXPIRE 60", ""), wire(&["EXPIRE", "key", "60"]));
        let sha = "0123456789012345678901234567890123456789";
        assert_eq!(request("EVALSHA INCR EXPIRE", ""), wire(&["EVALSHA", sha, "1", "key", "60"]));
        let reply = |text: &str| text.parse::<Command>().unwrap().reply();
        assert_eq!(reply("SET NX"), (5, 0, 5));
        assert_eq!(reply("GET"), (0, 1, 5));
        assert_eq!(reply("MGET 10"), (5, 10, 55));
        assert_eq!(reply("DEL 3"), (4, 0, 4));
        assert_eq!(reply("XADD"), (22, 0, 22));
        assert_eq!(reply("EVALSHA INCR EXPIRE"), reply("INCR"));
    }
}
