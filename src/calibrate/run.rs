//! All groups of measurements in their order, into one book.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cost_model::CostModel;
use crate::models::ModelSource;

use super::bench::{Bench, Plan};
use super::book::Book;
use super::file::Head;
use super::host::{Facts, disk, fsync, memory, noise};
use super::subject::{CalibrateError, Result, Setting, Subject};
use super::{clients, event_loop, forking, moving, stream, waking};

/// A group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in `--only`.
    pub name: &'static str,
    /// What it measures.
    pub what: &'static str,
    /// It needs a server.
    pub of_server: bool,
    /// About how long it takes, quick and not \[s\].
    seconds: [u32; 2],
}

const fn group(name: &'static str, what: &'static str, of_server: bool, seconds: [u32; 2]) -> Group {
    Group { name, what, of_server, seconds }
}

/// All groups, in their order. Those that share servers follow one another.
pub const GROUPS: [Group; 13] = [
    group("noise", "gaps of the host", false, [2, 8]),
    group("memory", "touching, moving and freeing memory", false, [2, 6]),
    group("disk", "bandwidth, write(2), fdatasync", false, [5, 25]),
    group("loop", "event loop and commands", true, [15, 70]),
    group("clients", "the generator's own time", true, [6, 10]),
    group("waking", "waking up and the network", true, [5, 15]),
    group("aof", "appending to the AOF", true, [6, 25]),
    group("replica", "feeding a replica", true, [5, 20]),
    group("fork", "fork(2)", true, [6, 20]),
    group("cow", "copy-on-write", true, [5, 20]),
    group("child", "speed of children", true, [6, 20]),
    group("cluster", "MIGRATE, and the slot of a key", true, [7, 25]),
    group("expire", "keys that expire", true, [11, 14]),
];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Prices of what is not measured.
    pub prior: (CostModel, ModelSource),
    /// Names of the groups; all if empty.
    pub only: &'a [String],
    /// A minute, not five.
    pub quick: bool,
    /// The folder on whose disk data lies.
    pub folder: &'a Path,
    /// Server and clients share this machine.
    pub is_local: bool,
    /// Today, `2026-11-28`.
    pub date: String,
    /// How the server's CPU time is known.
    pub clock: &'a str,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The prices.
    pub book: Book,
    /// What stands at the head of the file.
    pub head: Head,
    /// Measurements, and those in a noisy spell that did not end.
    pub measured: (u64, u64),
    /// Time it took.
    pub elapsed: Duration,
}

/// Watches: what is going on, and the share that is done; false stops.
pub type Watch<'w> = dyn FnMut(&str, f64) -> bool + 'w;

/// Measures, of the machine alone without a subject.
///
/// # Errors
/// The first fault of server or machine; [`CalibrateError::Stopped`] by the watcher.
pub fn calibrate(
    mut subject: Option<&mut dyn Subject>,
    request: &Request<'_>,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let begun = Instant::now();
    let facts = Facts::of(request.folder);
    let name = subject.as_ref().map(|subject| subject.name());
    let stamp = name.iter().fold(request.date.clone(), |date, name| format!("{date}, {name}"));
    let mut book = Book::new(request.prior.clone(), stamp);
    // The server's machine is this one, or its facts are not known.
    if request.is_local {
        facts.tell(&mut book, true);
    } else {
        book.skip("machine", "the server is on another machine");
    }
    let available = facts.available.unwrap_or(2 << 30);
    let plan = Plan::new(request.quick, book.number("machine.l3") as u64, available);
    let is_asked =
        |group: &Group| request.only.is_empty() || request.only.iter().any(|name| name == group.name);
    let seconds = |group: &Group| f64::from(group.seconds[usize::from(!request.quick)]);
    let total: f64 = GROUPS.iter().filter(|group| is_asked(group)).map(seconds).sum();
    let (mut done, mut measured) = (0.0, (0, 0));
    for group in &GROUPS {
        if !is_asked(group) {
            book.skip(group.name, "not asked for");
            continue;
        }
        let length = seconds(group);
        let started = Instant::now();
        let mut step = |what: &str| watch(what, (done + started.elapsed().as_secs_f64().min(length)) / total);
        let why = if group.of_server {
            match subject.as_deref_mut() {
                Some(subject) => of_server(group, subject, &plan, &mut book, &mut step, &mut measured)?,
                None => Some("no server was named".to_owned()),
            }
        } else if request.is_local {
            of_host(group, request, &mut book, &mut step)?;
            None
        } else {
            Some("the server is on another machine".to_owned())
        };
        if let Some(why) = why {
            book.skip(group.name, why);
        }
        done += length;
    }
    book.settle();
    let server = subject.as_ref().map(|subject| subject.version().to_string());
    let how = match &name {
        Some(name) => format!(
            "writepath calibrate{} with {name}; CPU time by {}; {} of {} measurements in a noisy spell",
            if request.quick { " --quick" } else { "" },
            request.clock,
            measured.1,
            measured.0
        ),
        None => "writepath calibrate without a server".to_owned(),
    };
    let machine =
        if request.is_local { facts.line() } else { "another machine than the client's".to_owned() };
    let head = Head { machine, how, date: request.date.clone(), server: server.unwrap_or_default() };
    Ok(Outcome { book, head, measured, elapsed: begun.elapsed() })
}

