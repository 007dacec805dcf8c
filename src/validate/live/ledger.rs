//! What a server did to counters, in its own order: read from its AOF.
//!
//! Replies reach a client in another order than commands were executed, the AOF does not: it holds every SET, INCR and
//! deadline of a key, and the DEL of its expiry. So the increments that a SET wiped out are counted exactly.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redis::Value;

use crate::live::error::{LiveError, Result};

/// The counters of an AOF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// INCRs executed.
    pub increments: u64,
    /// Of those, wiped out by a SET.
    pub lost: u64,
    /// Of those, gone with their key.
    pub ended: u64,
    /// Of those, in counters at the end.
    pub kept: u64,
}

impl Ledger {
    /// What `aof` says about keys that begin with `prefix`.
    ///
    /// # Errors
    /// What is wrong with the AOF: it is damaged, or its books do not balance.
    pub fn read(aof: &[u8], prefix: &[u8]) -> std::result::Result<Self, String> {
        let (mut ledger, mut values) = (Ledger::default(), BTreeMap::<Vec<u8>, u64>::new());
        let mut left = aof;
        while let Some(words) = next(&mut left)? {
            let Some(key) = words.get(1).filter(|key| key.starts_with(prefix)) else { continue };
            match words[0].to_ascii_uppercase().as_slice() {
                b"SET" => ledger.lost += values.insert(key.clone(), 0).unwrap_or(0),
                b"INCR" => {
                    // It makes a key that is missing.
                    *values.entry(key.clone()).or_insert(0) += 1;
                    ledger.increments += 1;
                }
                b"DEL" | b"UNLINK" => ledger.ended += values.remove(key).unwrap_or(0),
                b"PEXPIREAT" | b"PEXPIRE" | b"EXPIRE" => {}
                other => return Err(format!("{} is no step of a counter", String::from_utf8_lossy(other))),
            }
        }
        ledger.kept = values.values().sum();
        match ledger.increments == ledger.lost + ledger.ended + ledger.kept {
            true => Ok(ledger),
            false => Err(format!("its books do not balance: {ledger:?}")),
        }
    }

    /// The same of the AOF in the folder of a server.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub fn of_folder(folder: &Path, prefix: &[u8]) -> Result<Self> {
        let mut bytes = Vec::new();
        for path in files(folder) {
            let read = fs::read(&path);
            bytes.extend(read.map_err(|error| LiveError::system(format!("read {}", path.display()), error))?);
        }
        let remedy = "the server's disk may be full";
        Ledger::read(&bytes, prefix).map_err(|reason| LiveError::cannot(format!("the AOF: {reason}"), remedy))
    }
}

/// The files of an AOF that is not rewritten: the incremental ones (7.0 on), or the only one.
fn files(folder: &Path) -> Vec<PathBuf> {
    let is_aof = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".incr.aof") || name == "appendonly.aof"
    };
    let entries =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries(folder.join("appendonlydir")).chain(entries(folder.to_owned())).filter(is_aof).collect();
    paths.sort();
    paths
}

/// The next command of an AOF, annotations left out; none at its end.
fn next(left: &mut &[u8]) -> std::result::Result<Option<Vec<Vec<u8>>>, String> {
    while left.first() == Some(&b'#') {
        let end = left.iter().position(|byte| *byte == b'\n').ok_or("an annotation without an end")?;
        *left = &left[end + 1..];
    }
    if left.is_empty() {
        return Ok(None);
    }
    // The reader takes from the slice what it has understood.
    match redis::parse_redis_value(left) {
        Ok(value @ Value::Array(_)) => {
            let Value::Array(words) = value else { return Err("no command".to_owned()) };
            let length = encoded(&words);
            *left = left.get(length..).ok_or("a command without an end")?;
            let word = |word| {
                if let Value::BulkString(bytes) = word { Ok(bytes) } else { Err("no word".to_owned()) }
            };
            words.into_iter().map(word).collect::<std::result::Result<_, _>>().map(Some)
        }
        Ok(_) => Err("what stands between two commands is none".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Bytes of a command in an AOF.
fn encoded(words: &[Value]) -> usize {
    let line = |number: usize| "*\r\n".len() + number.to_string().len();
    let word = |word: &Value| match word {
        Value::BulkString(bytes) => line(bytes.len()) + bytes.len() + "\r\n".len(),
        _ => 0,
    };
    line(words.len()) + words.iter().map(word).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An AOF of these commands, words separated by spaces.
    fn aof(commands: &[&str]) -> Vec<u8> {
        let mut bytes = b"#TS:1764000000\r\n".to_vec();
        for command in ["SELECT 0"].iter().chain(commands) {
            let mut cmd = redis::Cmd::new();
            command.split(' ').for_each(|word| {
                cmd.arg(word);
            });
            cmd.write_packed_command(&mut bytes);
        }
        bytes
    }

    fn read(commands: &[&str]) -> Ledger {
        Ledger::read(&aof(commands), b"k").expect("a balance")
    }

    #[test]
    fn a_late_set_wipes_out_what_was_counted_before() {
        let commands = [
            "SET k 0 PXAT 5000",
            "INCR k",
            "INCR k",
            "INCR other",
            "SET k 0 PXAT 5001",
            "INCR k",
            "SET k2 0",
            "INCR k2",
        ];
        assert_eq!(read(&commands), Ledger { increments: 4, lost: 2, ended: 0, kept: 2 });
    }

    #[test]
    fn what_is_gone_with_its_key_is_not_lost() {
        let commands =
            ["INCR k", "PEXPIREAT k 5000", "INCR k", "DEL k", "DEL k", "SET k 0 PXAT 6000", "INCR k"];
        assert_eq!(read(&commands), Ledger { increments: 3, lost: 0, ended: 2, kept: 1 });
    }

    #[test]
    fn a_damaged_file_and_a_strange_command_are_faults() {
        let mut bytes = aof(&["INCR k"]);
        bytes.pop();
        assert!(Ledger::read(&bytes, b"k").is_err());
        assert!(Ledger::read(&aof(&["APPEND k x"]), b"k").expect_err("no step").contains("APPEND"));
        assert!(Ledger::read(b"+OK\r\n", b"k").is_err());
    }
}
