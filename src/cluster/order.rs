//! The words between redis-cli and the nodes: commands, replies as far as it looks at them, and what it does next.

use super::reshard_plan::SlotMove;
pub use crate::redis::cluster_call::{Answer, Order, ReplyError};
use crate::units::Nanos;

/// Why the program ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// SETSLOT and the like, or GETKEYSINSLOT, failed.
    Refused(ReplyError),
    /// MIGRATE failed.
    Migrate(ReplyError),
    /// "Value check failed": DEBUG DIGEST-VALUE is not allowed.
    ValueCheck,
    /// So many keys are on both nodes with different values.
    DifferentValues(u32),
    /// A node has closed the connection.
    Closed,
    /// The reply does not belong to the order; a fault of whoever drives.
    OutOfStep,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(error) => write!(f, "a node refused: {error:?}"),
            Failure::Migrate(ReplyError::IoError) => f.write_str("MIGRATE timed out or lost its connection"),
            Failure::Migrate(error) => write!(f, "MIGRATE failed: {error:?}"),
            Failure::ValueCheck => f.write_str("Value check failed: DEBUG is not allowed"),
            Failure::DifferentValues(keys) => {
                write!(f, "{keys} keys are on both nodes with different values")
            }
            Failure::Closed => f.write_str("a node closed the connection"),
            Failure::OutOfStep => f.write_str("a reply without its command"),
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A command to a node, about a slot; call [`next`](super::legacy_move::LegacyMove::next) with its reply.
    Ask {
        /// The node.
        node: usize,
        /// The slot.
        slot: u16,
        /// The command.
        order: Order,
    },
    /// Nothing for so long; call [`next`](super::legacy_move::LegacyMove::next) with [`Answer::Ok`] afterwards.
    Pause(Nanos),
    /// All slots are moved.
    Done,
    /// The program has ended with an error; the slot it was at may be open.
    Failed(Failure),
}

/// A part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A command whose error ends the program.
    Ask {
        /// The node.
        node: usize,
        /// The slot.
        slot: u16,
        /// The command.
        order: Order,
    },
    /// The keys of a slot, with opening and closing it.
    Move(SlotMove),
    /// The same as a step of fix, which overlooks any error of the source's SETSLOT NODE.
    MoveToFix(SlotMove),
    /// The keys of a slot alone (`CLUSTER_MANAGER_OPT_COLD`).
    MoveCold(SlotMove),
    /// A pause.
    Pause(Nanos),
}
