//! The event loop and the commands: a pass, a client in it, a command, a KiB.
//!
//! A pass with m clients of P commands each takes turn + m · (read + write) + m · P · command. In rounds m is known, and
//! the thread never sleeps. PING is cheap, so its rounds tell turn and client; then every command is what its rounds
//! take beyond these.

use super::bench::{Bench, HOT_KEYS};
use super::fit::{Fit, Repeats, Row, least_squares};
use super::subject::{Result, Rounds, Setting};

/// Clients of a pass and commands of a client, in rounds of PING.
const PASSES: [(u32, u32); 7] = [(1, 32), (1, 64), (1, 256), (4, 32), (4, 256), (16, 32), (16, 128)];
/// Sizes of values, and commands of a client whose write still fits into one read(2) of 16 KiB.
const VALUES: [(u32, u32); 3] = [(100, 64), (1000, 8), (3500, 4)];
/// What a key of 100 B takes, about; half of it is not the value \[bytes\].
const BYTES_AROUND: u64 = 200;
/// Clients of a pass in rounds of everything else.
const CLIENTS: u32 = 4;
/// Keys of one MSET.
const MSET_KEYS: f64 = 10.0;
/// Calls of the longer script beyond those of the shorter one.
const MORE_CALLS: f64 = 3.0;

/// Simple commands: price, command, commands of a client.
const COMMANDS: [(&str, &str, u32); 7] = [
    ("cpu.incr", "INCR", 64),
    ("cpu.del", "DEL", 64),
    ("cpu.hset", "HSET", 64),
    ("cpu.push", "LPUSH", 64),
    ("cpu.sadd", "SADD", 64),
    ("cpu.zadd", "ZADD", 64),
    ("cpu.xadd", "XADD", 64),
];

/// Runs all.
///
/// # Errors
/// As the subject.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    passes(bench)?;
    values(bench)?;
    hot_keys(bench)?;
    for (price, command, pipeline) in COMMANDS {
        simple(bench, price, command, pipeline)?;
    }
    expire(bench)?;
    several(bench)?;
    scripts(bench)
}

/// The same fit of every repeat: coefficient by coefficient, and the median residual.
pub(super) fn fits(fits: &[Fit], coefficient: usize) -> (Option<Repeats>, Option<f64>) {
    let values: Vec<f64> = fits.iter().map(|fit| fit.coefficients[coefficient]).collect();
    let residuals: Vec<f64> = fits.iter().map(|fit| fit.residual).collect();
    (Repeats::of(&values), Repeats::of(&residuals).map(|residual| residual.median))
}

fn passes(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = Vec::new();
    for _ in 0..bench.plan.repeats {
        let mut rows = Vec::new();
        for (clients, pipeline) in PASSES {
            let rounds =
                Rounds { commands: 4 * bench.plan.commands, ..bench.plan.rounds("PING", clients, pipeline) };
            let spent = bench.rounds(&rounds)?;
            rows.push(Row::new(&[spent.passes, spent.clients, spent.commands], spent.cpu));
        }
        found.extend(least_squares(&rows));
    }
    let how = "CPU of the main thread in rounds of PING with 1 to 16 clients a pass and 32 to 256 commands a client";
    let (turn, residual) = fits(&found, 0);
    bench.book.number_found("cpu.turn", turn, how, residual);
    let (ping, _) = fits(&found, 2);
    bench.book.number_found("cpu.ping", ping, how, residual);
    // Only the sum can be told; the prior says how it is split.
    let (sum, _) = fits(&found, 1);
    let prior =
        bench.book.number("cpu.read") / (bench.book.number("cpu.read") + bench.book.number("cpu.write"));
    let how = format!("{how}; read and write together, split as by {}", bench.book.prior_name());
    bench.book.number_found("cpu.read", sum.map(|sum| sum.times(prior)), &how, residual);
    bench.book.number_found("cpu.write", sum.map(|sum| sum.times(1.0 - prior)), &how, residual);
    Ok(())
}

fn values(bench: &mut Bench<'_>) -> Result<()> {
    let mut repeats = vec![Vec::new(); bench.plan.repeats];
    for (value, pipeline) in VALUES {
        // Keyspaces of about as many bytes, so that caches hold as little of each; of the size that is written, or every
        // write would take fresh memory.
        let keys = bench.plan.cold_keys * BYTES_AROUND / (u64::from(value) + BYTES_AROUND / 2);
        let setting = Setting { keys, value, ..bench.plan.cold() };
        let commands = bench.plan.commands * 100 / u64::from(value.max(200)) * 2;
        for rows in &mut repeats {
            let rounds = bench.plan.rounds("SET", CLIENTS, pipeline);
            let rounds = Rounds { setting, value, commands, ..rounds };
            rows.push(Row::new(&[1.0, f64::from(value) / 1024.0], bench.command(&rounds)?));
        }
    }
    let found: Vec<Fit> = repeats.iter().filter_map(|rows| least_squares(rows)).collect();
    let mut gets = Vec::new();
    for _ in 0..bench.plan.repeats {
        gets.push(bench.command(&bench.plan.rounds("GET", CLIENTS, VALUES[0].1))?);
    }
    let how = "CPU of the main thread in rounds of SET of 100 to 3500 B on random keys that no cache holds, without \
               its passes and clients";
    let (set, residual) = fits(&found, 0);
    bench.book.number_found("cpu.set", set, how, residual);
    let (per_kib, _) = fits(&found, 1);
    bench.book.number_found("cpu.per-kib", per_kib, how, residual);
    let value = 100.0 / 1024.0 * bench.book.number("cpu.per-kib");
    let how = "the same in rounds of GET of 100 B, less its bytes";
    bench.book.number_found("cpu.get", Repeats::of(&gets).map(|gets| gets.less(value)), how, None);
    Ok(())
}

