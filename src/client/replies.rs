//! Replies on their way to the clients of an open loop.
//!
//! Such clients send at their own times, so nothing waits for what they do with a reply. Replies are gathered, and one
//! plain loop after the other does with all of them what each needs: the network, the client's thread, the books.

use crate::units::Nanos;

/// Replies gathered before they are read, about.
pub const BATCH: usize = 64;

/// The replies to one client write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// When the client meant to send the commands.
    pub arrived_at: Nanos,
    /// When the replies left the server; from [`read_all`](super::group::ClientGroup::read_all) on, when the client
    /// read them.
    pub at: Nanos,
    /// Connection, counted over all groups.
    pub connection: u32,
    /// Commands of the read scope …
    pub reads: u32,
    /// … and of the write scope.
    pub writes: u32,
}

/// When a reply came to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The network has brought it.
    pub came_at: Nanos,
    /// A client thread begins to read it.
    pub read_at: Nanos,
}
