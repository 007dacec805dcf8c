//! fork(2) of a server of our own, its child, and the pages they share.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::live::process::{MainThread, child_of};
use crate::units::KIB;

use super::super::subject::{CalibrateError, Forked, Result, Rounds, Shared, SharedSpent, Writing};
use super::server::Server;
use super::wire::server as server_fault;

/// How long a child may work.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a child.
const LOOK: Duration = Duration::from_millis(1);
/// What a child is made to wait after each key, so that it outlives the measurement \[us\].
const DELAY_US: &str = "1000";
/// Clients of a pass and commands of a client around a fork: writes of values of 1000 B fit into one read.
const SHAPE: (u32, u32) = (4, 8);

fn info(server: &mut Server, section: &str, field: &str) -> Result<f64> {
    let info = server.control().info(section).map_err(server_fault)?;
    info.number(field).ok_or_else(|| CalibrateError::Nothing(format!("INFO has no {field}")))
}

/// The child of the server, once it is there.
fn child(server: &Server) -> Option<u32> {
    let pid = server.pid()?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(200) {
        if let Some(child) = child_of(pid) {
            return Some(child);
        }
    }
    None
}

/// Waits until the server has noticed the end of its child.
fn settle(server: &mut Server) -> Result<()> {
    let begun = Instant::now();
    loop {
        let info = server.control().info("persistence").map_err(server_fault)?;
        let busy = ["rdb_bgsave_in_progress", "aof_rewrite_in_progress"];
        if busy.iter().all(|field| info.number(field) == Some(0.0)) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(CalibrateError::Nothing("a child did not end in two minutes".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(server: &mut Server, child: u32) -> Result<()> {
    if let Some(pid) = Pid::from_raw(child as i32) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
    settle(server)
}

fn set(server: &mut Server, name: &str, value: &str) -> Result<()> {
    server.control().config_set(name, value).map_err(server_fault)
}

/// Forks; the child is waited for, or killed at once.
pub fn fork(server: &mut Server, writing: Writing, wait: bool) -> Result<Forked> {
    let compression = if writing == Writing::RdbCompressed { "yes" } else { "no" };
    set(server, "rdbcompression", compression)?;
    set(server, "aof-use-rdb-preamble", "no")?;
    let command = if writing == Writing::Aof { "BGREWRITEAOF" } else { "BGSAVE" };
    let rss = info(server, "memory", "used_memory_rss")?;
    server.control().ask(&[command]).map_err(server_fault)?;
    // A BGREWRITEAOF that was only scheduled begins with the next tick of the timer.
    let child = child(server);
    let forked = info(server, "stats", "latest_fork_usec")? * 1e3;
    let worked = match child {
        Some(child) if wait => Some(work(child)?),
        Some(child) => {
            end(server, child)?;
            None
        }
        None => None,
    };
    settle(server)?;
    Ok(Forked { fork: forked, rss, child: worked })
}

/// CPU time of a child at its end \[ns\]: it is read until the server has collected it.
fn work(child: u32) -> Result<f64> {
    let (begun, thread) = (Instant::now(), MainThread::of(child));
    let mut last = 0.0;
    while let Ok(ns) = thread.cpu_ns() {
        last = ns as f64;
        if begun.elapsed() > PATIENCE {
            return Err(CalibrateError::Nothing("a child did not end in two minutes".to_owned()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(last)
}

/// SETs before, during and after.
pub fn shared(server: &mut Server, shared: &Shared) -> Result<SharedSpent> {
    let rounds = Rounds {
        setting: shared.setting,
        command: "SET",
        value: shared.setting.value,
        among: None,
        clients: SHAPE.0,
        pipeline: SHAPE.1,
        commands: shared.commands,
    };
    let pages = info(server, "memory", "used_memory_rss")? / (4 * KIB) as f64;
    let before = server.rounds(&rounds)?;
    // Old servers do not have it, and their children are slow enough by themselves.
    let delayed = set(server, "rdb-key-save-delay", DELAY_US).is_ok();
    server.control().ask(&["BGSAVE"]).map_err(server_fault)?;
    let Some(child) = child(server) else {
        return Err(CalibrateError::Nothing("BGSAVE had no child that could be seen".to_owned()));
    };
    let during = server.rounds_once_of(&rounds)?;
    end(server, child)?;
    let after = server.rounds_once_of(&rounds)?;
    if delayed {
        set(server, "rdb-key-save-delay", "0")?;
    }
    Ok(SharedSpent { before, during, after, pages })
}
