use super::*;
use crate::redis::stream_command::TrimSign;
use crate::rng::{StreamId, Streams, Uniform};

const V7: Version = Version::redis(7, 2);

fn trim(sign: TrimSign, length: u64) -> Trim {
    Trim { sign, length }
}

/// One stream as the server keeps it: live entries and marked ones by node, oldest first.
#[derive(Default)]
struct Exact {
    nodes: Vec<(u64, u64)>,
}

impl Exact {
    fn length(&self) -> u64 {
        self.nodes.iter().map(|node| node.0).sum()
    }

    /// `streamAppendItem`.
    fn add(&mut self, capacity: u64) {
        match self.nodes.last_mut() {
            Some(tail) if tail.0 + tail.1 < capacity => tail.0 += 1,
            _ => self.nodes.push((1, 0)),
        }
    }

    /// `streamTrim`; entries walked over.
    fn trim(&mut self, trim: Trim) -> u64 {
        let mut walked = 0;
        while self.length() > trim.length {
            let (live, marked) = self.nodes[0];
            if self.length() - live >= trim.length {
                self.nodes.remove(0);
                walked += 1;
                continue;
            }
            if !trim.is_approximate() {
                let gone = self.length() - trim.length;
                self.nodes[0] = (live - gone, marked + gone);
                walked += marked + gone;
            }
            break;
        }
        walked
    }
}

#[test]
fn a_node_takes_entries_until_their_bytes_or_their_number_is_reached() {
    // As the server asks before each entry: the node's bytes and those of the new fields and values.
    let by_hand = |max_bytes: u64, max_entries: u64, fields: u64, value: u64| {
        let shape = NodeShape::new(V7, max_bytes, max_entries, fields, value);
        let (mut entries, mut bytes) = (1, shape.header + shape.entry);
        while bytes + fields * (STREAM_FIELD_LENGTH + value) < max_bytes && entries < max_entries {
            (entries, bytes) = (entries + 1, bytes + shape.entry);
        }
        entries
    };
    for max_bytes in [100, 1024, 4096, 65_536] {
        for max_entries in [1, 7, 100, 10_000] {
            for (fields, value) in [(1, 0), (1, 20), (3, 20), (1, 100), (1, 5000), (10, 300)] {
                let capacity = NodeShape::new(V7, max_bytes, max_entries, fields, value).capacity;
                assert_eq!(
                    capacity,
                    by_hand(max_bytes, max_entries, fields, value),
                    "{max_bytes} {fields} {value}"
                );
            }
        }
    }
    let capacity = |bytes, entries, value| NodeShape::new(V7, bytes, entries, 1, value).capacity;
    // Small entries are counted, large ones measured: (4096 − 22 − 105) / 113, rounded up.
    assert_eq!((capacity(4096, 100, 20), capacity(4096, 100, 100)), (100, 36));
    assert_eq!((capacity(4096, 0, 20), capacity(0, 100, 5000)), (127, 100));
}

#[test]
fn memory_of_an_entry_is_within_a_few_bytes_of_a_real_servers() {
    // Redis 7.0.15, 1.2 M entries of one field of 5 and 20 bytes, added in a few seconds: 12,000 nodes, whose
    // listpacks hold 30 to 31 bytes an entry (differences of milliseconds take 2 bytes in a burst, 4 as here later).
    let shape = NodeShape::new(V7, 4096, 100, 1, 20);
    assert_eq!((shape.capacity, shape.entry, shape.header), (100, 32, 22));
    assert_eq!(1_200_000 / shape.capacity, 12_000);
    // 3222 bytes shrink into jemalloc's class of 3584; a tail keeps its 4096.
    assert_eq!((shape.full_bytes(), shape.tail_bytes(1)), (3584 + RAX_NODE, 4096 + RAX_NODE));
    assert_eq!(shape.stream_bytes(250), 2 * shape.full_bytes() + shape.tail_bytes(50));
    // Full by bytes, a node is not shrunk; before 6.2 it is allocated as it grows.
    assert_eq!(NodeShape::new(V7, 4096, 100, 1, 100).full_bytes(), size_class(4096) + RAX_NODE);
    let v5 = NodeShape::new(Version::redis(5, 0), 4096, 100, 1, 20);
    assert_eq!(v5.tail_bytes(1), size_class(22 + 32) + RAX_NODE);
    // used_memory grew by 38.87 bytes an entry in 1000 streams of 1050.
    let whole = shape.stream_bytes(1050) as f64 / 1050.0;
    assert!((38.0..39.0).contains(&whole), "{whole}");
    // Its RDB took 31.2 bytes an entry, again with short differences.
    let rdb = shape.rdb_bytes(1000, 10) as f64 / 1000.0;
    assert!((32.0..33.0).contains(&rdb), "{rdb}");
}

