//! How keys are called.
//!
//! Strings have the names that a simulated cluster hashes (`client::key_names`), behind a prefix on a server that is not
//! ours. Keys of another type have a mark between the two, so that one scenario can address the same ranks by SET and by
//! HSET without meeting WRONGTYPE.

use crate::client::key_names::KeyNames;
use crate::redis::command::{Command, CommandKind};
use crate::scenario::Workload;

/// What is stored under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// A string that is never counted up.
    Text,
    /// A string that INCR may address.
    Counter,
    /// A hash.
    Hash,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
}

impl Family {
    fn mark(self) -> &'static str {
        match self {
            Family::Text => "",
            Family::Counter => "n:",
            Family::Hash => "h:",
            Family::List => "l:",
            Family::Set => "s:",
            Family::SortedSet => "z:",
            Family::Stream => "x:",
        }
    }

    /// What a command of that kind needs; none for those that take any key.
    fn of_kind(kind: CommandKind) -> Option<Family> {
        use CommandKind::*;
        match kind {
            Get | Set | Mset | Mget | Append => Some(Family::Text),
            Incr | IncrBy => Some(Family::Counter),
            Hset => Some(Family::Hash),
            Lpush | Rpush => Some(Family::List),
            Sadd => Some(Family::Set),
            Zadd => Some(Family::SortedSet),
            Xadd | Xreadgroup | Xack | Xdel | Xtrim => Some(Family::Stream),
            Ping | Del | Unlink | Expire | Evalsha => None,
        }
    }

    /// The families that `command` names itself, its script's calls included.
    pub fn named_by(command: &Command) -> impl Iterator<Item = Family> + '_ {
        std::iter::once(command.kind).chain(command.script.iter().copied()).filter_map(Family::of_kind)
    }

    /// The family of the keys that `command` of `group` addresses: strings of a group that counts are counters, and what
    /// takes any key takes those of the group's other commands.
    pub fn of(command: &Command, group: &Workload) -> Family {
        let of_group = || group.mix.iter().flat_map(|(command, _)| Family::named_by(command));
        let counts = of_group().any(|family| family == Family::Counter);
        let own = Family::named_by(command).max().or_else(|| of_group().next());
        match own.unwrap_or(Family::Text) {
            Family::Text if counts => Family::Counter,
            family => family,
        }
    }
}

/// Names of keys by rank.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: Vec<u8>,
    names: KeyNames,
}

impl Names {
    /// Names of `keys` keys of `family`, of `key_size` bytes where the prefix leaves room for that.
    pub fn new(prefix: &str, family: Family, key_size: u32, keys: u64) -> Self {
        Names::marked(&format!("{prefix}{}", family.mark()), key_size, keys)
    }

    /// Names of the keys of the pattern of group number `group`.
    pub fn of_pattern(prefix: &str, group: usize, key_size: u32, keys: u64) -> Self {
        Names::marked(&format!("{prefix}p{group}:"), key_size, keys)
    }

    fn marked(prefix: &str, key_size: u32, keys: u64) -> Self {
        let left = key_size.saturating_sub(prefix.len() as u32);
        Names { prefix: prefix.as_bytes().to_vec(), names: KeyNames::new(left, keys, None) }
    }

    /// Length of every name \[bytes\].
    pub fn bytes(&self) -> usize {
        self.prefix.len() + self.names.bytes()
    }

    /// Makes `name` that of the key of `rank`.
    pub fn write(&self, rank: u64, name: &mut Vec<u8>) {
        name.clear();
        name.extend_from_slice(&self.prefix);
        self.names.write(rank, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &Names, rank: u64) -> String {
        let mut name = Vec::new();
        names.write(rank, &mut name);
        assert_eq!(name.len(), names.bytes());
        String::from_utf8(name).expect("text")
    }

    #[test]
    fn names_have_the_size_of_a_key_while_the_prefix_leaves_room() {
        assert_eq!(name(&Names::new("", Family::Text, 20, 1_000_000), 42), "key:0000000000000042");
        assert_eq!(name(&Names::new("wp:", Family::Text, 20, 1_000_000), 42), "wp:key:0000000000042");
        assert_eq!(name(&Names::new("wp:", Family::Hash, 20, 1_000_000), 42), "wp:h:key:00000000042");
        assert_eq!(name(&Names::new("writepath:1f3a:", Family::Text, 8, 100), 42), "writepath:1f3a:42");
        assert_eq!(name(&Names::of_pattern("", 1, 11, 1), 0), "p1:key:0000");
    }

    #[test]
    fn what_takes_any_key_takes_those_of_its_group() {
        let group = |mix: &[&str]| {
            let text = format!(
                "[[workload]]\nloop = \"open\"\nrate = \"1/s\"\nmix = {{ {} }}\n",
                mix.iter()
                    .map(|c| format!("\"{c}\" = {}", 1.0 / mix.len() as f64))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            let overrides = crate::scenario::resolve::Overrides::default();
            let scenario = crate::scenario::resolve::resolve(&text, "t.toml", ".".as_ref(), &overrides);
            scenario.expect("a sound scenario").workloads.remove(0)
        };
        let families = |mix: &[&str]| {
            let group = group(mix);
            group.mix.iter().map(|(command, _)| Family::of(command, &group)).collect::<Vec<_>>()
        };
        assert_eq!(families(&["SET", "GET"]), [Family::Text; 2]);
        assert_eq!(families(&["SET", "INCR"]), [Family::Counter; 2]);
        assert_eq!(families(&["HSET", "DEL"]), [Family::Hash; 2]);
        assert_eq!(families(&["EVALSHA LPUSH EXPIRE"]), [Family::List]);
        assert_eq!(families(&["DEL"]), [Family::Text]);
    }
}
