//! A node of a cluster: the slot of a command's key, and MIGRATE on both sides.

use super::bench::Bench;
use super::event_loop::fits;
use super::fit::{Row, least_squares};
use super::subject::{Moves, Result, Rounds};

/// MIGRATEs by keys and bytes of a value, and how many in a row.
const MOVES: [(u32, u32, u32); 5] =
    [(1, 10, 300), (10, 10, 200), (100, 10, 50), (10, 1000, 100), (10, 20_000, 30)];

/// Runs all.
///
/// # Errors
/// As the subject.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..bench.plan.repeats {
        let (mut source, mut target) = (Vec::new(), Vec::new());
        for (keys, value, calls) in MOVES {
            bench.next("MIGRATE")?;
            let moved = bench.subject.moves(&Moves { keys, value, calls })?;
            let keys = f64::from(keys);
            let columns = [1.0, keys, keys * f64::from(value) / 1024.0];
            source.push(Row::new(&columns, moved.source));
            target.push(Row::new(&columns, moved.target));
        }
        sources.extend(least_squares(&source));
        targets.extend(least_squares(&target));
    }
    let how = "CPU of the main thread of MIGRATEs of 1 to 100 keys of 10 B to 20 kB between two servers on this machine, \
               many in a row, compression on and in vain";
    let of_source = ["cluster.migrate", "cluster.migrate-per-key", "cluster.migrate-per-kib"];
    for (column, price) in of_source.into_iter().enumerate() {
        let (found, residual) = fits(&sources, column);
        bench.book.number_found(price, found, how, residual);
    }
    for (column, price) in ["cluster.restore-per-key", "cluster.restore-per-kib"].into_iter().enumerate() {
        let (found, residual) = fits(&targets, column + 1);
        bench.book.number_found(price, found, how, residual);
    }
    let lookup = bench.repeat(|bench| {
        let rounds = Rounds { pipeline: 32, ..bench.plan.rounds("SET", 4, 64) };
        let without = bench.command(&rounds)?;
        bench.next("the slot of a key")?;
        let with = bench.subject.rounds_of_node(&rounds)?;
        Ok(bench.of_command(&with) - without)
    })?;
    let how = "rounds of SET on a node that has all slots against a server without cluster";
    bench.book.number_found("cluster.slot-lookup", lookup, how, None);
    Ok(())
}
