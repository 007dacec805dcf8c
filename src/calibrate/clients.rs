//! The clients' own time: what a generator's thread does between a reply that it can read and its next request.
//!
//! Closed loops of the load generator, spinning: passes in which it sent or read something are its time, those in which it
//! looked in vain are not. A round (reply and next write of a connection) takes reply + send + P · command + its bytes beyond the
//! first KiB.

use super::bench::Bench;
use super::event_loop::fits;
use super::fit::{Row, least_squares};
use super::subject::{Result, Rounds, Setting};

/// Connections, commands of a write, bytes of a value.
const LOOPS: [(u32, u32, u32); 6] =
    [(50, 1, 100), (50, 8, 100), (50, 32, 100), (50, 1, 16_000), (50, 1, 60_000), (50, 4, 4000)];
/// Keys: few, so that large values fit.
pub const KEYS: u64 = 2000;
/// Bytes of `SET` with a key of 20 B around the value, on the wire.
const AROUND: u32 = 53;

/// Runs all.
///
/// # Errors
/// As the subject.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = Vec::new();
    for _ in 0..bench.plan.repeats.min(3) {
        let mut rows = Vec::new();
        for (clients, pipeline, value) in LOOPS {
            bench.next("clients")?;
            let setting = Setting { keys: KEYS, value, ..bench.plan.cold() };
            let rounds = Rounds { setting, value, ..bench.plan.rounds("SET", clients, pipeline) };
            let kib = f64::from(pipeline * (value + AROUND)) / 1024.0 - 1.0;
            rows.push(Row::new(
                &[1.0, f64::from(pipeline), kib.max(0.0)],
                bench.subject.client_rounds(&rounds)?,
            ));
        }
        found.extend(least_squares(&rows));
    }
    let how =
        "time of this generator's thread in closed loops of SET, 1 to 32 commands a write, 100 B to 60 kB";
    let (command, residual) = fits(&found, 1);
    bench.book.number_found("client.per-command", command, how, residual);
    let (kib, _) = fits(&found, 2);
    bench.book.number_found("client.per-kib", kib, how, residual);
    // Only the sum can be told; the prior says how it is split.
    let (sum, _) = fits(&found, 0);
    let (reply, send) = (bench.book.number("client.per-reply"), bench.book.number("client.per-send"));
    let share = reply / (reply + send);
    let how = format!("{how}; reply and send together, split as by {}", bench.book.prior_name());
    bench.book.number_found("client.per-reply", sum.map(|sum| sum.times(share)), &how, residual);
    bench.book.number_found("client.per-send", sum.map(|sum| sum.times(1.0 - share)), &how, residual);
    Ok(())
}
