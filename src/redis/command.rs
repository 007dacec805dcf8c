//! Commands as a scenario writes them: `SET EX 60`, `MGET 10`, `EVALSHA INCR EXPIRE`.
//!
//! What a command costs and adds is in [`super::profile`].

use std::fmt;
use std::str::FromStr;

pub use super::profile::{Effect, Profile};
pub use super::resp::{bulk, digits};
use super::stream_command;
pub use super::stream_command::{Trim, TrimSign};
use crate::scenario::problem::nearest;
use crate::units::Nanos;

/// Time to live that an `EXPIRE` inside a script sets when the scenario does not say another \[ms\].
pub const SCRIPT_TTL_MS: u64 = 60_000;

/// Largest number of keys, fields, elements or members of one command (the server's limit on arguments is 1
/// Mi).
pub const MAX_ELEMENTS: u32 = 500_000;

/// Longest time to live \[ms\]: beyond it a deadline would have more than 13 digits.
const MAX_TTL_MS: u64 = 8_000_000_000_000;

/// A command of the workload, without its key and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Which command.
    pub kind: CommandKind,
    /// Keys (MSET, MGET, DEL, UNLINK), fields (HSET, XADD), elements (LPUSH, RPUSH), members (SADD, ZADD),
    /// entries (XREADGROUP COUNT), ids (XACK, XDEL): ≥ 1.
    pub elements: u32,
    /// SET EX or PX, EXPIRE, EVALSHA with EXPIRE: the time to live \[ms\], > 0.
    pub ttl_ms: Option<u64>,
    /// SET NX.
    pub nx: bool,
    /// SET KEEPTTL.
    pub keepttl: bool,
    /// EVALSHA: the commands its script calls, in order, all on its one key. Empty for others.
    pub script: Vec<CommandKind>,
    /// XADD, XTRIM: the MAXLEN option.
    pub trim: Option<Trim>,
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
    Xreadgroup,
    Xack,
    Xdel,
    Xtrim,
}

use CommandKind::*;

impl CommandKind {
    /// Every modelled command.
    pub const ALL: [CommandKind; 22] = [
        Ping, Get, Set, Del, Unlink, Incr, IncrBy, Append, Mset, Mget, Hset, Lpush, Rpush, Sadd, Zadd, Xadd,
        Expire, Evalsha, Xreadgroup, Xack, Xdel, Xtrim,
    ];

    /// The name on the wire, in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Ping => "PING",
            Get => "GET",
            Set => "SET",
            Del => "DEL",
            Unlink => "UNLINK",
            Incr => "INCR",
            IncrBy => "INCRBY",
            Append => "APPEND",
            Mset => "MSET",
            Mget => "MGET",
            Hset => "HSET",
            Lpush => "LPUSH",
            Rpush => "RPUSH",
            Sadd => "SADD",
            Zadd => "ZADD",
            Xadd => "XADD",
            Expire => "EXPIRE",
            Evalsha => "EVALSHA",
            Xreadgroup => "XREADGROUP",
            Xack => "XACK",
            Xdel => "XDEL",
            Xtrim => "XTRIM",
        }
    }

    /// Whether a count may follow the name (`DEL 3`).
    pub fn takes_count(self) -> bool {
        matches!(
            self,
            Del | Unlink | Mset | Mget | Hset | Lpush | Rpush | Sadd | Zadd | Xadd | Xreadgroup | Xack | Xdel
        )
    }

    /// Whether its key is a stream.
    pub fn is_stream(self) -> bool {
        matches!(self, Xadd | Xreadgroup | Xack | Xdel | Xtrim)
    }

    /// What it does to its key, without SET's options; EVALSHA: to be told from its script.
    pub fn effect(self) -> Effect {
        match self {
            Ping => Effect::None,
            Get | Mget => Effect::Read,
            Del | Unlink => Effect::Delete,
            Expire | Xreadgroup | Xack | Xdel | Xtrim => Effect::Touch,
            _ => Effect::Upsert,
        }
    }

    fn of(word: &str) -> Option<CommandKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }
}

