//! CONFIG GET in any dress: names and values.

use super::reply::{Dress, Reply, read};
use crate::scenario::redis_conf;

/// Settings of a CONFIG GET, in their order; values of what must stay secret are left out.
pub fn parse(bytes: &[u8]) -> Vec<(String, String)> {
    let (reply, dress) = read(bytes);
    let pairs = match dress {
        Dress::Nested => pairs(&reply),
        Dress::Lines => of_lines(&reply),
    };
    pairs.into_iter().filter(|(name, _)| !is_secret(name)).collect()
}

/// Whether a setting's value must never be shown.
pub fn is_secret(name: &str) -> bool {
    ["pass", "auth", "user", "key-file", "secret"].iter().any(|part| name.contains(part))
        && !["hide-user-data-from-log", "lazyfree-lazy-user-del", "lazyfree-lazy-user-flush"].contains(&name)
}

/// Pairs of a flat list. Several replies in one file may have become a list of lists.
fn pairs(reply: &Reply) -> Vec<(String, String)> {
    let text = |reply: &Reply| reply.text().map(str::to_owned);
    let flat: Vec<&Reply> = reply
        .list()
        .iter()
        .flat_map(
            |element| if element.list().is_empty() { std::slice::from_ref(element) } else { element.list() },
        )
        .collect();
    let named =
        flat.chunks_exact(2).filter_map(|pair| Some((text(pair[0])?, text(pair[1]).unwrap_or_default())));
    named.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// Pairs of lines. Where an empty value's line is gone, the next known name begins the next pair.
fn of_lines(reply: &Reply) -> Vec<(String, String)> {
    let lines: Vec<&str> = reply.list().iter().filter_map(Reply::text).collect();
    let is_name = |line: &&str| redis_conf::is_known(line);
    let (mut at, mut pairs) = (0, Vec::new());
    while at < lines.len() {
        let name = lines[at].trim();
        let next = lines.get(at + 1);
        if name.is_empty() {
            at += 1;
            continue;
        }
        let is_gone = next.is_none_or(is_name) && redis_conf::is_known(name);
        let value = if is_gone { "" } else { next.copied().unwrap_or_default() };
        pairs.push((name.to_ascii_lowercase(), value.to_owned()));
        at += if is_gone { 1 } else { 2 };
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(pairs: &[(String, String)], name: &str) -> Option<String> {
        pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone())
    }

    #[test]
    fn dumps_of_real_servers_agree_in_every_dress() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/redis-7.0");
        let read = |file: &str| parse(&std::fs::read(folder.join(file)).expect("a fixture"));
        let terminal = read("config-get.txt");
        assert!(terminal.len() > 150, "{}", terminal.len());
        assert_eq!(value(&terminal, "save").as_deref(), Some("3600 1 300 100 60 10000"));
        for file in ["config-get-raw.txt", "config-get.json"] {
            let other = read(file);
            assert_eq!(other.len(), terminal.len(), "{file}");
            terminal.iter().for_each(|(name, wanted)| {
                assert_eq!(value(&other, name).as_ref(), Some(wanted), "{file} {name}");
            });
        }
    }

    #[test]
    fn lines_without_their_empty_ones_find_back() {
        let pairs = parse(b"save\nappendonly\nyes\nappendfilename\nappendonly.aof\n");
        assert_eq!(value(&pairs, "save").as_deref(), Some(""));
        assert_eq!(value(&pairs, "appendonly").as_deref(), Some("yes"));
    }

    #[test]
    fn secrets_are_left_out() {
        let pairs =
            parse(b"1) \"requirepass\"\n2) \"x\"\n3) \"masterauth\"\n4) \"y\"\n5) \"hz\"\n6) \"10\"\n");
        assert_eq!(pairs, [("hz".to_owned(), "10".to_owned())]);
        assert!(
            is_secret("tls-key-file-pass") && is_secret("masteruser") && !is_secret("lazyfree-lazy-user-del")
        );
    }
}
