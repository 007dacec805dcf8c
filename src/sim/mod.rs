//! The simulation: clients, one server and the host, run ahead turn by turn.
//!
//! A turn of the event loop is one straight pass over what was readable when the poll returned; only the next
//! scheduled thing (a gap of the host, an event, a crash sample, a child's phase) is compared with the clock,
//! once a turn. No request ever enters a calendar.

mod alone;
pub(crate) mod atomic_calls;
mod blamed;
mod blaming;
mod hot_key;
mod info;
pub(crate) mod kinds;
mod lane;
mod lane_blame;
pub(crate) mod member;
mod node_calls;
mod node_maps;
mod open_slots;
mod patterns;
mod predict;
mod probe;
mod refused;
mod replicas;
pub(crate) mod run;
#[cfg(test)]
mod same_world;
pub(crate) mod silence;
mod special;
mod start_phase;
mod traced;
mod turn;
mod waiting;

pub use predict::{offered_load, predict};
pub use probe::NodeProbe;
pub use run::{Progress, RunOptions, SimError, run, run_probed};
pub use traced::trace;
pub use turn::{Probe, Replied, Turned};
