//! Refusals of CLUSTER SETSLOT in the server's words.

use std::fmt;

use crate::slots::Slot;

/// Why CLUSTER SETSLOT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetSlotError {
    /// MIGRATING of a slot that is not the node's.
    NotOwner(Slot),
    /// IMPORTING of a slot that is the node's own.
    AlreadyOwner(Slot),
    /// NODE of another node for an own slot that has keys.
    HoldsKeys(Slot),
}

impl fmt::Display for SetSlotError {
    /// As the server replies, without `-ERR `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetSlotError::NotOwner(slot) => write!(f, "I'm not the owner of hash slot {slot}"),
            SetSlotError::AlreadyOwner(slot) => write!(f, "I'm already the owner of hash slot {slot}"),
            SetSlotError::HoldsKeys(slot) => write!(
                f,
                "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            ),
        }
    }
}

impl SetSlotError {
    /// Length of the error reply, `-ERR ` and line end included \[bytes\].
    pub fn reply_bytes(&self) -> u64 {
        ("-ERR \r\n".len() + self.to_string().len()) as u64
    }
}
