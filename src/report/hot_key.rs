//! The hot-key analysis for people: three lines.

use crate::observe::hot_key::{HotKeyUse, Rates};
use crate::units::format_count;

/// What takes the time, what one key can carry, what sub-keys would change: name and text of each line.
pub fn lines(used: &HotKeyUse) -> [(&'static str, String); 3] {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let [calls, command, aof, _] = used.shares;
    let rates = |rates: Rates| match used.pipeline {
        16 => format!("{}/s", format_count(rates.as_run)),
        p => format!(
            "{}/s at pipeline {p}, {}/s at 16",
            format_count(rates.as_run),
            format_count(rates.pipelined)
        ),
    };
    let limit = match used.cost.largest() {
        "system-calls" => "system calls",
        "command" => "the command itself",
        _ => "the AOF",
    };
    [
        (
            "limit",
            format!(
                "{limit}; of the busy time system calls {}, commands {}, AOF {}",
                percent(calls),
                percent(command),
                percent(aof)
            ),
        ),
        (
            "one key",
            format!(
                "at most {}; random keys {}/s",
                rates(used.one_key),
                format_count(used.random_keys.as_run)
            ),
        ),
        (
            "sub-keys",
            format!(
                "{} here: {}/s; on {} servers: {}",
                used.sub_keys,
                format_count(used.sub_keys_one_server.as_run),
                used.servers,
                rates(used.sub_keys_servers)
            ),
        ),
    ]
}