#[test]
fn one_stream_is_trimmed_entry_by_entry_as_the_server_does() {
    for (sign, length) in [
        (TrimSign::Tilde, 250),
        (TrimSign::Tilde, 30),
        (TrimSign::None, 250),
        (TrimSign::None, 30),
        (TrimSign::Equals, 100),
    ] {
        let shape = NodeShape::new(V7, 4096, 100, 1, 20);
        let (mut class, mut exact) = (StreamClass::new(1, 0, &shape), Exact::default());
        for n in 0..2000 {
            let fill = class.draw(0.5);
            class.add(fill, &shape);
            let moved = class.trim_one(trim(sign, length), 10_000, fill, &shape);
            exact.add(100);
            let walked = exact.trim(trim(sign, length));
            let (live, marked): (Vec<u64>, Vec<u64>) = exact.nodes.iter().copied().unzip();
            let expected = (live.iter().sum(), marked.iter().sum(), exact.nodes.len() as u64, walked);
            assert_eq!(
                (class.entries, class.marked, class.nodes, moved.walked),
                expected,
                "{sign:?} {length}, entry {n}"
            );
            class.check(&shape);
        }
    }
}

#[test]
fn many_streams_hold_what_so_many_separate_streams_hold() {
    const STREAMS: usize = 200;
    let shape = NodeShape::new(V7, 4096, 100, 1, 20);
    for (sign, length) in [(TrimSign::Tilde, 250), (TrimSign::None, 250)] {
        let mut stream = Streams::new(7, 0).open(StreamId::Streams, 0);
        let mut class = StreamClass::new(STREAMS as u64, 0, &shape);
        let mut exact: Vec<Exact> = (0..STREAMS).map(|_| Exact::default()).collect();
        let (mut walked, mut expected_walks, mut sums) = (0, 0, [0u64; 4]);
        for n in 0..400_000 {
            let fill = class.draw(stream.unit());
            class.add(fill, &shape);
            let moved = class.trim_one(trim(sign, length), 10_000, fill, &shape);
            let own = &mut exact[stream.below(STREAMS as u64) as usize];
            own.add(100);
            let steps = own.trim(trim(sign, length));
            if n >= 200_000 {
                (walked, expected_walks) = (walked + moved.walked, expected_walks + steps);
            }
            if n >= 200_000 && n % 10_000 == 0 {
                let nodes: usize = exact.iter().map(|own| own.nodes.len()).sum();
                let live: u64 = exact.iter().map(Exact::length).sum();
                for (sum, value) in sums.iter_mut().zip([class.nodes, nodes as u64, class.entries, live]) {
                    *sum += value;
                }
            }
        }
        class.check(&shape);
        let ratio = |a: u64, b: u64| a as f64 / b as f64;
        assert!((ratio(sums[0], sums[1]) - 1.0).abs() < 0.02, "{sign:?} nodes {sums:?}");
        assert!((ratio(sums[2], sums[3]) - 1.0).abs() < 0.01, "{sign:?} entries {sums:?}");
        assert!((ratio(walked, expected_walks) - 1.0).abs() < 0.03, "{sign:?} {walked} {expected_walks}");
        // Closed forms: n + (P − 1) / 2 entries for ~, a walk of (P + 1) / 2 for an exact MAXLEN.
        let mean = sums[2] as f64 / 20.0 / STREAMS as f64;
        let steps = walked as f64 / 200_000.0;
        match sign {
            TrimSign::Tilde => assert!((mean / 299.5 - 1.0).abs() < 0.01, "{mean}"),
            _ => assert!((mean - 250.0).abs() < 1e-9 && (steps / 49.5 - 1.0).abs() < 0.03, "{mean} {steps}"),
        }
    }
}

#[test]
fn xtrim_frees_whole_nodes_up_to_its_limit_and_marks_the_rest_when_exact() {
    let shape = NodeShape::new(V7, 4096, 100, 1, 20);
    let mut class = StreamClass::new(1, 1050, &shape);
    assert_eq!((class.nodes, class.in_tails), (11, 50));
    let moved = class.trim_all(trim(TrimSign::Tilde, 500), 300, &shape);
    assert_eq!((moved.removed, class.entries, class.nodes), (300, 750, 8));
    class.trim_all(trim(TrimSign::Tilde, 500), 10_000, &shape);
    assert_eq!((class.entries, class.nodes, class.marked), (550, 6, 0));
    let moved = class.trim_all(trim(TrimSign::None, 430), 10_000, &shape);
    assert_eq!((class.entries, class.nodes, class.marked, moved.marked), (430, 5, 20, 20));
    class.check(&shape);
}
