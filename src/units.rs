//! Quantities of the model: what the numbers mean, how they are read and printed.
//!
//! Inside the simulator a point or a length of simulated time is a whole number of nanoseconds, so that
//! sums and comparisons are exact and a run repeats to the byte. Files and flags write quantities with
//! their unit (`"250us"`, `"64MiB"`, `"5000/s"`, `"10M"`).

/// Nanoseconds of simulated time: a point counted from the start of the run, or a length.
///
/// Names tell which: `…_at` is a point, everything else is a length. 2^64 ns are 584 years.
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const MICROSECOND: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MILLISECOND: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;
/// A point in time that never comes.
pub const NEVER: Nanos = Nanos::MAX;
/// One KiB in bytes.
pub const KIB: u64 = 1 << 10;
/// One MiB in bytes.
pub const MIB: u64 = 1 << 20;
/// One GiB in bytes.
pub const GIB: u64 = 1 << 30;
