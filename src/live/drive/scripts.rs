//! The scripts behind EVALSHA: their text, and their loading.

use crate::live::control::Control;
use crate::live::error::Result;
use crate::redis::command::{Command, CommandKind};
use redis::Value;

/// Lua that makes the calls of `command` on its one key and returns the first one's reply. Arguments are those that a
/// simulated request carries, in the same order.
pub fn text(command: &Command) -> String {
    let mut argument = 0;
    let mut next = || {
        argument += 1;
        format!("ARGV[{argument}]")
    };
    let mut lines = Vec::new();
    for (index, kind) in command.script.iter().enumerate() {
        let arguments = match kind {
            CommandKind::Set
            | CommandKind::Append
            | CommandKind::IncrBy
            | CommandKind::Lpush
            | CommandKind::Rpush
            | CommandKind::Sadd
            | CommandKind::Expire => vec![next()],
            CommandKind::Hset | CommandKind::Zadd => vec![next(), next()],
            CommandKind::Xadd => vec!["'*'".to_owned(), "'field'".to_owned(), next()],
            _ => Vec::new(),
        };
        let call: Vec<String> =
            [format!("'{}'", kind.name()), "KEYS[1]".to_owned()].into_iter().chain(arguments).collect();
        let kept = if index == 0 { "local reply = " } else { "" };
        lines.push(format!("{kept}redis.call({})", call.join(", ")));
    }
    lines.push("return reply".to_owned());
    lines.join("\n")
}

/// INCR, and EXPIRE if it made the key; with `argument` the time is given.
pub const INCR_EXPIRE: &str = "local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n";

/// Loads a script and returns its digest.
///
/// # Errors
/// What the server answers.
pub fn load(control: &mut Control, text: &str) -> Result<String> {
    match control.ask(&["SCRIPT", "LOAD", text])? {
        Value::BulkString(digest) => Ok(String::from_utf8_lossy(&digest).into_owned()),
        other => Err(control.unexpected("SCRIPT LOAD", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_calls_what_it_says_with_the_arguments_in_order() {
        let command: Command = "EVALSHA HSET INCR EXPIRE 5".parse().expect("a command");
        assert_eq!(
            text(&command),
            "local reply = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\nredis.call('INCR', KEYS[1])\n\
             redis.call('EXPIRE', KEYS[1], ARGV[3])\nreturn reply"
        );
    }
}
