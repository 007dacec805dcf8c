//! Two servers between which keys move, and a node that is a cluster by itself.

use std::time::{Duration, Instant};

use super::super::subject::{CalibrateError, Moved, Moves, Result, Setting};
use super::server::Server;
use super::wire::server as server_fault;
use crate::slots::SLOTS;

/// How long a cluster of one may take to see that it has all slots.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time limit of a MIGRATE \[ms\].
const LIMIT_MS: &str = "10000";

/// Fills the source, moves everything to the target, and empties that.
pub fn moves(source: &mut Server, target: &mut Server, moves: &Moves) -> Result<Moved> {
    let keys = moves.keys * moves.calls;
    source.fill_again_from(u64::from(keys), moves.value as usize)?;
    let port = target.control().address().to_string();
    let port = port.rsplit(':').next().unwrap_or_default().to_owned();
    let calls: Vec<Vec<String>> = (0..moves.calls)
        .map(|call| {
            let names = (0..moves.keys).map(|key| source.key(u64::from(call * moves.keys + key)));
            ["MIGRATE", "127.0.0.1", &port, "", "0", LIMIT_MS, "KEYS"]
                .map(str::to_owned)
                .into_iter()
                .chain(names)
                .collect()
        })
        .collect();
    std::thread::sleep(Duration::from_millis(2));
    let before = (source.cpu()?, target.cpu()?);
    // One write, so that wake-ups and passes of the source weigh little.
    source.ask_all(&calls)?;
    std::thread::sleep(Duration::from_millis(2));
    let calls = f64::from(moves.calls);
    let moved =
        Moved { source: (source.cpu()? - before.0) / calls, target: (target.cpu()? - before.1) / calls };
    let there = target.control().number(&["DBSIZE"]).map_err(server_fault)?;
    if there != i64::from(keys) {
        return Err(CalibrateError::Server(format!("{keys} keys were to move, and {there} arrived")));
    }
    // Both are servers of our own.
    target.control().ask(&["FLUSHALL"]).map_err(server_fault)?;
    Ok(moved)
}

/// A node that has all slots, with the keys of `setting`.
pub fn alone(program: &str, setting: &Setting) -> Result<Server> {
    let mut node = Server::start(program, &[("appendonly", "no"), ("cluster-enabled", "yes")])?;
    let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
    let mut words = vec!["CLUSTER", "ADDSLOTS"];
    words.extend(slots.iter().map(String::as_str));
    node.control().ask(&words).map_err(server_fault)?;
    let begun = Instant::now();
    loop {
        match node.control().ask(&["SET", "here", "1"]) {
            Ok(_) => break,
            Err(error) if begun.elapsed() > PATIENCE => return Err(server_fault(error)),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    node.fill(setting.keys, setting.value as usize, None)?;
    Ok(node)
}