impl Command {
    /// The command `kind` of one element without options; EVALSHA also needs a script, EXPIRE a time to live,
    /// XTRIM a length.
    pub fn plain(kind: CommandKind) -> Self {
        Command { kind, elements: 1, ttl_ms: None, nx: false, keepttl: false, script: Vec::new(), trim: None }
    }

    /// Whether it works on strings or on keys as such; a script does if one of its calls does.
    pub fn is_of_strings(&self) -> bool {
        let simple = |kind: &CommandKind| {
            matches!(kind, Get | Set | Del | Unlink | Incr | IncrBy | Append | Mset | Mget | Expire)
        };
        simple(&self.kind) || self.script.iter().any(simple)
    }

    /// Time to live it gives its key \[ns\].
    pub fn ttl(&self) -> Option<Nanos> {
        self.ttl_ms.map(|ms| ms * crate::units::MILLISECOND)
    }
}

impl FromStr for Command {
    type Err = String;

    /// Reads a name, in any case, and what may follow it:
    /// `SET [NX] [EX s | PX ms | KEEPTTL]`, `EXPIRE s`, `EVALSHA COMMAND…` (an EXPIRE there may have its
    /// seconds behind it), `XADD [MAXLEN [=|~] n] [fields]`, `XTRIM MAXLEN [=|~] n`, a count behind the
    /// commands of several keys or elements, nothing behind others.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let words: Vec<&str> = upper.split_whitespace().collect();
        let Some((&name, rest)) = words.split_first() else {
            return Err(format!("no command; expected one of: {}", names(|_| true)));
        };
        let kind = known(name, |_| true)?;
        let mut command = Command::plain(kind);
        match (kind, rest) {
            (Set, options) => read_set_options(&mut command, options)?,
            (Expire, [seconds]) => command.ttl_ms = Some(ttl("EXPIRE", seconds, 1000)?),
            (Expire, _) => return Err("EXPIRE needs its seconds and nothing else: \"EXPIRE 60\"".into()),
            (Evalsha, calls) => read_script(&mut command, calls)?,
            (Xadd | Xtrim, options) => stream_command::read_options(&mut command, options)?,
            (_, []) => {}
            (_, [count]) if kind.takes_count() => {
                let counted = count.parse().ok().filter(|n| (1..=MAX_ELEMENTS).contains(n));
                command.elements = counted.ok_or_else(|| {
                    format!("{name} {count}: the count is a whole number from 1 to {MAX_ELEMENTS}")
                })?;
            }
            (_, [first, ..]) => {
                let allowed = match kind.takes_count() {
                    true => "one count, as in \"MSET 10\"".to_string(),
                    false => "nothing".to_string(),
                };
                let hint = match SET_OPTIONS.contains(first) {
                    true => "; only SET has options",
                    false => "",
                };
                return Err(format!("{name} {}: {name} takes {allowed}{hint}", rest.join(" ")));
            }
        }
        Ok(command)
    }
}

const SET_OPTIONS: [&str; 4] = ["NX", "EX", "PX", "KEEPTTL"];

fn names(keep: impl Fn(CommandKind) -> bool) -> String {
    let names: Vec<&str> = CommandKind::ALL.into_iter().filter(|&k| keep(k)).map(CommandKind::name).collect();
    names.join(", ")
}

fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or(String::new(), |name| format!("; did you mean {name}?"))
}

fn known(word: &str, keep: impl Fn(CommandKind) -> bool) -> Result<CommandKind, String> {
    CommandKind::of(word).filter(|&kind| keep(kind)).ok_or_else(|| {
        let allowed = CommandKind::ALL.into_iter().filter(|&k| keep(k)).map(CommandKind::name);
        format!("unknown command {word:?}{}; expected one of: {}", suggestion(word, allowed), names(&keep))
    })
}

