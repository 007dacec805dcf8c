//! SLOWLOG GET (COMMANDLOG GET slow) in any dress.

use super::reply::{Dress, Reply, read};

/// One slow command. Its arguments are not kept: they are somebody's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// When it was executed \[s since 1970\].
    pub at: u64,
    /// How long its procedure took \[us\].
    pub usec: u64,
    /// Its name in capitals, with its subcommand where it has one.
    pub command: String,
    /// Arguments, without its name.
    pub arguments: usize,
}

/// Seconds since 1970 that a slow log may hold: 2009, when Redis began, to 2100.
const PLAUSIBLE: std::ops::Range<u64> = 1_230_000_000..4_102_444_800;

/// Entries as they stand there, newest first; none where nothing looks like one and the input is not empty.
pub fn parse(bytes: &[u8]) -> Option<Vec<SlowEntry>> {
    let (reply, dress) = read(bytes);
    of_reply(&reply, dress)
}

/// The same of a reply that has come over a connection.
pub fn of_reply(reply: &Reply, dress: Dress) -> Option<Vec<SlowEntry>> {
    let entries = match dress {
        Dress::Nested => reply.rows().filter_map(entry).collect(),
        Dress::Lines => of_lines(reply),
    };
    let is_blank = |reply: &Reply| reply.text().is_some_and(|text| is_nothing(text.trim()));
    let nothing = reply.list().iter().all(is_blank);
    (!entries.is_empty() || nothing).then_some(entries)
}

fn is_nothing(text: &str) -> bool {
    ["", "(empty array)", "(empty list or set)"].contains(&text)
}

fn entry(row: &[Reply]) -> Option<SlowEntry> {
    let [_, at, usec, words, ..] = row else { return None };
    let words: Vec<&str> = words.list().iter().filter_map(Reply::text).collect();
    Some(SlowEntry {
        at: at.number()?,
        usec: usec.number()?,
        command: command(&words)?,
        arguments: words.len().saturating_sub(1),
    })
}

/// Entries begin with three numbers: one that counts down, a time, a duration.
fn of_lines(reply: &Reply) -> Vec<SlowEntry> {
    let lines: Vec<&str> = reply.list().iter().filter_map(Reply::text).collect();
    let number = |at: usize| lines.get(at)?.parse::<u64>().ok();
    let begins = |at: usize, before: Option<u64>| {
        let id = number(at)?;
        let time = number(at + 1).filter(|time| PLAUSIBLE.contains(time))?;
        before.is_none_or(|before| id < before).then_some((id, time, number(at + 2)?))
    };
    let (mut entries, mut starts, mut before) = (Vec::new(), Vec::new(), None);
    for at in 0..lines.len() {
        if let Some((id, time, usec)) = begins(at, before) {
            starts.push((at, time, usec));
            before = Some(id);
        }
    }
    for (index, &(at, time, usec)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(lines.len(), |next| next.0);
        let mut words = &lines[at + 3..end.max(at + 3)];
        // From 4.0 on an entry ends with the client's address and name.
        if let [rest @ .., address, _] = words
            && address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            words = rest;
        }
        if let Some(command) = command(words) {
            entries.push(SlowEntry { at: time, usec, command, arguments: words.len().saturating_sub(1) });
        }
    }
    entries
}

/// Commands that are told apart by their first argument.
const CONTAINERS: &[&str] = &[
    "ACL", "CLIENT", "CLUSTER", "CONFIG", "DEBUG", "LATENCY", "MEMORY", "OBJECT", "SCRIPT", "XGROUP", "XINFO",
];

fn command(words: &[&str]) -> Option<String> {
    let first = words.first()?.trim().to_ascii_uppercase();
    let is_word =
        |word: &str| !word.is_empty() && word.len() <= 40 && word.bytes().all(|b| b.is_ascii_graphic());
    let second = words.get(1).filter(|word| CONTAINERS.contains(&first.as_str()) && is_word(word));
    is_word(&first).then(|| match second {
        Some(second) => format!("{first} {}", second.to_ascii_uppercase()),
        None => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_real_server_is_the_same_in_every_dress() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/redis-7.0");
        let read = |file: &str| parse(&std::fs::read(folder.join(file)).expect("a fixture")).expect("a log");
        let terminal = read("slowlog.txt");
        assert_eq!(terminal.len(), 3);
        let first =
            SlowEntry { at: 1_795_846_625, usec: 12_115, command: "DEBUG SLEEP".to_owned(), arguments: 2 };
        assert_eq!((&terminal[0], terminal[2].command.as_str()), (&first, "BGREWRITEAOF"));
        for file in ["slowlog-raw.txt", "slowlog.json", "slowlog.resp"] {
            assert_eq!(read(file), terminal, "{file}");
        }
    }

    #[test]
    fn entries_of_2_8_have_no_client() {
        let lines = "5\n1400000000\n20000\nKEYS\n*\n4\n1400000000\n12000\nSORT\n7\n1500000000\n3\n";
        let entries = parse(lines.as_bytes()).expect("a log");
        let shown: Vec<_> = entries.iter().map(|e| (e.command.as_str(), e.usec, e.arguments)).collect();
        assert_eq!(shown, [("KEYS", 20_000, 1), ("SORT", 12_000, 3)]);
    }

    #[test]
    fn an_empty_log_is_a_log_and_another_file_is_none() {
        assert_eq!(parse(b""), Some(Vec::new()));
        assert_eq!(parse(b"(empty array)\n"), Some(Vec::new()));
        assert_eq!(parse(b"*0\r\n"), Some(Vec::new()));
        assert_eq!(parse(b"# Server\nredis_version:7.0.0\n"), None);
    }
}
