//! Commands of the rounds as bytes, prepared before anything is timed.

use super::super::subject::{CalibrateError, Result};

/// Collections that elements go to, and streams.
const COLLECTIONS: u64 = 10_000;
const STREAMS: u64 = 1000;
/// Fields of a hash.
const FIELDS: u64 = 20;
/// Letters of values: no end of a line, and nothing that compression shortens.
const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.";

/// Numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number, all alike.
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A value of so many bytes.
    pub fn value(&mut self, length: usize, out: &mut Vec<u8>) {
        out.clear();
        while out.len() < length {
            let mut bits = self.next();
            for _ in 0..10 {
                out.push(LETTERS[(bits & 63) as usize]);
                bits >>= 6;
            }
        }
        out.truncate(length);
    }
}

/// Appends a command to `out`.
pub fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    number_line(out, b'*', words.len());
    for word in words {
        number_line(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn number_line(out: &mut Vec<u8>, first: u8, number: usize) {
    out.push(first);
    out.extend_from_slice(number.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No key.
    Ping,
    /// Strings that are there.
    Get,
    Set,
    Mset(u64),
    /// Counters, a keyspace of their own.
    Incr,
    Expire,
    /// Strings, each once.
    Del,
    /// Collections.
    Hset,
    Lpush,
    Sadd,
    Zadd,
    Xadd,
    /// So many GETs in a script.
    Script(usize),
}

impl Kind {
    /// Reads a scenario's notation, as far as calibration uses it.
    ///
    /// # Errors
    /// For any other.
    pub fn of(command: &str) -> Result<Kind> {
        let words: Vec<&str> = command.split(' ').collect();
        Ok(match words[..] {
            ["PING"] => Kind::Ping,
            ["GET"] => Kind::Get,
            ["SET"] => Kind::Set,
            ["INCR"] => Kind::Incr,
            ["DEL"] => Kind::Del,
            ["HSET"] => Kind::Hset,
            ["LPUSH"] => Kind::Lpush,
            ["SADD"] => Kind::Sadd,
            ["ZADD"] => Kind::Zadd,
            ["XADD"] => Kind::Xadd,
            ["EXPIRE", _] => Kind::Expire,
            ["MSET", keys] => Kind::Mset(keys.parse().unwrap_or(1)),
            ["EVALSHA", ref calls @ ..] if calls.iter().all(|call| *call == "GET") => {
                Kind::Script(calls.len())
            }
            _ => return Err(CalibrateError::Server(format!("no rounds of {command:?} are known"))),
        })
    }

    /// Ends of lines in its reply.
    pub fn lines(self) -> usize {
        match self {
            Kind::Get | Kind::Xadd | Kind::Script(_) => 2,
            _ => 1,
        }
    }

    /// Its Lua text, if it is a script.
    pub fn script(self) -> Option<String> {
        let Kind::Script(calls) = self else { return None };
        let more = " redis.call('GET', KEYS[1])".repeat(calls.saturating_sub(1));
        Some(format!("local value = redis.call('GET', KEYS[1]){more} return value"))
    }

    /// Whether its keys are counters.
    pub fn counts(self) -> bool {
        matches!(self, Kind::Incr | Kind::Expire)
    }

    /// Whether it leaves collections behind.
    pub fn collects(self) -> bool {
        matches!(self, Kind::Hset | Kind::Lpush | Kind::Sadd | Kind::Zadd | Kind::Xadd)
    }
}

/// Names and contents of what commands are about.
#[derive(Clone, Debug)]
pub struct Words {
    /// Ahead of every key.
    pub prefix: String,
    /// Strings of the keyspace that are addressed.
    pub keys: u64,
    /// Bytes of values.
    pub value: usize,
    /// SHA of the script, if it is one.
    pub sha: String,
    /// Its own.
    pub random: Random,
}

impl Words {
    /// Name of a string; 20 bytes without prefix.
    pub fn key(&self, number: u64) -> Vec<u8> {
        format!("{}key:{number:016}", self.prefix).into_bytes()
    }

    /// Name of a counter.
    pub fn counter(&self, number: u64) -> Vec<u8> {
        format!("{}num:{number:016}", self.prefix).into_bytes()
    }

    /// Names of the collections that a command of `kind` leaves.
    pub fn collections(&self, kind: Kind) -> impl Iterator<Item = Vec<u8>> + use<> {
        let (count, name) = match kind {
            Kind::Hset => (COLLECTIONS, "hsh"),
            Kind::Lpush => (COLLECTIONS, "lst"),
            Kind::Sadd => (COLLECTIONS, "set"),
            Kind::Zadd => (COLLECTIONS, "zst"),
            Kind::Xadd => (STREAMS, "str"),
            _ => (0, ""),
        };
        let prefix = self.prefix.clone();
        (0..count).map(move |number| format!("{prefix}{name}:{number:016}").into_bytes())
    }

    fn collection(&mut self, name: &str, count: u64) -> Vec<u8> {
        format!("{}{name}:{:016}", self.prefix, self.random.below(count)).into_bytes()
    }

    /// Appends the command number `number` of `kind`.
    pub fn append(&mut self, kind: Kind, number: u64, out: &mut Vec<u8>) {
        let mut value = Vec::new();
        let any = self.random.below(self.keys);
        match kind {
            Kind::Ping => encode(out, &[b"PING"]),
            Kind::Get => encode(out, &[b"GET", &self.key(any)]),
            Kind::Set => {
                self.random.value(self.value, &mut value);
                encode(out, &[b"SET", &self.key(any), &value]);
            }
            Kind::Mset(keys) => {
                let mut words = vec![b"MSET".to_vec()];
                for _ in 0..keys {
                    let any = self.random.below(self.keys);
                    self.random.value(self.value, &mut value);
                    words.extend([self.key(any), value.clone()]);
                }
                encode(out, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
            Kind::Incr => encode(out, &[b"INCR", &self.counter(any)]),
            Kind::Expire => encode(out, &[b"EXPIRE", &self.counter(any), b"100000"]),
            // Every key once, far from the one before: the step is a prime.
            Kind::Del => encode(out, &[b"DEL", &self.key(number.wrapping_mul(7_368_787) % self.keys)]),
            Kind::Hset => {
                let field = format!("field:{:04}", self.random.below(FIELDS));
                self.random.value(self.value, &mut value);
                encode(out, &[b"HSET", &self.collection("hsh", COLLECTIONS), field.as_bytes(), &value]);
            }
            Kind::Lpush => {
                self.random.value(self.value, &mut value);
                encode(out, &[b"LPUSH", &self.collection("lst", COLLECTIONS), &value]);
            }
            Kind::Sadd => {
                self.random.value(self.value, &mut value);
                encode(out, &[b"SADD", &self.collection("set", COLLECTIONS), &value]);
            }
            Kind::Zadd => {
                let score = self.random.below(1_000_000).to_string();
                self.random.value(self.value, &mut value);
                encode(out, &[b"ZADD", &self.collection("zst", COLLECTIONS), score.as_bytes(), &value]);
            }
            Kind::Xadd => {
                self.random.value(self.value, &mut value);
                encode(out, &[b"XADD", &self.collection("str", STREAMS), b"*", b"f", &value]);
            }
            Kind::Script(_) => {
                let (sha, key) = (self.sha.clone(), self.key(any));
                encode(out, &[b"EVALSHA", sha.as_bytes(), b"1", &key]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_with_keys_of_twenty_bytes() {
        let mut words =
            Words { prefix: String::new(), keys: 10, value: 7, sha: "abc".to_owned(), random: Random(1) };
        let mut out = Vec::new();
        words.append(Kind::Set, 0, &mut out);
        let text = String::from_utf8(out).expect("letters");
        assert!(text.starts_with("*3\r\n$3\r\nSET\r\n$20\r\nkey:000000000000000"), "{text}");
        assert!(text.ends_with("\r\n") && text.contains("\r\n$7\r\n"), "{text}");
        // So many distinct keys as there are, whatever the step.
        let deleted: std::collections::BTreeSet<Vec<u8>> = (0..10)
            .map(|number| {
                let mut out = Vec::new();
                words.append(Kind::Del, number, &mut out);
                out
            })
            .collect();
        assert_eq!(deleted.len(), 10);
        assert!(Kind::of("FLUSHALL").is_err());
        assert_eq!(Kind::of("EVALSHA GET GET").expect("known").lines(), 2);
        assert_eq!(Kind::Script(2).script().expect("one").matches("GET").count(), 2);
    }

    #[test]
    fn values_do_not_repeat_and_end_no_line() {
        let mut value = Vec::new();
        Random(3).value(4000, &mut value);
        assert!(value.len() == 4000 && !value.contains(&b'\n') && !value.contains(&b'-'));
        let pieces: std::collections::BTreeSet<&[u8]> = value.chunks(4).collect();
        assert!(pieces.len() > 990, "{}", pieces.len());
    }
}