fn ttl(owner: &str, number: &str, scale: u64) -> Result<u64, String> {
    let unit = if scale == 1 { "milliseconds" } else { "seconds" };
    let limit = MAX_TTL_MS / scale;
    match number.parse::<u64>() {
        Ok(n) if (1..=limit).contains(&n) => Ok(n * scale),
        _ => Err(format!("{owner} {number}: the time to live is a whole number of {unit} from 1 to {limit}")),
    }
}

fn read_set_options(command: &mut Command, options: &[&str]) -> Result<(), String> {
    let mut words = options.iter();
    while let Some(&word) = words.next() {
        let twice = match word {
            "NX" => std::mem::replace(&mut command.nx, true),
            "KEEPTTL" => std::mem::replace(&mut command.keepttl, true),
            "EX" | "PX" => {
                let owner = format!("SET {word}");
                let number = words.next().ok_or_else(|| format!("{owner} needs a time: \"{owner} 60\""))?;
                let scale = if word == "EX" { 1000 } else { 1 };
                command.ttl_ms.replace(ttl(&owner, number, scale)?).is_some()
            }
            _ => {
                let near = suggestion(word, SET_OPTIONS);
                return Err(format!(
                    "SET does not take {word:?}{near}; expected: [NX] [EX seconds | PX milliseconds | KEEPTTL]"
                ));
            }
        };
        if twice {
            return Err(format!("SET {}: one time to live, and each option once", options.join(" ")));
        }
    }
    if command.keepttl && command.ttl_ms.is_some() {
        return Err("SET KEEPTTL with EX or PX: the server refuses both; drop one".into());
    }
    Ok(())
}

fn read_script(command: &mut Command, calls: &[&str]) -> Result<(), String> {
    let in_script = |kind| !matches!(kind, Evalsha | Ping | Mset | Mget | Xreadgroup | Xack | Xdel | Xtrim);
    if calls.is_empty() {
        return Err("EVALSHA needs the commands its script calls: \"EVALSHA INCR EXPIRE\"".into());
    }
    for &word in calls {
        if command.script.last() == Some(&Expire) && word.starts_with(|c: char| c.is_ascii_digit()) {
            command.ttl_ms = Some(ttl("EVALSHA … EXPIRE", word, 1000)?);
            continue;
        }
        let kind = known(word, in_script).map_err(|problem| match CommandKind::of(word) {
            Some(Evalsha) => "a script cannot call EVALSHA".to_string(),
            _ => format!("EVALSHA: {problem}"),
        })?;
        let removes = kind.effect() == Effect::Delete;
        if removes && command.script.iter().any(|call| call.effect() == Effect::Upsert) {
            return Err(format!(
                "EVALSHA: {word} after a write would remove the key each time; put it first"
            ));
        }
        if kind == Expire && command.script.contains(&Expire) {
            return Err("EVALSHA: one EXPIRE is enough".into());
        }
        command.script.push(kind);
        if kind == Expire {
            command.ttl_ms = Some(SCRIPT_TTL_MS);
        }
    }
    Ok(())
}

