//! Moves slots between real nodes, by the same program that moves them between simulated ones (`cluster::legacy_move`).

use std::thread;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::cluster::legacy_move::{LegacyMove, MoveBooks};
use crate::cluster::order::{Answer, Next, Order, ReplyError};
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::units::MILLISECOND;

/// Connections to the nodes, and what names them.
pub struct Mover {
    controls: Vec<Control>,
    ids: Vec<String>,
    ports: Vec<u16>,
    /// The keys of the last GETKEYSINSLOT.
    keys: Vec<Vec<u8>>,
}

/// What a move came to.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// First command sent.
    pub from: Instant,
    /// Last one answered.
    pub to: Instant,
    /// What was done.
    pub books: MoveBooks,
}

impl Mover {
    /// Over connections of its own to each node.
    pub fn new(controls: Vec<Control>, ids: Vec<String>, ports: Vec<u16>) -> Self {
        Mover { controls, ids, ports, keys: Vec::new() }
    }

    /// Runs `program` to its end.
    ///
    /// # Errors
    /// What a node answers, and why the program has ended early.
    pub fn run(&mut self, mut program: LegacyMove) -> Result<Moved> {
        let from = Instant::now();
        let mut answer = Answer::Ok;
        loop {
            match program.next(answer) {
                Next::Ask { node, slot, order } => answer = self.ask(node, slot, order)?,
                Next::Pause(nanos) => {
                    thread::sleep(Duration::from_nanos(nanos));
                    answer = Answer::Ok;
                }
                Next::Done => return Ok(Moved { from, to: Instant::now(), books: program.books() }),
                Next::Failed(failure) => {
                    let remedy = "see the servers' logs; nothing is left of these nodes";
                    return Err(LiveError::cannot(format!("moving slots failed: {failure}"), remedy));
                }
            }
        }
    }

    fn ask(&mut self, node: usize, slot: u16, order: Order) -> Result<Answer> {
        let slot = slot.to_string();
        let command = match order {
            Order::SetSlotImporting { from } => {
                words(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]])
            }
            Order::SetSlotMigrating { to } => {
                words(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]])
            }
            Order::SetSlotNode { owner } => words(&["CLUSTER", "SETSLOT", &slot, "NODE", &self.ids[owner]]),
            Order::SetSlotStable => words(&["CLUSTER", "SETSLOT", &slot, "STABLE"]),
            Order::GetKeysInSlot { count } => words(&["CLUSTER", "GETKEYSINSLOT", &slot, &count.to_string()]),
            Order::Migrate { to, keys, replace, timeout } => {
                self.migrate(to, keys, replace, timeout / MILLISECOND)
            }
            other => {
                return Err(LiveError::cannot(
                    format!("{other:?} is no part of a plain move"),
                    "this is a bug",
                ));
            }
        };
        let answered = match self.controls[node].query(&command) {
            Ok(answered) => answered,
            Err(LiveError::Refused { answer, .. }) => return Ok(refused(order, &answer)),
            Err(error) => return Err(error),
        };
        Ok(match (order, answered) {
            (Order::GetKeysInSlot { .. }, Value::Array(keys)) => {
                let bytes = |key| if let Value::BulkString(bytes) = key { Some(bytes) } else { None };
                self.keys = keys.into_iter().filter_map(bytes).collect();
                Answer::Keys(self.keys.len() as u32)
            }
            // The bytes are the program's own books of a simulation; here the servers know them.
            (Order::Migrate { keys, .. }, _) => Answer::Migrated { keys, bytes: 0, error: None },
            _ => Answer::Ok,
        })
    }

    fn migrate(&self, to: usize, keys: u32, replace: bool, timeout_ms: u64) -> Cmd {
        let mut migrate = Cmd::new();
        migrate.arg("MIGRATE").arg("127.0.0.1").arg(self.ports[to]).arg("").arg(0).arg(timeout_ms);
        if replace {
            migrate.arg("REPLACE");
        }
        migrate.arg("KEYS");
        self.keys.iter().take(keys as usize).for_each(|key| {
            migrate.arg(key.as_slice());
        });
        migrate
    }
}

fn words(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command
}

fn refused(order: Order, answer: &str) -> Answer {
    let error = match answer.split(' ').next().unwrap_or("") {
        "BUSYKEY" => ReplyError::BusyKey,
        "IOERR" => ReplyError::IoError,
        "UNBLOCKED" | "NOREPLICAS" => ReplyError::Unblocked,
        _ if answer.contains("Target instance") && answer.contains("BUSYKEY") => ReplyError::BusyKey,
        _ if answer.contains("Target instance") => ReplyError::TargetError,
        _ => ReplyError::Other,
    };
    match order {
        Order::Migrate { .. } => Answer::Migrated { keys: 0, bytes: 0, error: Some(error) },
        _ => Answer::Error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_program_of_the_move_takes_them_for() {
        let migrate = Order::Migrate { to: 1, keys: 10, replace: false, timeout: 1 };
        let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        let busy = refused(migrate, busy);
        assert_eq!(busy, Answer::Migrated { keys: 0, bytes: 0, error: Some(ReplyError::BusyKey) });
        let lost = refused(migrate, "IOERR error or timeout writing to target instance");
        assert_eq!(lost, Answer::Migrated { keys: 0, bytes: 0, error: Some(ReplyError::IoError) });
        assert_eq!(refused(Order::SetSlotStable, "ERR no such slot"), Answer::Error(ReplyError::Other));
    }
}
