//! Everything outside the server: when requests come, on which connection, and when a client reads a reply.

pub mod closed;
pub mod group;
mod jitter;
pub mod key_classes;
pub mod key_names;
pub mod keys;
pub mod libraries;
pub mod open;
pub mod operation;
pub mod passes;
pub mod patience;
pub mod program;
pub mod redirect;
pub mod redirects;
pub mod replies;
pub mod routed;
pub mod slab;
pub mod slot_counts;
pub mod slot_maps;
mod thread;
