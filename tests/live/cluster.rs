//! Slots that move under load in a cluster of real servers: how long it takes, what redirects clients meet, who pays.

use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster_clients::{Load, Seen, Way, run};
use crate::figures::{Figures, Sorted, ms};
use crate::nodes::{Nodes, calls};
use crate::server::Info;
use crate::slots::{SLOTS, names, tag_in};

/// Nodes that share the slots at the start.
const NODES: usize = 3;
/// Connections to each node.
const CONNECTIONS: usize = 16;
const VALUE: &[u8] = &[b'x'; 100];
/// Bytes of a key.
const KEY: usize = 20;
/// Load before the move, to compare with.
const BEFORE: Duration = Duration::from_secs(5);
/// Load after it: in this time clients meet most of the moved slots.
const AFTER: Duration = Duration::from_secs(15);
/// Commands of `redis-cli`, by what the answering node is: their share of the work is told.
const COMMANDS: [&str; 7] = [
    "migrate",
    "restore-asking",
    "del",
    "cluster|setslot",
    "cluster|getkeysinslot",
    "cluster|countkeysinslot",
    "asking",
];

/// What `redis-cli` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// So many slots, the lowest, from the first node to the second.
    Reshard(u32),
    /// A fourth node, which is empty, gets its share.
    Rebalance,
}

/// One run.
pub struct Move {
    /// What is moved.
    pub action: Action,
    /// Keys, 100 B each.
    pub keys: u64,
    /// All keys are in the first slot that moves, by their hash tag.
    pub tagged: bool,
    /// Keys in one MIGRATE.
    pub pipeline: u32,
    /// SETs a second, of all nodes together.
    pub rate: u32,
}

/// What a node has done so far.
struct Spent {
    main_thread_ns: u64,
    stats: Info,
}

/// What the operator has seen: times, and what the nodes have spent by then.
struct Operation {
    started_at: Instant,
    /// First slot begun, last one done.
    moving: (Instant, Instant),
    /// Ends of all slots but the last in their order; the beginning of the next is the end of the one before.
    marks: Vec<Instant>,
    /// At the start of the load, before and after the move.
    spent: [Vec<Spent>; 3],
    load_started_at: Instant,
}