fn of_host(
    group: &Group,
    request: &Request<'_>,
    book: &mut Book,
    step: &mut dyn FnMut(&str) -> bool,
) -> Result<()> {
    let mut go_on = || step(group.what);
    let (quick, folder) = (request.quick, request.folder);
    if !go_on() {
        return Err(CalibrateError::Stopped);
    }
    match group.name {
        "noise" => {
            let span = Duration::from_secs(if quick { 2 } else { 8 });
            noise::tell(&noise::measure(span, &mut go_on), book);
        }
        "memory" => memory::measure(if quick { 256 << 20 } else { 1 << 30 }, if quick { 3 } else { 5 }, book),
        _ => {
            let (bytes, repeats) = if quick { (128 << 20, 3) } else { (512 << 20, 5) };
            disk::measure(folder, bytes, repeats, book)?;
            let samples = if quick { (1000, 200) } else { (6000, 1000) };
            fsync::measure(folder, samples, &mut go_on, book)?;
        }
    }
    if go_on() { Ok(()) } else { Err(CalibrateError::Stopped) }
}

/// Runs a group with the subject; why it is skipped, if it is.
fn of_server(
    group: &Group,
    subject: &mut dyn Subject,
    plan: &Plan,
    book: &mut Book,
    step: &mut dyn FnMut(&str) -> bool,
    measured: &mut (u64, u64),
) -> Result<Option<String>> {
    let with = |aof: bool, replica: bool| Setting { aof, replica, ..plan.cold() };
    let refused = match group.name {
        "aof" => subject.refuses(&with(true, false)),
        "replica" => subject.refuses(&with(false, true)),
        "cluster" => subject.refuses_moves(),
        "clients" | "waking" | "fork" | "cow" | "child" | "expire" => subject.refuses_fork(),
        _ => None,
    };
    // PXAT, with which all keys get one deadline.
    let is_old = group.name == "expire" && !subject.version().has(6, 2);
    if let Some(why) = refused.or(is_old.then(|| "SET has no PXAT before 6.2".to_owned())) {
        return Ok(Some(why));
    }
    let mut bench = Bench { subject, book, plan, watch: step, has_noise: true, measured: (0, 0) };
    let done = match group.name {
        "loop" => event_loop::measure(&mut bench),
        "clients" => clients::measure(&mut bench),
        "waking" => waking::measure(&mut bench),
        "aof" => stream::aof(&mut bench),
        "replica" => stream::replica(&mut bench),
        "fork" => forking::fork(&mut bench),
        "cow" => forking::shared_pages(&mut bench),
        "child" => forking::children(&mut bench),
        "cluster" => moving::measure(&mut bench),
        _ => forking::expiry(&mut bench),
    };
    measured.0 += bench.measured.0;
    measured.1 += bench.measured.1;
    match done {
        Ok(()) => Ok(None),
        // What its first designs found is in the book already.
        Err(CalibrateError::Nothing(why)) => Ok(Some(why)),
        Err(error) => Err(error),
    }
}
