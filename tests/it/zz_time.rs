#[test]
fn zz_time() {
    use std::time::Instant;
    use writepath::client::{key_names::KeyNames, slot_counts::SlotCounts};
    for (keys, tags) in [(10_000_000u64, None), (1_000_000_000_000, None), (10_000_000, Some(1000))] {
        let names = KeyNames::new(20, keys, tags);
        let n = 20_000_000u64;
        let at = Instant::now();
        let (mut x, mut sum) = (1u64, 0u64);
        for _ in 0..n {
            x = (x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407 + (sum & 1)));
            sum += names.slot_of((x >> 20) % keys) as u64;
        }
        let a = at.elapsed().as_nanos() as f64 / n as f64;
        let at = Instant::now();
        let counts = SlotCounts::new(&names);
        let b = at.elapsed();
        let at = Instant::now();
        let all = counts.by_slot(1..keys - 1);
        let c = at.elapsed();
        let at = Instant::now();
        let mut s = 0;
        for slot in 0..16384 {
            s += counts.in_slot(keys / 3..keys - 1, slot);
        }
        let d = at.elapsed() / 16384;
        println!(
            "{keys} {tags:?}: slot_of {a:.2} ns, new {b:?}, by_slot {c:?}, in_slot {d:?} {} {s} {sum}",
            all.len()
        );
    }
}
