//! fork(2), copy-on-write and the children: by size of the parent, and by what the child writes.

use crate::units::{GIB, KIB};

use super::bench::Bench;
use super::event_loop::fits;
use super::fit::{Repeats, Row, least_squares};
use super::subject::{Result, Setting, Shared, Writing};

/// Bytes of large values.
const LARGE: u32 = 1000;
/// Children of each kind.
const CHILDREN: usize = 2;

/// Keys whose strings of `value` bytes take about `gib` GiB.
fn keys_of(gib: f64, value: u32) -> u64 {
    (gib * GIB as f64 / (f64::from(value) + 88.0)) as u64
}

fn strings(keys: u64, value: u32) -> Setting {
    Setting { aof: false, replica: false, keys, value }
}

/// fork(2) by the size of the parent.
///
/// # Errors
/// As the subject.
pub fn fork(bench: &mut Bench<'_>) -> Result<()> {
    let sizes = bench.plan.fork_gib.clone();
    if sizes.len() < 2 {
        bench.book.skip("fork", "too little free memory for parents of two sizes");
        return Ok(());
    }
    let mut of_size = vec![Vec::new(); sizes.len()];
    for (gib, forks) in sizes.iter().zip(&mut of_size) {
        let setting = strings(keys_of(*gib, LARGE), LARGE);
        for _ in 0..bench.plan.forks {
            bench.next("fork")?;
            let forked = bench.subject.fork(&setting, Writing::Rdb, false)?;
            forks.push(Row::new(&[1.0, forked.rss / GIB as f64], forked.fork));
        }
    }
    // The n-th fork of every size together.
    let found: Vec<_> = (0..bench.plan.forks)
        .filter_map(|n| least_squares(&of_size.iter().map(|forks| forks[n].clone()).collect::<Vec<_>>()))
        .collect();
    let how = format!("latest_fork_usec of BGSAVEs with {sizes:?} GiB of keys, by RSS");
    let (base, residual) = fits(&found, 0);
    bench.book.number_found(
        "fork.base",
        base.map(|base| Repeats { median: base.median.max(0.0), ..base }),
        &how,
        residual,
    );
    let (per_gib, _) = fits(&found, 1);
    bench.book.number_found("fork.per-gib", per_gib, &how, residual);
    Ok(())
}

/// Time of a child's work a key \[ns\].
fn child(bench: &mut Bench<'_>, setting: &Setting, writing: Writing) -> Result<Option<Repeats>> {
    let mut times = Vec::new();
    for _ in 0..CHILDREN {
        bench.next("a child's speed")?;
        let forked = bench.subject.fork(setting, writing, true)?;
        times.extend(forked.child.map(|time| time / setting.keys as f64));
    }
    Ok(Repeats::of(&times))
}

/// A key and a KiB of a child, from small and large values.
fn speed(bench: &mut Bench<'_>, writing: Writing, names: [&'static str; 2], how: &str) -> Result<()> {
    let (small, large) = (strings(bench.plan.large_keys * 4, 16), strings(bench.plan.large_keys, LARGE));
    let (Some(of_small), Some(of_large)) = (child(bench, &small, writing)?, child(bench, &large, writing)?)
    else {
        bench.book.skip(names[0], "the child was not seen to end");
        return Ok(());
    };
    let kib = |value: u32| f64::from(value) / KIB as f64;
    let per_kib = of_large.less(of_small.median).times(1.0 / (kib(LARGE) - kib(16)));
    bench.book.number_found(names[1], Some(per_kib), how, None);
    bench.book.number_found(names[0], Some(of_small.less(kib(16) * per_kib.median.max(0.0))), how, None);
    Ok(())
}

/// Children by what they write.
///
/// # Errors
/// As the subject.
pub fn children(bench: &mut Bench<'_>) -> Result<()> {
    let how = "CPU of children of BGSAVE without compression, random values of 16 and 1000 B";
    speed(bench, Writing::Rdb, ["child.rdb-per-key", "child.rdb-per-kib"], how)?;
    let how = "CPU of children of BGREWRITEAOF without preamble, random values of 16 and 1000 B";
    speed(bench, Writing::Aof, ["child.aof-per-key", "child.aof-per-kib"], how)?;
    let large = strings(bench.plan.large_keys, LARGE);
    let squeezed = child(bench, &large, Writing::RdbCompressed)?;
    let per_key = bench.book.number("child.rdb-per-key");
    let per_kib = squeezed.map(|time| time.less(per_key).times(KIB as f64 / f64::from(LARGE)));
    let how = "CPU of children of BGSAVE with compression, random values of 1000 B that LZF cannot shorten";
    bench.book.number_found("child.rdb-per-kib-compressed", per_kib, how, None);
    Ok(())
}

/// Copy-on-write: a fault that copies, one that only lifts the protection, and the pages of a SET.
///
/// # Errors
/// As the subject.
pub fn shared_pages(bench: &mut Bench<'_>) -> Result<()> {
    let (mut fault, mut reprotect, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    // Many pages, so that a measurement leaves most of them alone.
    let gib = bench.plan.fork_gib.get(1).or(bench.plan.fork_gib.first()).copied();
    let setting = gib.map_or(bench.plan.cold(), |gib| strings(keys_of(gib, LARGE), LARGE));
    for _ in 0..bench.plan.repeats {
        bench.next("copy-on-write")?;
        let shared = Shared { setting, commands: bench.plan.commands / 3 };
        let spent = bench.subject.shared(&shared)?;
        let per_command = |spent: &super::subject::Spent| spent.cpu / spent.commands;
        let plain = per_command(&spent.before);
        for (part, of) in [(&spent.during, &mut fault), (&spent.after, &mut reprotect)] {
            let faults =
                (part.faults / part.commands - spent.before.faults / spent.before.commands) * part.commands;
            // Too few of them, and the rest of the machine is what is seen.
            if faults > 0.02 * part.commands {
                of.push((per_command(part) - plain) * part.commands / faults);
            }
        }
        // n SETs of k random pages each leave a share e^(-n k / P) of P pages untouched.
        let touched = spent.during.faults / spent.pages;
        if touched > 0.0 && touched < 0.9 {
            pages.push(-libm::log(1.0 - touched) * spent.pages / spent.during.commands);
        }
    }
    let how = "CPU by minor fault of SETs of 1000 B on random keys just after BGSAVE against just before";
    bench.book.number_found("cow.fault", Repeats::of(&fault), how, None);
    let how = "the same after the child was killed, against before the fork";
    bench.book.number_found("cow.reprotect", Repeats::of(&reprotect), how, None);
    let how = "minor faults of SETs of 1000 B on random keys just after BGSAVE, by what random pages give";
    bench.book.number_found("cow.pages-per-set", Repeats::of(&pages), how, None);
    Ok(())
}

/// Deleting a key that is due.
///
/// # Errors
/// As the subject.
pub fn expiry(bench: &mut Bench<'_>) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..2 {
        bench.next("keys that expire")?;
        let expired = bench.subject.expire(bench.plan.expiring)?;
        if expired.keys > 0.0 {
            times.push(expired.cpu / expired.keys);
        }
    }
    let how = format!("CPU of the active expire cycle for {} keys of 100 B due at once", bench.plan.expiring);
    bench.book.number_found("cpu.expire-key", Repeats::of(&times), &how, None);
    Ok(())
}
