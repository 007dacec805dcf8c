//! What a command costs more with an AOF, and with a replica: differences of the same rounds on two servers.

use super::bench::Bench;
use super::event_loop::fits;
use super::fit::{Row, least_squares};
use super::subject::{Result, Rounds, Setting};

/// Clients of a pass, commands of a client, bytes of a value.
const APPENDS: [(u32, u32, u32); 6] =
    [(1, 16, 100), (1, 64, 100), (8, 32, 100), (2, 8, 1000), (1, 4, 3500), (4, 4, 3500)];
/// The same of what is fed to a replica; its bytes are priced by the AOF's.
const FEEDS: [(u32, u32, u32); 4] = [(1, 16, 100), (1, 64, 100), (2, 32, 100), (8, 32, 100)];

/// Bytes of `SET key value` in the AOF, the key of 20 B.
fn logged(value: u32) -> f64 {
    let digits = f64::from(value.max(1).ilog10() + 1);
    4.0 + 9.0 + 27.0 + f64::from(value) + digits + 5.0
}

/// Rounds on a server as `setting` says, less the same on one without.
fn difference(
    bench: &mut Bench<'_>,
    (clients, pipeline, value): (u32, u32, u32),
    more: impl Fn(Setting) -> Setting,
) -> Result<(f64, f64, f64)> {
    // A smaller keyspace: two or three servers hold it.
    let commands = bench.plan.commands * 100 / u64::from(value.max(200)) * 2;
    let plain = Rounds { value, commands, ..bench.plan.rounds("SET", clients, pipeline) };
    let with = Rounds { setting: more(plain.setting), ..plain.clone() };
    let (without, with) = (bench.rounds(&plain)?, bench.rounds(&with)?);
    let (pass, client) =
        (bench.book.number("cpu.turn"), bench.book.number("cpu.read") + bench.book.number("cpu.write"));
    let per_command = (without.cpu - without.passes * pass - without.clients * client) / without.commands;
    let extra = with.cpu - with.passes * pass - with.clients * client - with.commands * per_command;
    Ok((with.passes, with.commands, extra))
}

/// The AOF: its write(2) a pass, an append a command, and its bytes.
///
/// # Errors
/// As the subject.
pub fn aof(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = Vec::new();
    for _ in 0..bench.plan.repeats {
        let mut rows = Vec::new();
        for design in APPENDS {
            let (passes, commands, extra) =
                difference(bench, design, |setting| Setting { aof: true, ..setting })?;
            rows.push(Row::new(&[passes, commands, commands * logged(design.2) / 1024.0], extra));
        }
        found.extend(least_squares(&rows));
    }
    let how = "CPU of the main thread in rounds of SET of 100 to 3500 B with an AOF (appendfsync no) against without";
    let (write, residual) = fits(&found, 0);
    bench.book.number_found("disk.write", write, how, residual);
    let (append, _) = fits(&found, 1);
    bench.book.number_found("cpu.aof-append", append, how, residual);
    let (kib, _) = fits(&found, 2);
    let cached = 1024.0 * 1e9 / bench.book.number("disk.page-cache-bandwidth").max(1.0);
    let own = kib.map(|kib| kib.less(cached)).filter(|kib| kib.median > 0.0);
    match (own, kib) {
        (None, Some(kib)) => bench.book.skip(
            "cpu.aof-append-per-kib",
            format!(
                "{:.0} ns/KiB in all, not more than disk.page-cache-bandwidth says of write(2) alone",
                kib.median
            ),
        ),
        _ => {
            let how = format!("{how}; less disk.page-cache-bandwidth");
            bench.book.number_found("cpu.aof-append-per-kib", own, &how, residual);
        }
    }
    Ok(())
}

/// A replica: its write(2) a pass, and feeding a command.
///
/// # Errors
/// As the subject.
pub fn replica(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = Vec::new();
    for _ in 0..bench.plan.repeats {
        let mut rows = Vec::new();
        for design in FEEDS {
            let (passes, commands, extra) =
                difference(bench, design, |setting| Setting { replica: true, ..setting })?;
            rows.push(Row::new(&[passes, commands], extra));
        }
        found.extend(least_squares(&rows));
    }
    // Copied once into the stream (7.0 on; before, into the backlog and the replica's buffer) and once by write(2).
    let copies = if bench.subject.version().has(7, 0) { 2.0 } else { 3.0 };
    let bytes = copies * logged(100) / 1024.0 * bench.book.number("cpu.aof-append-per-kib");
    let how =
        "CPU of the main thread in rounds of SET of 100 B with a replica on this machine against without";
    let (write, residual) = fits(&found, 0);
    bench.book.number_found("cpu.replica-write", write, how, residual);
    let (command, _) = fits(&found, 1);
    let how = format!("{how}, less its bytes at cpu.aof-append-per-kib");
    bench.book.number_found(
        "cpu.replica-command",
        command.map(|command| command.less(bytes)),
        &how,
        residual,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::Command;
    use crate::redis::version::Version;

    #[test]
    fn bytes_of_a_set_are_those_of_the_server() {
        let set: Command = "SET".parse().expect("a command");
        let prices = crate::models::blank("free").cpu;
        let profile = set.profile(Version::redis(7, 0), 20, &prices);
        for value in [7u32, 100, 3500] {
            let bulk = crate::redis::resp::bulk(u64::from(value));
            assert_eq!(logged(value), (profile.aof_fixed + bulk) as f64, "{value}");
        }
    }
}
