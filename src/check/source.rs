//! Atomicity gaps in source text or in a list of commands, by looking at words.
//!
//! Seen: calls whose command and key stand as text (`r.incr(key)`, `client.Incr(ctx, key)`, `"INCR", key`, `INCR key`), their
//! steps within `WINDOW` lines of one file. Not seen: wrappers, keys under other names, steps in other functions. What
//! stands between MULTI and EXEC, in a pipeline that is a transaction, or in a script is taken to be one step.

use super::monitor::GapKind;

/// Lines within which steps belong together.
const WINDOW: usize = 20;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which steps.
    pub kind: GapKind,
    /// The file as it was named.
    pub file: String,
    /// Line of the last step, from 1.
    pub line: usize,
    /// The key as written.
    pub key: String,
}

/// What was read, and what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Files read.
    pub files: usize,
    /// Calls of commands that were recognised.
    pub calls: usize,
    /// Gaps, in order.
    pub places: Vec<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Get,
    Set,
    SetNx,
    Incr,
    Expire,
}

/// Names of methods and commands, in lower case.
const CALLS: &[(&str, Call)] = &[
    ("get", Call::Get),
    ("exists", Call::Get),
    ("set", Call::Set),
    ("setex", Call::Set),
    ("psetex", Call::Set),
    ("setnx", Call::SetNx),
    ("incr", Call::Incr),
    ("incrby", Call::Incr),
    ("decr", Call::Incr),
    ("decrby", Call::Incr),
    ("expire", Call::Expire),
    ("pexpire", Call::Expire),
    ("expireat", Call::Expire),
    ("pexpireat", Call::Expire),
];

impl Source {
    /// Looks through one more file.
    pub fn add(&mut self, file: &str, text: &str) {
        self.files += 1;
        let mut calls: Vec<(usize, Call, String)> = Vec::new();
        let mut is_atomic = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if ["#", "//", "--", "*", "/*"].iter().any(|mark| line.starts_with(mark)) {
                continue;
            }
            let lower = line.to_ascii_lowercase();
            if begins_transaction(&lower) {
                is_atomic = true;
            }
            let in_script = lower.contains("redis.call") || lower.contains("redis.pcall");
            if !is_atomic && !in_script {
                for (call, key) in calls_of(line, &lower) {
                    self.calls += 1;
                    if let Some(kind) = ended(call, &key, index, &calls) {
                        self.places.push(Place {
                            kind,
                            file: file.to_owned(),
                            line: index + 1,
                            key: key.clone(),
                        });
                    }
                    calls.push((index, call, key));
                }
            }
            if ends_transaction(&lower) {
                is_atomic = false;
            }
        }
    }
}

fn begins_transaction(line: &str) -> bool {
    let pipeline = line.contains("pipeline(") && !line.contains("transaction=false");
    pipeline
        || line.contains("multi(")
        || line == "multi"
        || line.contains("'multi'")
        || line.contains("\"multi\"")
}

fn ends_transaction(line: &str) -> bool {
    ["exec(", "execute(", "exec_async(", "'exec'", "\"exec\""].iter().any(|end| line.contains(end))
        || ["exec", "discard"].contains(&line)
}

/// Calls of a line with their keys.
fn calls_of(line: &str, lower: &str) -> Vec<(Call, String)> {
    let bytes = lower.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|&&byte| is_word(byte)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let (word, before, rest) = (&lower[at..at + length], &lower[..at], &line[at + length..]);
        if let Some(&(_, call)) = CALLS.iter().find(|(name, _)| *name == word)
            && let Some(arguments) = arguments(before, rest)
            && let Some(key) = key(arguments)
        {
            let words: Vec<&str> = arguments.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            let nx = words.iter().any(|word| word.eq_ignore_ascii_case("nx"));
            found.push((if call == Call::Set && nx { Call::SetNx } else { call }, key));
        }
        at += length;
    }
    found
}

/// What stands behind a command's name, if it is called there: `.incr(…`, `"INCR", …`, or a line `INCR …`.
fn arguments<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    if before.ends_with('.') || before.ends_with("->") {
        return rest.strip_prefix('(');
    }
    if before.ends_with(['"', '\'']) {
        return rest.strip_prefix(['"', '\''])?.trim_start().strip_prefix(',');
    }
    let before = before.trim_start_matches("redis-cli").trim();
    let is_start = before.is_empty() || before.ends_with('>') || before.ends_with(')') && before.len() <= 5;
    rest.strip_prefix(' ').filter(|_| is_start)
}

