//! CLUSTER INFO and CLUSTER NODES.

use super::decode;
use super::reply::{Reply, read};

/// What CLUSTER NODES says that matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// Nodes of all kinds.
    pub nodes: usize,
    /// Of those, marked as failed or failing, by address.
    pub failing: Vec<String>,
    /// Slots that this node is sending away: (slot, id of the other).
    pub migrating: Vec<(u16, String)>,
    /// Slots that this node is taking in.
    pub importing: Vec<(u16, String)>,
}

/// Text of CLUSTER INFO or CLUSTER NODES, whatever its dress: a bulk string, a JSON string, quoted or plain.
pub fn text_of(bytes: &[u8]) -> String {
    let text = decode(bytes);
    let start = text.trim_start();
    if start.starts_with('"') {
        let unquoted = serde_json::from_str::<String>(start.trim_end()).ok();
        return unquoted.unwrap_or_else(|| start.replace("\\r", "").replace("\\n", "\n")).replace('\r', "");
    }
    match read(bytes).0 {
        Reply::Text(inner) => inner.replace('\r', ""),
        _ => text,
    }
}

/// Reads CLUSTER NODES; none where no line looks like a node.
pub fn nodes(text: &str) -> Option<Nodes> {
    let mut found = Nodes::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [id, address, flags, _, _, _, _, link, slots @ ..] = words.as_slice() else { continue };
        if id.len() != 40 || !["connected", "disconnected"].contains(link) {
            continue;
        }
        found.nodes += 1;
        if flags.split(',').any(|flag| flag == "fail" || flag == "fail?") {
            found.failing.push((*address).to_owned());
        }
        if !flags.split(',').any(|flag| flag == "myself") {
            continue;
        }
        for slot in slots.iter().filter_map(|slot| slot.strip_prefix('[')?.strip_suffix(']')) {
            let open = |mark: &str| {
                let (slot, other) = slot.split_once(mark)?;
                Some((slot.parse().ok()?, other.to_owned()))
            };
            found.migrating.extend(open("->-"));
            found.importing.extend(open("-<-"));
        }
    }
    (found.nodes > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_slots_and_failures_are_seen() {
        let id = |c: char| c.to_string().repeat(40);
        let text = format!(
            "{} 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460 [77->-{}] [78-<-{}]\n\
             {} 10.0.0.2:6379@16379 master,fail? - 1 2 2 connected 5461-10922\n",
            id('a'),
            id('b'),
            id('b'),
            id('b')
        );
        let found = nodes(&text).expect("nodes");
        assert_eq!((found.nodes, found.failing.len()), (2, 1));
        assert_eq!(found.migrating, [(77, id('b'))]);
        assert_eq!(found.importing, [(78, id('b'))]);
        assert_eq!(nodes("cluster_enabled:1\n"), None);
        assert_eq!(nodes(&text_of(format!("{:?}", text).as_bytes())), Some(found));
    }
}
