//! What a command does to the time to live of its key (t_string.c `setGenericCommand`, db.c `setKey`, expire.c).

use super::command::{Command, CommandKind};
use super::profile::Effect;

/// What becomes of a key's time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlEffect {
    /// It stays as it is; a new key has none.
    Keep,
    /// The key lives on without one.
    Clear,
    /// The key gets the command's.
    Set,
}

/// What one run does to the time to live of a key it wrote: (the key was there, the key was created).
pub fn ttl_effects(command: &Command) -> (TtlEffect, TtlEffect) {
    match command.kind {
        CommandKind::Evalsha => (of_script(command, true), of_script(command, false)),
        kind => {
            let effect = of_call(kind, command.ttl_ms.is_some(), command.keepttl);
            (effect, if effect == TtlEffect::Clear { TtlEffect::Keep } else { effect })
        }
    }
}

fn of_call(kind: CommandKind, has_ttl: bool, keepttl: bool) -> TtlEffect {
    match kind {
        CommandKind::Set if has_ttl => TtlEffect::Set,
        CommandKind::Set if keepttl => TtlEffect::Keep,
        CommandKind::Set | CommandKind::Mset => TtlEffect::Clear,
        CommandKind::Expire => TtlEffect::Set,
        _ => TtlEffect::Keep,
    }
}

/// Follows the calls as `Command::profile` does: an EXPIRE after a counter runs only when the counter is new, and
/// one of a missing key does nothing.
fn of_script(command: &Command, mut present: bool) -> TtlEffect {
    let (mut effect, mut counter_existed) = (TtlEffect::Keep, false);
    for &kind in &command.script {
        if kind == CommandKind::Expire && (counter_existed || !present) {
            continue;
        }
        match kind.effect() {
            Effect::Delete => (effect, present) = (TtlEffect::Clear, false),
            Effect::Upsert | Effect::Create | Effect::Touch => {
                counter_existed |= present && matches!(kind, CommandKind::Incr | CommandKind::IncrBy);
                match of_call(kind, false, false) {
                    TtlEffect::Keep => {}
                    changed => effect = changed,
                }
                present = true;
            }
            Effect::None | Effect::Read => {}
        }
    }
    effect
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_set_clear_or_keep_it() {
        use TtlEffect::*;
        for (text, expected) in [
            ("SET", (Clear, Keep)),
            ("SET KEEPTTL", (Keep, Keep)),
            ("SET EX 60", (Set, Set)),
            ("SET NX PX 5", (Set, Set)),
            ("INCR", (Keep, Keep)),
            ("APPEND", (Keep, Keep)),
            ("MSET 3", (Clear, Keep)),
            ("HSET", (Keep, Keep)),
            ("EXPIRE 5", (Set, Set)),
            ("EVALSHA INCR EXPIRE", (Keep, Set)),
            ("EVALSHA SET EXPIRE", (Set, Set)),
            ("EVALSHA SET GET", (Clear, Clear)),
            ("EVALSHA DEL RPUSH", (Clear, Clear)),
            ("EVALSHA DEL INCR EXPIRE", (Set, Set)),
            ("EVALSHA EXPIRE INCR", (Set, Keep)),
        ] {
            assert_eq!(ttl_effects(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
