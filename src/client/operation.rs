//! An operation of several steps, what was sent of it, and how it ended.

use super::slab::Ticket;
use crate::scenario::pattern::MAX_STEPS;
use crate::units::Nanos;

/// What the last command of a step replied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    #[default]
    None,
    /// The nil reply.
    Nil,
    /// `+OK`.
    Ok,
    /// A number, or a string that is one.
    Value(i64),
    /// An error: the operation fails.
    Error,
}

/// An operation that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) key: u32,
    pub(super) connection: u32,
    pub(super) started_at: Nanos,
    /// The request it waits for.
    pub(super) request: Ticket,
    pub(super) step: u8,
    /// Times the current step was sent again, and all steps.
    pub(super) tries: u32,
    pub(super) retries: u32,
    /// Its client would have died by now if it was to.
    pub(super) survived: bool,
    /// Increments in the replies it has read.
    pub(super) increments: u32,
    pub(super) number: u64,
    pub(super) outcomes: [Outcome; MAX_STEPS],
}

/// A step that was sent and is not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) operation: Ticket,
    pub(super) step: u8,
    pub(super) key: u32,
    pub(super) connection: u32,
    pub(super) sent_at: Nanos,
    pub(super) gives_up_at: Nanos,
    /// What the server did, on its way back.
    pub(super) outcome: Outcome,
    pub(super) increments: u32,
}

/// A step as the server gets it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When the client meant to send it.
    pub arrived_at: Nanos,
    /// When the server can read it.
    pub readable_at: Nanos,
    /// Its number among the requests.
    pub request: u32,
    /// Which step.
    pub step: usize,
    /// Connection within the group.
    pub connection: u32,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every step was answered.
    Done,
    /// The server replied an error or the connection died.
    Refused,
    /// No reply came in time, and no retry was left.
    TimedOut,
    /// Its client died between two steps.
    ClientDied,
}

/// An operation that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// When it was meant to begin.
    pub started_at: Nanos,
    /// When its client knew the end.
    pub ended_at: Nanos,
    /// How it ended.
    pub end: End,
    /// Increments that its client knows were done.
    pub increments: u32,
    /// Steps sent again.
    pub retries: u32,
}

/// What clients met beside the ends of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Requests given up.
    pub timeouts: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Increments of requests whose client no longer waited.
    pub unseen_increments: u64,
}