impl Move {
    /// Runs it; `figures` gets what was seen. Returns a line for people.
    pub fn run(&self, program: &str, figures: &mut Figures) -> Result<String, String> {
        let empty = usize::from(self.action == Action::Rebalance);
        let mut nodes = Nodes::start(program, NODES, empty, &["--appendonly", "no"])?;
        let tag = self.tagged.then(|| tag_in(0));
        let plain = names(KEY, self.keys);
        let name = |key: u64| match &tag {
            Some(tag) => format!("{{{tag}}}:{key:0width$}", width = KEY - tag.len() - 3),
            None => plain(key),
        };
        nodes.fill(self.keys, name, VALUE)?;
        let (before, map) = (nodes.keys()?, nodes.map(0)?);
        let load = Load {
            rate: self.rate,
            keys: self.keys,
            name: &name,
            value: VALUE,
            map: map.clone(),
            ports: nodes.servers.iter().map(|server| server.port()).collect(),
            streams: nodes
                .servers
                .iter()
                .map(|server| (0..CONNECTIONS).map(|_| server.connect()).collect())
                .collect::<Result<_, _>>()?,
        };
        let over = AtomicBool::new(false);
        let (seen, operation) = thread::scope(|scope| {
            let operator = scope.spawn(|| {
                let operation = self.operate(&mut nodes);
                over.store(true, Ordering::Relaxed);
                operation
            });
            let seen = run(load, &over);
            (seen, operator.join().expect("the operator does not panic"))
        });
        let (seen, operation) = (seen?, operation?);
        nodes.wait_for_agreement()?;
        let (after, now) = (nodes.keys()?, nodes.map(0)?);
        if after.iter().sum::<u64>() != self.keys {
            return Err(format!("{} keys were made, {after:?} are there", self.keys));
        }
        let slots = (0..SLOTS).filter(|slot| map[*slot] != now[*slot]).count() as u64;
        let keys: u64 = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before)).sum();
        figures.text("redis_version", nodes.servers[0].info("server")?.text("redis_version").unwrap_or("?"));
        Ok(self.tell(figures, slots, keys, &seen, &operation))
    }

    /// Waits, has the slots moved and waits again.
    fn operate(&self, nodes: &mut Nodes) -> Result<Operation, String> {
        let load_started_at = Instant::now();
        let first = spent(nodes)?;
        thread::sleep(BEFORE);
        let mut words = match self.action {
            Action::Reshard(slots) => vec![
                "reshard".to_owned(),
                nodes.address(0),
                "--cluster-from".to_owned(),
                nodes.id(0)?,
                "--cluster-to".to_owned(),
                nodes.id(1)?,
                "--cluster-slots".to_owned(),
                slots.to_string(),
            ],
            Action::Rebalance => {
                vec!["rebalance".to_owned(), nodes.address(0), "--cluster-use-empty-masters".to_owned()]
            }
        };
        words.extend([
            "--cluster-yes".to_owned(),
            "--cluster-pipeline".to_owned(),
            self.pipeline.to_string(),
        ]);
        let second = spent(nodes)?;
        let started_at = Instant::now();
        let mut process = nodes
            .cli(&words)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("redis-cli: {error}"))?;
        let text = process.stdout.take().map(|pipe| watch(pipe, self.action));
        let ended = process.wait_with_output().map_err(|error| format!("redis-cli: {error}"))?;
        let (text, marks, last) = text.ok_or("redis-cli says nothing")??;
        let third = spent(nodes)?;
        let (Some(begun), true) = (marks.first(), ended.status.success()) else {
            return Err(format!("redis-cli has failed: {}", text.lines().last().unwrap_or("")));
        };
        thread::sleep(AFTER);
        Ok(Operation {
            started_at,
            moving: (*begun, last),
            marks,
            spent: [first, second, third],
            load_started_at,
        })
    }

    fn tell(
        &self,
        figures: &mut Figures,
        slots: u64,
        keys: u64,
        seen: &Seen,
        operation: &Operation,
    ) -> String {
        let (from, to) = operation.moving;
        let moving = to - from;
        let part = |after: Option<Instant>, before: Option<Instant>, way: Option<Way>| {
            let inside = |at: Instant| {
                after.is_none_or(|after| at >= after) && before.is_none_or(|before| at < before)
            };
            let chosen = seen.done.iter().filter(|done| inside(done.meant_at));
            Sorted::from(chosen.filter(|done| way.is_none_or(|way| way == done.way)).map(|done| done.sojourn))
        };
        let during = part(Some(from), Some(to), None);
        let count = |times: &[Instant]| times.iter().filter(|at| (from..to).contains(*at)).count() as u64;

        figures.text("action", if self.action == Action::Rebalance { "rebalance" } else { "reshard" });
        figures.count("nodes", operation.spent[0].len() as u64);
        figures.count("keys", self.keys);
        figures.count("key_bytes", KEY as u64);
        figures.count("value_bytes", VALUE.len() as u64);
        figures.count("one_hash_tag", u64::from(self.tagged));
        figures.count("rate_per_s", u64::from(self.rate));
        figures.count("connections_per_node", CONNECTIONS as u64);
        figures.count("pipeline", u64::from(self.pipeline));
        figures.number("before_s", BEFORE.as_secs_f64());
        figures.number("after_s", AFTER.as_secs_f64());
        figures.count("slots_moved", slots);
        figures.count("keys_moved", keys);
        figures.number("moving_s", moving.as_secs_f64());
        figures.number("redis_cli_s", (to - operation.started_at).as_secs_f64());
        let gaps = operation.marks.windows(2).map(|pair| (pair[1] - pair[0]).as_nanos() as u64);
        figures.quantiles("slot_ns", &Sorted::from(gaps));
        figures.count("commands", seen.done.len() as u64);
        figures.count("commands_during", during.len() as u64);
        figures.count("moved", seen.moved.len() as u64);
        figures.count("moved_during", count(&seen.moved));
        figures.count("asked", seen.asked.len() as u64);
        figures.count("asked_during", count(&seen.asked));
        figures.count("try_again", seen.try_again);
        figures.quantiles("sojourn_ns_before", &part(None, Some(operation.started_at), None));
        figures.quantiles("sojourn_ns_during", &during);
        figures.quantiles("sojourn_ns_after", &part(Some(to), None, None));
        figures.quantiles("sojourn_ns_direct", &part(None, None, Some(Way::Direct)));
        figures.quantiles("sojourn_ns_moved", &part(None, None, Some(Way::Moved)));
        figures.quantiles("sojourn_ns_asked", &part(None, None, Some(Way::Asked)));
        figures.quantiles("late_ns", &Sorted::from(seen.late.iter().copied()));
        self.tell_nodes(figures, operation);
        let [_, second, third] = &operation.spent;
        let sum = |command| {
            let spent = second.iter().zip(third);
            spent.map(|(before, after)| difference(before, after, command)).fold((0.0, 0.0), add)
        };
        let (migrates, migrate_us) = sum("migrate");
        format!(
            "{slots} slots, {keys} keys in {:.2} s: {migrates} MIGRATEs of {:.0} us, {} MOVED, {} ASK ({} and {} \
             during); SET during it P50 {}, P99 {}, max {}",
            moving.as_secs_f64(),
            migrate_us / migrates,
            seen.moved.len(),
            seen.asked.len(),
            count(&seen.moved),
            count(&seen.asked),
            ms(during.at(0.5)),
            ms(during.at(0.99)),
            ms(during.at(1.0)),
        )
    }

    /// What each node has spent: main thread's share before and during, and the commands of the move.
    fn tell_nodes(&self, figures: &mut Figures, operation: &Operation) {
        let [first, second, third] = &operation.spent;
        let before_s = (operation.started_at - operation.load_started_at).as_secs_f64();
        let during_s = (operation.moving.1 - operation.started_at).as_secs_f64();
        for node in 0..first.len() {
            let ns = |spent: &[Spent]| spent[node].main_thread_ns;
            let name = |what: &str| format!("node{}_{what}", node + 1);
            figures.number(&name("busy_before"), (ns(second) - ns(first)) as f64 / 1e9 / before_s);
            figures.number(&name("busy_during"), (ns(third) - ns(second)) as f64 / 1e9 / during_s);
            for command in COMMANDS {
                let (calls, us) = difference(&second[node], &third[node], command);
                let command = command.replace(['|', '-'], "_");
                if calls > 0.0 {
                    figures.number(&name(&format!("{command}_calls")), calls);
                    figures.number(&name(&format!("{command}_us")), us / calls);
                }
            }
        }
    }
}

