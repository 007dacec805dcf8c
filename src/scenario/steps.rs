//! Steps of a pattern as a scenario spells them out.
//!
//! `pattern = [{ name = "look", do = "GET" }, { do = "SET 0 EX 60", if-nil = "look" }, { do = "INCR" }]`; a list
//! under `do` is one MULTI block. No command names its key: all are on the operation's.

use super::file::suggestion;
use super::pattern::{Block, Call, MAX_CALLS, MAX_STEPS, MAX_TTL_MS, Step, When};
use super::reader::Fault;
use super::tree::{Node, Table, Value};
use super::values::{text, whole};
use super::{keys::Kind, problem::nearest};

/// Keys of a step.
pub const STEP_KEYS: [&str; 4] = ["name", "do", "if-nil", "if-equals"];

/// Forms of the commands a step may have.
pub const COMMANDS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("SET", "SET number [NX] [EX seconds | PX milliseconds | KEEPTTL]"),
    ("INCR", "INCR"),
    ("DEL", "DEL"),
    ("EXPIRE", "EXPIRE seconds [NX]"),
    ("PEXPIRE", "PEXPIRE milliseconds [NX]"),
    ("INCREX", "INCREX EX seconds ENX"),
    ("EVALSHA", "EVALSHA INCR EXPIRE seconds"),
    ("ZADD", "ZADD"),
    ("ZREMRANGEBYSCORE", "ZREMRANGEBYSCORE"),
    ("ZCARD", "ZCARD"),
    ("LPUSH", "LPUSH"),
    ("LTRIM", "LTRIM elements-that-stay"),
];

/// Reads a list of steps.
pub fn steps(nodes: &[Node]) -> Result<Vec<Step>, Fault> {
    if nodes.is_empty() || nodes.len() > MAX_STEPS {
        let read = format!("{} steps", nodes.len());
        return Err(Fault::new(read, format!("write 1 to {MAX_STEPS} steps: [{{ do = \"INCR\" }}]")));
    }
    let mut steps: Vec<Step> = Vec::new();
    for node in nodes {
        let step = step(node, &steps).map_err(|fault| fault.at(&node.place))?;
        steps.push(step);
    }
    Ok(steps)
}

fn step(node: &Node, earlier: &[Step]) -> Result<Step, Fault> {
    let Value::Table(table) = &node.value else {
        return Err(Fault::new(format!("{} is no step", node.literal()), "write { do = \"INCR\" }"));
    };
    for entry in &table.entries {
        if !STEP_KEYS.contains(&entry.key.as_str()) {
            let remedy = suggestion(&entry.key, STEP_KEYS.into_iter());
            return Err(Fault::new(format!("unknown key {:?} of a step", entry.key), remedy).at(&entry.place));
        }
    }
    let name = match table.get("name") {
        Some(node) => Some(step_name(node, earlier).map_err(|fault| fault.at(&node.place))?),
        None => None,
    };
    let Some(what) = table.get("do") else {
        return Err(Fault::new("a step without do", "add do = \"INCR\""));
    };
    let (block, calls) = commands(what).map_err(|fault| fault.at(&what.place))?;
    Ok(Step { name, block, calls, when: when(table, earlier)? })
}

fn step_name(node: &Node, earlier: &[Step]) -> Result<String, Fault> {
    let name = text(node)?;
    if name.is_empty() || earlier.iter().any(|step| step.name.as_deref() == Some(&name)) {
        return Err(Fault::new(
            format!("{name:?} cannot name this step"),
            "give every step a name of its own",
        ));
    }
    Ok(name)
}

/// The condition of a step.
fn when(table: &Table, earlier: &[Step]) -> Result<When, Fault> {
    match (table.get("if-nil"), table.get("if-equals")) {
        (Some(_), Some(node)) => {
            Err(Fault::new("if-nil and if-equals together", "keep one of them").at(&node.place))
        }
        (Some(node), None) => Ok(When::Nil(earlier_step(node, earlier)?)),
        (None, Some(node)) => match &node.value {
            Value::List(pair) if pair.len() == 2 => {
                let number = match &pair[1].value {
                    Value::Integer(number) => i64::try_from(*number).ok(),
                    _ => None,
                };
                let number = number.ok_or_else(|| {
                    Fault::new(format!("{} is no whole number", pair[1].literal()), "write [\"count\", 1]")
                        .at(&pair[1].place)
                })?;
                Ok(When::Equals(earlier_step(&pair[0], earlier)?, number))
            }
            _ => Err(Fault::new(
                format!("if-equals = {}", node.literal()),
                "write the step and the number: if-equals = [\"count\", 1]",
            )
            .at(&node.place)),
        },
        (None, None) => Ok(When::Always),
    }
}

