use super::*;
use crate::units::SECOND;

const SETTING: MigrateSetting = MigrateSetting {
    version: Version::redis(7, 0),
    compressed_ratio: None,
    replace: false,
    lazy_delete: false,
};

fn prices() -> CostModel {
    crate::models::load("two-core-vm").expect("a built-in model").0
}

fn text(key_size: u32, length: u64) -> MovedKey {
    MovedKey { key_size, value: ValueShape::Text(length), ttl: None }
}

/// Read from the AOFs of two real redis-server 7.0.15 after
/// `MIGRATE host port "" 0 1000 KEYS {b}ttl {b}big {b}num`: payloads of 13 bytes for `v` and 14 for 12345.
#[test]
fn bytes_are_what_real_servers_log() {
    assert_eq!(dump_bytes(SETTING.version, ValueShape::Text(1), None), 13);
    assert_eq!(dump_bytes(SETTING.version, ValueShape::Counter, None), 14);
    let ttl = MovedKey { ttl: Some(1000 * SECOND), ..text(6, 1) };
    let logged = "*5\r\n$14\r\nRESTORE-ASKING\r\n$6\r\n{b}ttl\r\n$13\r\n1795558065525\r\n$13\r\n.............\r\n\
                  $6\r\nABSTTL\r\n";
    assert_eq!(ttl.logged(&SETTING), logged.len() as u64);
    let counter = MovedKey { key_size: 6, value: ValueShape::Counter, ttl: None };
    let sent = "*4\r\n$14\r\nRESTORE-ASKING\r\n$6\r\n{b}num\r\n$1\r\n0\r\n$14\r\n..............\r\n";
    assert_eq!((counter.sent(&SETTING), counter.logged(&SETTING)), (sent.len() as u64, sent.len() as u64));
    let del = "*4\r\n$3\r\nDEL\r\n$6\r\n{b}ttl\r\n$6\r\n{b}big\r\n$6\r\n{b}num\r\n";
    assert_eq!(del_bytes([6, 6, 6].into_iter()), del.len() as u64);
    assert_eq!(del_bytes(std::iter::empty()), 0);
    // The TTL goes out in milliseconds, and before 5.0 that is what is logged.
    assert_eq!(
        ttl.sent(&SETTING),
        logged.len() as u64 - "13\r\n1795558065525".len() as u64 + "7\r\n1000000".len() as u64
            - "$6\r\nABSTTL\r\n".len() as u64
    );
    let old = MigrateSetting { version: Version::redis(4, 0), ..SETTING };
    assert_eq!(ttl.logged(&old), ttl.sent(&old));
    let replace = MigrateSetting { replace: true, ..SETTING };
    assert_eq!(counter.sent(&replace), counter.sent(&SETTING) + 13);
}

/// All prices are charged once: build and finish together are the source's, whatever the split.
#[test]
fn prices_add_up() {
    let prices = prices();
    let cluster = &prices.cluster;
    let keys = [text(20, 100); 10];
    let cost = MigrateCost::of(&SETTING, &keys, &prices, &prices);
    let sent = 10 * keys[0].sent(&SETTING);
    assert_eq!((cost.keys, cost.sent), (10, sent));
    let payload = dump_bytes(SETTING.version, keys[0].value, SETTING.compressed_ratio) as f64 / 1024.0;
    let kib = 10 * whole(cluster.migrate_per_kib * payload);
    assert_eq!(cost.build + cost.finish, cluster.migrate + 10 * cluster.migrate_per_key + kib);
    let restored = whole(cluster.restore_per_kib * payload);
    assert_eq!(cost.restore, 10 * (cluster.restore_per_key + restored));
    assert_eq!(cost.turns.len(), 1);
    assert_eq!(cost.target_logged, sent);
    assert_eq!(MigrateCost::of(&SETTING, &[], &prices, &prices), MigrateCost::default());
}

#[test]
fn large_collections_pay_for_their_parts_unless_freed_lazily() {
    let prices = prices();
    let set =
        |elements| MovedKey { key_size: 20, value: ValueShape::Set { elements, length: 20 }, ttl: None };
    let cost = |elements, lazy_delete| {
        let setting = MigrateSetting { lazy_delete, ..SETTING };
        MigrateCost::of(&setting, &[set(elements)], &prices, &prices)
    };
    let (small, large) = (cost(1000, false), cost(3_000_000, false));
    assert_eq!(large.finish - small.finish, 2_999_000 * prices.memory.free_element);
    assert_eq!(cost(3_000_000, true).finish, cost(65, true).finish);
    assert_eq!(cost(64, true).finish, cost(64, false).finish);
    // 63 MB of payload in pieces of 64 KiB, one turn of the target.
    assert_eq!(large.turns.len(), 1);
    let hash = MovedKey { key_size: 20, value: ValueShape::Hash { elements: 10, length: 8 }, ttl: None };
    assert_eq!((hash.parts(SETTING.version), set(10).parts(Version::redis(7, 2))), (0, 0));
    let list = MovedKey { key_size: 20, value: ValueShape::List { elements: 1000, length: 100 }, ttl: None };
    assert!((10..16).contains(&list.parts(SETTING.version)), "{}", list.parts(SETTING.version));
}
