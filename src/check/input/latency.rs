//! LATENCY LATEST in any dress, and LATENCY HISTORY of one event.

use super::reply::{Dress, Reply, read};

/// What the latency monitor keeps of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyEvent {
    /// Its name, as latency.c has it: `fork`, `aof-write-pending-fsync` …
    pub name: String,
    /// When it came last \[s since 1970\].
    pub at: u64,
    /// How long it took then \[ms\].
    pub latest_ms: u64,
    /// The longest since the monitor was reset \[ms\].
    pub max_ms: u64,
}

/// Events of LATENCY LATEST; none where nothing looks like one and the input is not empty.
pub fn parse(bytes: &[u8]) -> Option<Vec<LatencyEvent>> {
    let (reply, dress) = read(bytes);
    of_reply(&reply, dress)
}

/// The same of a reply that has come over a connection.
pub fn of_reply(reply: &Reply, dress: Dress) -> Option<Vec<LatencyEvent>> {
    let events: Vec<LatencyEvent> = match dress {
        Dress::Nested => reply.rows().filter_map(event).collect(),
        Dress::Lines => of_lines(reply.list()),
    };
    let is_blank = |reply: &Reply| {
        reply.text().is_some_and(|text| ["", "(empty array)", "(empty list or set)"].contains(&text.trim()))
    };
    let nothing = reply.list().iter().all(is_blank);
    (!events.is_empty() || nothing).then_some(events)
}

fn event(row: &[Reply]) -> Option<LatencyEvent> {
    let [name, at, latest, max, ..] = row else { return None };
    let name = name.text().filter(|name| is_event(name))?.to_owned();
    Some(LatencyEvent { name, at: at.number()?, latest_ms: latest.number()?, max_ms: max.number()? })
}

/// Four lines an event; newer servers add more numbers.
fn of_lines(lines: &[Reply]) -> Vec<LatencyEvent> {
    let starts = |line: &Reply| line.text().is_some_and(is_event);
    let at = (0..lines.len()).filter(|&at| starts(&lines[at]));
    at.filter_map(|at| event(lines.get(at..at + 4)?)).collect()
}

/// Names of events are words with hyphens.
fn is_event(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_real_servers_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
        let read = |file: &str| parse(&std::fs::read(folder.join(file)).expect("a fixture")).expect("events");
        let seven = read("redis-7.0/latency.txt");
        assert_eq!(seven.len(), 3);
        assert_eq!((seven[1].name.as_str(), seven[1].latest_ms, seven[1].max_ms), ("command", 20, 20));
        for file in ["redis-7.0/latency-raw.txt", "redis-7.0/latency.json"] {
            assert_eq!(read(file), seven, "{file}");
        }
        // Valkey 8.1 on adds a sum and a count.
        assert_eq!(read("valkey-9.1/latency.txt").last().map(|event| event.max_ms), Some(20));
    }

    #[test]
    fn a_history_names_no_event() {
        assert_eq!(parse(b"1) 1) (integer) 1795846624\n   2) (integer) 13\n"), None);
        assert_eq!(parse(b""), Some(Vec::new()));
    }
}