fn earlier_step(node: &Node, earlier: &[Step]) -> Result<usize, Fault> {
    let name = text(node).map_err(|fault| fault.at(&node.place))?;
    if let Some(index) = earlier.iter().position(|step| step.name.as_deref() == Some(&name)) {
        return Ok(index);
    }
    let names: Vec<&str> = earlier.iter().filter_map(|step| step.name.as_deref()).collect();
    let remedy = match names[..] {
        [] => "give an earlier step that name".to_owned(),
        _ => suggestion(&name, names.iter().copied()),
    };
    Err(Fault::new(format!("no earlier step is named {name:?}"), remedy).at(&node.place))
}

fn commands(node: &Node) -> Result<(Block, Vec<Call>), Fault> {
    let Value::List(nodes) = &node.value else {
        return command(&text(node)?);
    };
    if nodes.is_empty() || nodes.len() > MAX_CALLS {
        let remedy = format!("write 1 to {MAX_CALLS} commands, or one as text");
        return Err(Fault::new(format!("a MULTI block of {} commands", nodes.len()), remedy));
    }
    let mut calls = Vec::new();
    for node in nodes {
        let (block, call) =
            text(node).and_then(|text| command(&text)).map_err(|fault| fault.at(&node.place))?;
        if block != Block::Plain {
            let fault = Fault::new("a script in a MULTI block", "make it a step of its own");
            return Err(fault.at(&node.place));
        }
        calls.extend(call);
    }
    Ok((Block::Multi, calls))
}

