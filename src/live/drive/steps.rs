//! Steps of an operation of several steps as bytes, and what their replies say.

use redis::Cmd;

use crate::client::operation::Outcome;
use crate::live::control::Control;
use crate::live::error::Result;
use crate::redis::step_plan::MEMBER;
use crate::scenario::pattern::{Block, Call, Pattern, Step};

use super::names::Names;
use super::render::wall_ms;
use super::reply;
use super::scripts;

/// The steps of a group's pattern.
pub struct Steps {
    steps: Vec<Step>,
    window_ms: u64,
    names: Names,
    script: String,
    key: Vec<u8>,
    /// Members of a sorted set so far, so that each is another.
    members: u64,
}

impl Steps {
    /// The steps of `pattern` on keys of those `names`; its script is loaded into the server.
    ///
    /// # Errors
    /// What the server answers to SCRIPT LOAD.
    pub fn new(pattern: &Pattern, names: Names, control: &mut Control) -> Result<Self> {
        let has_script = pattern.steps.iter().any(|step| matches!(step.block, Block::Script { .. }));
        let script = if has_script { scripts::load(control, scripts::INCR_EXPIRE)? } else { String::new() };
        Ok(Steps {
            steps: pattern.steps.clone(),
            window_ms: pattern.window_ms,
            names,
            script,
            key: Vec::new(),
            members: 0,
        })
    }

    /// Replies to a step: one a command, MULTI and EXEC included.
    pub fn replies(&self, step: usize) -> u32 {
        self.steps[step].commands()
    }

    /// Whether a step may change its key.
    pub fn is_write(&self, step: usize) -> bool {
        self.steps[step].calls.iter().any(|call| call.is_write())
    }

    /// Appends a step on the key of `rank` to `out`.
    pub fn render(&mut self, step: usize, rank: u64, out: &mut Vec<u8>) {
        self.names.write(rank, &mut self.key);
        let step = &self.steps[step];
        match step.block {
            Block::Script { argument } => {
                let mut cmd = Cmd::new();
                cmd.arg("EVALSHA").arg(&self.script).arg("1").arg(&self.key[..]);
                let ttl = step.calls.iter().find_map(|call| match call {
                    Call::Expire { ttl_ms, .. } => Some(ttl_ms.div_ceil(1000)),
                    _ => None,
                });
                if let Some(seconds) = ttl.filter(|_| argument) {
                    cmd.arg(seconds);
                }
                cmd.write_packed_command(out);
            }
            Block::Plain | Block::Multi => {
                let is_block = step.block == Block::Multi;
                if is_block {
                    redis::cmd("MULTI").write_packed_command(out);
                }
                for call in &step.calls {
                    self.members += 1;
                    command(*call, &self.key, self.window_ms, self.members).write_packed_command(out);
                }
                if is_block {
                    redis::cmd("EXEC").write_packed_command(out);
                }
            }
        }
    }

    /// What the last reply to a step means, and how many increments it did.
    pub fn read(&self, step: usize, last: &[u8]) -> (Outcome, u32) {
        let outcome = reply::outcome(last);
        let counted = self.steps[step]
            .calls
            .iter()
            .filter(|call| matches!(call, Call::Incr | Call::Increx { .. } | Call::Zadd | Call::Lpush));
        let increments = if outcome == Outcome::Error { 0 } else { counted.count() as u32 };
        (outcome, increments)
    }
}

/// A command on `key`; `number` makes a member of a sorted set another one.
fn command(call: Call, key: &[u8], window_ms: u64, number: u64) -> Cmd {
    let mut cmd = Cmd::new();
    let named = |cmd: &mut Cmd, name: &str| {
        cmd.arg(name).arg(key);
    };
    match call {
        Call::Get => named(&mut cmd, "GET"),
        Call::Incr => named(&mut cmd, "INCR"),
        Call::Del => named(&mut cmd, "DEL"),
        Call::Zcard => named(&mut cmd, "ZCARD"),
        Call::Set { value, nx, ttl_ms, keepttl } => {
            named(&mut cmd, "SET");
            cmd.arg(value);
            if nx {
                cmd.arg("NX");
            }
            if keepttl {
                cmd.arg("KEEPTTL");
            }
            if let Some(ms) = ttl_ms {
                time(&mut cmd, ms);
            }
        }
        Call::Expire { ttl_ms, nx } => {
            let (name, number) = match ttl_ms.is_multiple_of(1000) {
                true => ("EXPIRE", ttl_ms / 1000),
                false => ("PEXPIRE", ttl_ms),
            };
            named(&mut cmd, name);
            cmd.arg(number);
            if nx {
                cmd.arg("NX");
            }
        }
        Call::Increx { ttl_ms } => {
            named(&mut cmd, "INCREX");
            time(&mut cmd, ttl_ms);
            cmd.arg("ENX");
        }
        Call::Zadd => {
            named(&mut cmd, "ZADD");
            cmd.arg(wall_ms()).arg(format!("{number:0width$}", width = MEMBER as usize));
        }
        Call::Zremrangebyscore => {
            named(&mut cmd, "ZREMRANGEBYSCORE");
            cmd.arg("0").arg(wall_ms().saturating_sub(window_ms));
        }
        Call::Lpush => {
            named(&mut cmd, "LPUSH");
            cmd.arg(wall_ms());
        }
        Call::Ltrim { keep } => {
            named(&mut cmd, "LTRIM");
            cmd.arg("0").arg(keep - 1);
        }
    }
    cmd
}

/// `EX s`, or `PX ms` when that is no whole number of seconds.
fn time(cmd: &mut Cmd, ms: u64) {
    match ms.is_multiple_of(1000) {
        true => cmd.arg("EX").arg(ms / 1000),
        false => cmd.arg("PX").arg(ms),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::step_plan::PatternPlan;
    use crate::scenario::pattern::BUILT_IN;

    fn steps(pattern: &Pattern, key_size: u32) -> Steps {
        Steps {
            steps: pattern.steps.clone(),
            window_ms: pattern.window_ms,
            names: Names::of_pattern("", 0, key_size, 1),
            script: "0123456789012345678901234567890123456789".to_owned(),
            key: Vec::new(),
            members: 0,
        }
    }

    #[test]
    fn every_step_has_the_bytes_that_the_simulator_counts() {
        for (name, ..) in BUILT_IN {
            let pattern = Pattern::new(name, 60_000, Some(50)).expect("built in");
            let mut own = steps(&pattern, 20);
            let counted = PatternPlan::new(&pattern, 20, &crate::models::blank("blank")).step_bytes();
            for (step, counted) in counted.iter().enumerate() {
                let mut out = Vec::new();
                own.render(step, 0, &mut out);
                assert_eq!(out.len() as u64, *counted, "{name} {step}: {}", String::from_utf8_lossy(&out));
            }
        }
    }

    #[test]
    fn increments_count_unless_the_reply_is_an_error() {
        let block = Pattern::new("set-nx-ex-incr-multi", 1000, None).expect("built in");
        let own = steps(&block, 20);
        assert_eq!(own.replies(0), 4);
        assert_eq!(own.read(0, b"*2\r\n$-1\r\n:7\r\n"), (Outcome::Value(7), 1));
        assert_eq!(own.read(0, b"-EXECABORT no\r\n"), (Outcome::Error, 0));
        let racy = Pattern::new("get-set-incr", 1000, None).expect("built in");
        let own = steps(&racy, 20);
        assert_eq!((own.read(0, b"$-1\r\n"), own.is_write(0)), ((Outcome::Nil, 0), false));
    }
}