fn spent(nodes: &mut Nodes) -> Result<Vec<Spent>, String> {
    let one = |server: &mut crate::server::Server| {
        Ok(Spent { main_thread_ns: server.main_thread_ns()?, stats: server.info("commandstats")? })
    };
    nodes.servers.iter_mut().map(one).collect()
}

fn difference(before: &Spent, after: &Spent, command: &str) -> (f64, f64) {
    let ((calls_before, us_before), (calls_after, us_after)) =
        (calls(&before.stats, command), calls(&after.stats, command));
    (calls_after - calls_before, us_after - us_before)
}

fn add(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0 + other.0, one.1 + other.1)
}

/// Reads what `redis-cli` says to its end: the text, when it began a slot or, rebalancing, had done one, and the end.
///
/// It flushes `Moving slot … to 127.0.0.1:…` before each slot of a reshard (the plan ahead of it names no address),
/// `Moving … slots …` before those of two nodes of a rebalance, then `#` after each slot.
fn watch(mut pipe: impl Read, action: Action) -> Result<(String, Vec<Instant>, Instant), String> {
    let (mut text, mut marks, mut seen) = (String::new(), Vec::new(), 0);
    let mut buffer = [0; 4096];
    loop {
        let read = pipe.read(&mut buffer).map_err(|error| format!("redis-cli: {error}"))?;
        let now = Instant::now();
        if read == 0 {
            return Ok((text, marks, now));
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let found = match action {
            Action::Reshard(_) => text.matches(" to 127.0.0.1:").count(),
            // The first mark is where the first slot begins.
            Action::Rebalance => text.matches('#').count() + usize::from(text.contains("Moving ")),
        };
        marks.extend((seen..found).map(|_| now));
        seen = found;
    }
}
