//! A redirected command: the replies it can meet, its past, and the steps that follow.

use super::libraries::{Asking, Source};
use crate::units::Nanos;

/// A reply that is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// `-MOVED slot node`.
    Moved {
        /// Slot.
        slot: u16,
        /// Its owner, as the sender knows it.
        node: u16,
    },
    /// `-ASK slot node`.
    Ask {
        /// Slot.
        slot: u16,
        /// The node it is being moved to.
        node: u16,
    },
    /// `-TRYAGAIN`.
    TryAgain,
    /// `-CLUSTERDOWN`.
    ClusterDown,
    /// No reply: the connection broke or timed out.
    Lost,
}

/// Why a command ends with an error to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The last send that the library allows was redirected too.
    RedirectLimit,
    /// The time that the library allows is over.
    Deadline,
    /// The client does not know ASK.
    AskUnknown,
    /// The library does not follow redirects within a pipeline.
    NotFollowed,
    /// TRYAGAIN.
    TryAgain,
    /// CLUSTERDOWN.
    ClusterDown,
    /// The connection broke.
    ConnectionLost,
}

/// Where a command goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To this node, whatever the map says.
    Node(u16),
    /// Where the process's map says at the time of the send.
    Mapped,
}

/// When a command may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time, or when a fetch before it has ended.
    At(Nanos),
    /// When all nodes have answered the pipeline, together with the others of its pass (`Profile::pass_over`).
    AfterPass,
    /// When all nodes have answered the pipeline, one of them after the other.
    InTurn,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is sent again.
    Send {
        /// Where to.
        to: To,
        /// How ASKING goes ahead.
        asking: Asking,
        /// When.
        when: When,
    },
    /// It ends.
    Fail {
        /// Why.
        failure: Failure,
        /// When its caller gets the error, or when a fetch before it has ended.
        at: Nanos,
    },
}

/// A map is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// From which node.
    pub source: Source,
    /// While the command goes on; otherwise at the time of [`Then`], which waits for it.
    pub background: bool,
}

/// What follows from a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What becomes of the command.
    pub then: Then,
    /// (slot, node) that goes into the process's map at once.
    pub learn: Option<(u16, u16)>,
    /// A map is fetched.
    pub refresh: Option<Refresh>,
}

/// What a client process remembers besides its map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// MOVEDs since the last fetch they led to (redis-py's `reinitialize_counter`).
    pub moved: u32,
}

/// A command on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was sent first.
    pub first_at: Nanos,
    /// Node of the last send.
    pub node: u16,
    /// Sends of this round, ≥ 1.
    pub sends: u8,
    /// Rounds, ≥ 1.
    pub rounds: u8,
    /// Broken connections in a row.
    pub lost: u8,
    /// Replies MOVED and ASK it had.
    pub redirects: u8,
    /// It is one of several commands of a pipeline.
    pub pipelined: bool,
    /// It is the first command of its node's part of the pipeline.
    pub leads: bool,
    /// The redirect it follows (Jedis keeps it when a connection breaks).
    pub(super) follows: Option<(u16, Asking)>,
}

impl Attempt {
    /// A command that is sent to `node` at `at`.
    pub fn new(node: u16, at: Nanos) -> Self {
        Attempt {
            first_at: at,
            node,
            sends: 1,
            rounds: 1,
            lost: 0,
            redirects: 0,
            pipelined: false,
            leads: false,
            follows: None,
        }
    }

    /// The same as one of several commands; `leads`: as the first of its node's part.
    pub fn in_pipeline(self, leads: bool) -> Self {
        Attempt { pipelined: true, leads, ..self }
    }

    /// It is sent to `node` again, as a [`Then::Send`] said.
    pub fn sent_to(&mut self, node: u16) {
        self.node = node;
    }
}

impl Step {
    pub(super) fn fail(failure: Failure, at: Nanos) -> Self {
        Step { then: Then::Fail { failure, at }, learn: None, refresh: None }
    }

    pub(super) fn send(to: To, asking: Asking, at: Nanos) -> Self {
        Step { then: Then::Send { to, asking, when: When::At(at) }, learn: None, refresh: None }
    }
}

impl Redirect {
    /// The error that the caller gets if this was the last reply.
    pub(super) fn failure(self) -> Failure {
        match self {
            Redirect::Moved { .. } | Redirect::Ask { .. } => Failure::RedirectLimit,
            Redirect::TryAgain => Failure::TryAgain,
            Redirect::ClusterDown => Failure::ClusterDown,
            Redirect::Lost => Failure::ConnectionLost,
        }
    }
}
