//! Predictions against measurements: workloads run on a real server and in the simulator, and what differs.
//!
//! | file | what |
//! |---|---|
//! | `case.rs`, `set.rs` | what is run: scenarios of `experiments/validation`, or the user's own |
//! | `observed.rs`, `metric.rs` | what is seen of a run on either side, and the figures made of it by the same code |
//! | `side.rs`, `simulated.rs`, `live` | the two sides |
//! | `noise.rs`, `verdict.rs` | what the machine itself does to a figure, and which differences mean something |
//! | `session.rs`, `outcome.rs` | all cases one after the other, and the rows they give |
//! | `trust.rs` | the rows of several servers in one table |
//!
//! No price is fitted to these workloads: what prices are measured on is in `calibrate`, and the two have nothing in
//! common but the server.

pub mod case;
pub mod live;
pub mod machine;
pub mod metric;
pub mod noise;
pub mod observed;
pub mod outcome;
pub mod session;
pub mod set;
pub mod side;
pub mod simulated;
pub mod trust;
pub mod verdict;
