//! Real servers: connections, servers of our own, what may be done to somebody else's, and a load generator.
//!
//! Everything here talks to a server or to the operating system; nothing of it is used by a simulation.
//!
//! | file | what |
//! |---|---|
//! | `address.rs`, `stream.rs` | `redis://`, `rediss://` and `unix://` URLs; the bytes of one connection, TLS or not |
//! | `control.rs`, `info.rs` | one question at a time, and INFO |
//! | `spawned.rs`, `process.rs` | a server of our own, gone at the end whatever happens; CPU time and faults of a process |
//! | `guard.rs`, `leftovers.rs` | what a server must be like before it is written to; keys and settings put back |
//! | `pin.rs` | threads on cores of their own |
//! | `drive` | the load generator |

pub mod address;
pub mod control;
pub mod drive;
pub mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod guard;
pub mod info;
pub mod leftovers;
pub mod pin;
pub mod process;
pub mod settings;
pub mod spawned;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod unknown;

pub use error::{LiveError, Result};