impl fmt::Display for Command {
    /// The canonical form: capitals, NX first, whole seconds as EX, no count of 1. Reads back as the same
    /// command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.name())?;
        if let Some(trim) = self.trim {
            write!(f, " {trim}")?;
        }
        if self.elements != 1 {
            write!(f, " {}", self.elements)?;
        }
        if self.nx {
            write!(f, " NX")?;
        }
        if self.keepttl {
            write!(f, " KEEPTTL")?;
        }
        for call in &self.script {
            write!(f, " {}", call.name())?;
            if *call == Expire && self.ttl_ms.is_some_and(|ms| ms != SCRIPT_TTL_MS) {
                write!(f, " {}", self.ttl_ms.unwrap_or(0) / 1000)?;
            }
        }
        match (self.kind, self.ttl_ms) {
            (Expire, Some(ms)) => write!(f, " {}", ms / 1000),
            (Set, Some(ms)) if ms % 1000 == 0 => write!(f, " EX {}", ms / 1000),
            (Set, Some(ms)) => write!(f, " PX {ms}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_read_back() {
        let canonical = [
            ("set", "SET"),
            ("SET ex 60", "SET EX 60"),
            ("SET PX 1500", "SET PX 1500"),
            ("SET PX 60000 NX", "SET NX EX 60"),
            ("SET KEEPTTL", "SET KEEPTTL"),
            ("DEL 1", "DEL"),
            ("unlink  3", "UNLINK 3"),
            ("INCRBY", "INCRBY"),
            ("mset 10", "MSET 10"),
            ("HSET 3", "HSET 3"),
            ("LPUSH 5", "LPUSH 5"),
            ("EXPIRE 60", "EXPIRE 60"),
            ("evalsha incr expire", "EVALSHA INCR EXPIRE"),
            ("EVALSHA INCR EXPIRE 10 GET", "EVALSHA INCR EXPIRE 10 GET"),
            ("EVALSHA DEL RPUSH", "EVALSHA DEL RPUSH"),
            ("xadd 3", "XADD 3"),
            ("xadd maxlen ~ 1000 3", "XADD MAXLEN ~ 1000 3"),
            ("XADD MAXLEN = 10 1", "XADD MAXLEN = 10"),
            ("XTRIM MAXLEN 10", "XTRIM MAXLEN 10"),
            ("XREADGROUP 10", "XREADGROUP 10"),
            ("XACK 10", "XACK 10"),
            ("XDEL 2", "XDEL 2"),
        ];
        for (typed, expected) in canonical {
            let command: Command = typed.parse().unwrap();
            assert_eq!(command.to_string(), expected);
            assert_eq!(expected.parse(), Ok(command));
        }
        for kind in CommandKind::ALL {
            if !matches!(kind, Expire | Evalsha | Xtrim) {
                assert_eq!(kind.name().parse(), Ok(Command::plain(kind)));
            }
        }
    }

    #[test]
    fn impossible_commands_say_what_is_allowed() {
        let problem = |text: &str| text.parse::<Command>().unwrap_err();
        assert!(problem("STE").contains("did you mean SET?"), "{}", problem("STE"));
        assert!(problem("STE").contains("GET, SET"));
        assert!(problem("SET KEEPTL").contains("did you mean KEEPTTL?"));
        assert!(problem("GET NX").contains("only SET has options"));
        assert!(problem("EVALSHA INRC").contains("did you mean INCR?"));
        assert!(problem("EVALSHA EVALSHA").contains("cannot call EVALSHA"));
        for text in [
            "",
            "SET KEEPTTL EX 60",
            "SET EX 60 PX 5",
            "SET EX 60 EX 70",
            "SET NX NX",
            "SET EX",
            "SET EX 0",
            "SET EX 1.5",
            "SET EX 9999999999999",
            "SET 3",
            "MSET 0",
            "MSET 10 10",
            "MSET -1",
            "XADD 0",
            "XADD MAXLEN",
            "XADD MAXLEN 0",
            "XADD MAXLEN ~",
            "XADD MAXLEN < 10",
            "XADD 3 MAXLEN 10",
            "XADD MAXLEN 10 3 3",
            "XTRIM",
            "XTRIM 10",
            "XTRIM MAXLEN 10 3",
            "XREADGROUP 0",
            "EVALSHA XACK",
            "INCR 2",
            "PING 1",
            "EXPIRE",
            "EXPIRE 0",
            "EXPIRE 60 NX",
            "EVALSHA",
            "EVALSHA PING",
            "EVALSHA SET DEL",
            "EVALSHA EXPIRE 0",
            "EVALSHA 60",
            "EVALSHA EXPIRE EXPIRE",
        ] {
            assert!(!problem(text).is_empty());
        }
    }
}