/// What SET saves when its keys are in the cache.
fn hot_keys(bench: &mut Bench<'_>) -> Result<()> {
    let saved = bench.repeat(|bench| {
        let cold = bench.plan.rounds("SET", CLIENTS, VALUES[0].1);
        let hot = Rounds { among: Some(HOT_KEYS), ..cold.clone() };
        Ok(bench.command(&cold)? - bench.command(&hot)?)
    })?;
    let how = format!("rounds of SET on {} random keys against {HOT_KEYS}", bench.plan.cold_keys);
    bench.book.number_found("cpu.hot-key-saving", saved, &how, None);
    Ok(())
}

fn simple(bench: &mut Bench<'_>, price: &'static str, command: &'static str, pipeline: u32) -> Result<()> {
    let value = match command {
        "INCR" | "DEL" => 8,
        _ => 100,
    };
    let carries = matches!(command, "HSET" | "LPUSH" | "SADD" | "ZADD" | "XADD");
    let per_kib = bench.book.number("cpu.per-kib");
    let copied = if carries { f64::from(value) / 1024.0 * per_kib } else { 0.0 };
    // A DEL that finds nothing waits for one look, as the simulator has it.
    let missing = bench.book.number("cpu.ping") + bench.book.number("cpu.hot-key-saving") / 4.0;
    let commands = if command == "DEL" { bench.plan.cold_keys / 20 } else { bench.plan.commands };
    let time = bench.repeat(|bench| {
        let rounds = Rounds { commands, value, ..bench.plan.rounds(command, CLIENTS, pipeline) };
        let spent = bench.rounds(&rounds)?;
        let time = bench.of_command(&spent);
        Ok((time - (1.0 - spent.found) * missing) / spent.found - copied)
    })?;
    let how = format!("CPU of the main thread in rounds of {command}, without its passes, clients and bytes");
    bench.book.number_found(price, time, &how, None);
    Ok(())
}

/// What a price is less on keys in the cache: no less than PING is left.
fn saving(bench: &Bench<'_>, price: f64) -> f64 {
    bench.book.number("cpu.hot-key-saving").min((price - bench.book.number("cpu.ping")).max(0.0))
}

/// EXPIRE of few keys, which have their deadlines after the first thousand: the table of deadlines does not grow.
fn expire(bench: &mut Bench<'_>) -> Result<()> {
    let saved = bench.book.number("cpu.hot-key-saving");
    let time = bench.repeat(|bench| {
        let rounds = bench.plan.rounds("EXPIRE 100000", CLIENTS, 64);
        Ok(bench.command(&Rounds { among: Some(HOT_KEYS), ..rounds })? + saved)
    })?;
    let how = "CPU of the main thread in rounds of EXPIRE on keys in the cache that have deadlines, and \
               cpu.hot-key-saving";
    bench.book.number_found("cpu.expire", time, how, None);
    Ok(())
}

/// Each further key of a command.
fn several(bench: &mut Bench<'_>) -> Result<()> {
    let more = bench.repeat(|bench| {
        let one = bench.plan.rounds("SET", CLIENTS, VALUES[0].1);
        let ten = Rounds { command: "MSET 10", pipeline: 8, commands: one.commands / 4, ..one.clone() };
        Ok((bench.command(&ten)? - bench.command(&one)?) / (MSET_KEYS - 1.0))
    })?;
    let value = 100.0 / 1024.0 * bench.book.number("cpu.per-kib");
    let how = "rounds of MSET of 10 random keys against SET; elements of one collection are assumed alike";
    bench.book.number_found("cpu.per-element", more.map(|more| more.less(value)), how, None);
    Ok(())
}

/// A script, and each call in it, on keys in the cache.
fn scripts(bench: &mut Bench<'_>) -> Result<()> {
    let (mut script, mut call) = (Vec::new(), Vec::new());
    for _ in 0..bench.plan.repeats {
        let mut hot = |command: &'static str| {
            let rounds = bench.plan.rounds(command, CLIENTS, 32);
            bench.command(&Rounds { among: Some(HOT_KEYS), ..rounds })
        };
        let (get, one, four) = (hot("GET")?, hot("EVALSHA GET")?, hot("EVALSHA GET GET GET GET")?);
        let each = (four - one) / MORE_CALLS - (get - bench.book.number("cpu.per-kib") * 100.0 / 1024.0);
        call.push(each);
        // The whole script saves what one key does.
        let cold_get = bench.book.number("cpu.get");
        let copied = bench.book.number("cpu.per-kib") * 100.0 / 1024.0;
        let alone = one - copied - each - cold_get;
        script.push(alone + saving(bench, alone + each + cold_get));
    }
    let how = "CPU of the main thread in rounds of EVALSHA with one and four GETs of keys in the cache";
    bench.book.number_found("cpu.script-call", Repeats::of(&call), how, None);
    bench.book.number_found("cpu.script", Repeats::of(&script), how, None);
    Ok(())
}