/// Reads one command.
fn command(text: &str) -> Result<(Block, Vec<Call>), Fault> {
    let upper = text.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_whitespace().collect();
    let name = words.first().copied().unwrap_or("");
    let Some((_, form)) = COMMANDS.iter().find(|command| command.0 == name) else {
        let names = COMMANDS.iter().map(|command| command.0);
        let mut fault = Fault::new(
            format!("{name:?} is no command of a step"),
            format!("expected one of: {}", names.clone().collect::<Vec<_>>().join(", ")),
        );
        if let Some(near) = nearest(name, names) {
            fault.remedies.insert(0, format!("did you mean {near}?"));
        }
        return Err(fault);
    };
    let wrong = || Fault::new(format!("{text:?} is not understood"), format!("write \"{form}\""));
    let plain = |call| Ok((Block::Plain, vec![call]));
    match words[1..] {
        [] => match name {
            "GET" => plain(Call::Get),
            "INCR" => plain(Call::Incr),
            "DEL" => plain(Call::Del),
            "ZADD" => plain(Call::Zadd),
            "ZREMRANGEBYSCORE" => plain(Call::Zremrangebyscore),
            "ZCARD" => plain(Call::Zcard),
            "LPUSH" => plain(Call::Lpush),
            _ => Err(wrong()),
        },
        [number, ref options @ ..] if name == "SET" => plain(set(number, options).ok_or_else(wrong)?),
        [time, ref nx @ ..] if matches!(name, "EXPIRE" | "PEXPIRE") && matches!(nx, [] | ["NX"]) => {
            let scale = if name == "EXPIRE" { 1000 } else { 1 };
            plain(Call::Expire { ttl_ms: ttl(time, scale).ok_or_else(wrong)?, nx: !nx.is_empty() })
        }
        ["EX", time, "ENX"] if name == "INCREX" => {
            plain(Call::Increx { ttl_ms: ttl(time, 1000).ok_or_else(wrong)? })
        }
        ["INCR", "EXPIRE", time] if name == "EVALSHA" => {
            let ttl_ms = ttl(time, 1000).ok_or_else(wrong)?;
            Ok((Block::Script { argument: true }, vec![Call::Incr, Call::Expire { ttl_ms, nx: false }]))
        }
        [keep] if name == "LTRIM" => match keep.parse() {
            Ok(keep) if (1..=1_000_000_000).contains(&keep) => plain(Call::Ltrim { keep }),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn ttl(number: &str, scale: u64) -> Option<u64> {
    let number: u64 = number.parse().ok()?;
    (1..=MAX_TTL_MS / scale).contains(&number).then(|| number * scale)
}

fn set(number: &str, options: &[&str]) -> Option<Call> {
    // Far enough from the ends that no run counts over them.
    let value = number.parse().ok().filter(|number: &i64| number.unsigned_abs() <= 1 << 62)?;
    let (mut nx, mut keepttl, mut ttl_ms) = (false, false, None);
    let mut words = options.iter();
    while let Some(&word) = words.next() {
        match word {
            "NX" if !nx => nx = true,
            "KEEPTTL" if !keepttl && ttl_ms.is_none() => keepttl = true,
            "EX" | "PX" if !keepttl && ttl_ms.is_none() => {
                ttl_ms = Some(ttl(words.next()?, if word == "EX" { 1000 } else { 1 })?);
            }
            _ => return None,
        }
    }
    Some(Call::Set { value, nx, ttl_ms, keepttl })
}

/// A count of retries or keys, shown where it is a part of a value.
pub fn part(node: &Node, kind: Kind) -> Result<u64, Fault> {
    whole(node, kind).map_err(|fault| fault.at(&node.place))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Place;
    use super::*;

    fn read(text: &str) -> Result<Vec<Step>, Fault> {
        match Node::guess(text, Place::flag("--set")).value {
            Value::List(nodes) => steps(&nodes),
            other => panic!("{other:?} is no list"),
        }
    }

    #[test]
    fn the_racy_triple_can_be_spelled_out() {
        let own = read("[{name='look', do='GET'}, {do='set 0 ex 60', if-nil='look'}, {do='INCR'}]").unwrap();
        let mut built_in = super::super::pattern::built_in("get-set-incr", 60_000, None).unwrap();
        built_in[0].name = Some("look".into());
        assert_eq!(own, built_in);
        let limiter = read("[{name='n', do='INCR'}, {do='EXPIRE 60', if-equals=['n', 1]}]").unwrap();
        assert_eq!(limiter[1].when, When::Equals(0, 1));
        let multi = read("[{do=['INCR', 'EXPIRE 60 NX']}]").unwrap();
        assert_eq!(multi, super::super::pattern::built_in("multi-incr-expire-nx", 60_000, None).unwrap());
        let script = read("[{do='EVALSHA INCR EXPIRE 60'}]").unwrap();
        assert_eq!(script, super::super::pattern::built_in("lua-incr-expire", 60_000, None).unwrap());
    }

    #[test]
    fn wrong_steps_say_what_is_allowed() {
        let fault = |text: &str| read(text).unwrap_err();
        assert!(fault("[{do='WAIT 1 0'}]").read.contains("WAIT"));
        assert!(fault("[{do='ICNR'}]").remedies[0].contains("INCR"));
        assert!(fault("[{name='look', do='GET'}, {do='INCR', if-nil='lok'}]").remedies[0].contains("look"));
        for text in [
            "[]",
            "[{do='INCR', if-nil='x'}]",
            "[{name='x'}]",
            "['INCR']",
            "[{do='SET 0 EX 0'}]",
            "[{do='SET 0 EX 60 KEEPTTL'}]",
            "[{do='SET'}]",
            "[{do='EXPIRE 0'}]",
            "[{do='EXPIRE 60 XX'}]",
            "[{do='GET', unknown=1}]",
            "[{name='a', do='GET'}, {name='a', do='GET'}]",
            "[{name='a', do='GET'}, {do='INCR', if-equals='a'}]",
            "[{do=['EVALSHA INCR EXPIRE 60']}]",
            "[{do='LTRIM 0'}]",
        ] {
            assert!(!fault(text).remedies.is_empty(), "{text}");
        }
    }
}