/// The first argument that is a key; a context before it is passed over.
fn key(arguments: &str) -> Option<String> {
    let mut parts = arguments.split([',', ')', ' ']).map(str::trim).filter(|part| !part.is_empty());
    let first = parts.next()?;
    let key =
        if ["ctx", "context.Background(", "context.TODO("].contains(&first) { parts.next()? } else { first };
    let key = key.trim_matches(['"', '\'', '`', ';']);
    (!key.is_empty()).then(|| key.to_owned())
}

/// The operation that a call ends.
fn ended(call: Call, key: &str, line: usize, calls: &[(usize, Call, String)]) -> Option<GapKind> {
    let near = calls.iter().rev().filter(|before| before.2 == key && line - before.0 <= WINDOW);
    let place = |wanted: Call| near.clone().position(|before| before.1 == wanted);
    match call {
        Call::Incr if place(Call::SetNx).is_some() => Some(GapKind::SetNxIncr),
        Call::Incr => match (place(Call::Get), place(Call::Set)) {
            (Some(get), Some(set)) if get > set => Some(GapKind::GetSetIncr),
            _ => None,
        },
        Call::Expire => place(Call::Incr).map(|_| GapKind::IncrExpire),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(GapKind, usize)> {
        let mut source = Source::default();
        source.add("f", text);
        source.places.iter().map(|place| (place.kind, place.line)).collect()
    }

    #[test]
    fn the_articles_patterns_are_recognised() {
        let python = "v = r.get(key)\nif v is None:\n    r.set(key, 0, ex=60)\nreturn r.incr(key)\n";
        assert_eq!(kinds(python), [(GapKind::GetSetIncr, 4)]);
        assert_eq!(kinds("GET rate:1\nSET rate:1 0 EX 60\nINCR rate:1\n"), [(GapKind::GetSetIncr, 3)]);
        assert_eq!(kinds("r.set(k, 0, nx=True, ex=60)\nr.incr(k)\n"), [(GapKind::SetNxIncr, 2)]);
        let go = "rdb.SetNX(ctx, key, 0, ttl)\nn, err := rdb.Incr(ctx, key).Result()\n";
        assert_eq!(kinds(go), [(GapKind::SetNxIncr, 2)]);
        let jedis = "long n = jedis.incr(key);\nif (n == 1) {\n  jedis.expire(key, 60);\n}\n";
        assert_eq!(kinds(jedis), [(GapKind::IncrExpire, 3)]);
        assert_eq!(kinds("c.Do(\"INCR\", key)\nc.Do(\"EXPIRE\", key, 60)\n"), [(GapKind::IncrExpire, 2)]);
    }

    #[test]
    fn what_is_one_step_or_about_other_keys_is_none() {
        let pipeline = "pipe = r.pipeline()\npipe.incr(key)\npipe.expire(key, 60)\npipe.execute()\n";
        assert_eq!(kinds(pipeline), []);
        assert_eq!(kinds("MULTI\nINCR k\nEXPIRE k 60 NX\nEXEC\n"), []);
        assert_eq!(kinds("redis.call('INCR', KEYS[1])\nredis.call('EXPIRE', KEYS[1], 60)\n"), []);
        assert_eq!(kinds("r.incr(a)\nr.expire(b, 60)\n"), []);
        assert_eq!(kinds("# r.incr(a)\nr.expire(a, 60)\n"), []);
        assert_eq!(kinds(&format!("r.incr(a)\n{}r.expire(a, 60)\n", "\n".repeat(30))), []);
        // A cache that is filled: nothing counts.
        assert_eq!(kinds("v = r.get(k)\nif v is None:\n  r.set(k, load(), ex=60)\n"), []);
        let no_transaction = "p = r.pipeline(transaction=False)\np.incr(k)\np.expire(k, 60)\n";
        assert_eq!(kinds(no_transaction), [(GapKind::IncrExpire, 3)]);
    }
}
