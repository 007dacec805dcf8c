//! What of a run is traced, and how finely.

use crate::scenario::Scenario;
use crate::units::{MIB, MICROSECOND, MILLISECOND, NEVER, Nanos};

/// Turns shorter than this are merged, unless somebody chooses.
const FINEST: Nanos = 100 * MICROSECOND;
/// Merged turns of a whole trace, at most about so many.
const PIECES: u64 = 10_000;
/// Looks at every counter.
const LOOKS: u64 = 2_000;
/// Windows of which the slowest requests are shown.
const WINDOWS: u64 = 200;
/// Bytes of a trace whose resolution nobody chose.
pub const LIMIT: u64 = 28 * MIB;
/// The same when somebody did: what a browser can still hold.
pub const FIXED_LIMIT: u64 = 500 * MIB;
/// Requests of a window.
pub const SLOWEST: usize = 5;

/// What is asked of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// First instant \[ns\]; none: the run's start.
    pub from: Option<Nanos>,
    /// End \[ns\]; none: the run's.
    pub until: Option<Nanos>,
    /// Turns shorter than this are merged \[ns\], 0: none is; not given: 100 us, and more where the file would pass its
    /// limit.
    pub resolution: Option<Nanos>,
    /// Bytes the file may have before compression; not given: 28 MiB, or 500 MiB beside a resolution.
    pub limit: Option<u64>,
    /// Slowest requests a window that are shown; not given: 5.
    pub slowest: Option<usize>,
}

/// What is traced, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// First instant \[ns\].
    pub from: Nanos,
    /// End \[ns\]; [`NEVER`]: the run's, its last turn as a whole.
    pub until: Nanos,
    /// The run's end \[ns\].
    pub horizon: Nanos,
    /// Turns shorter than this are merged at least \[ns\].
    pub finest: Nanos,
    /// The resolution is the user's, and stays.
    pub is_fixed: bool,
    /// Merged turns are at most about so long \[ns\].
    pub piece: Nanos,
    /// Time between two looks at the counters \[ns\].
    pub look: Nanos,
    /// Windows of which the slowest requests are shown \[ns\].
    pub window: Nanos,
    /// So many of each.
    pub slowest: usize,
    /// Bytes the file may have before compression.
    pub limit: u64,
    /// Replicas of each server.
    pub replicas: usize,
}

impl Plan {
    /// The plan of a trace of `scenario`.
    pub fn new(options: &TraceOptions, scenario: &Scenario) -> Plan {
        let horizon = scenario.run.duration;
        let from = options.from.unwrap_or(0);
        let until = options.until.unwrap_or(NEVER);
        let length = until.min(horizon).saturating_sub(from).max(1);
        let servers = scenario.cluster.as_ref().map_or(1, |cluster| cluster.nodes.len()).max(1) as u64;
        let replicas = scenario.replicas.len();
        let finest = options.resolution.unwrap_or(FINEST);
        let is_fixed = options.resolution.is_some();
        let limit = options.limit.unwrap_or(if is_fixed { FIXED_LIMIT } else { LIMIT });
        // Numbers of parts are those of a file of the usual length, of one server.
        let part = |parts: u64| {
            let parts = u128::from(parts) * u128::from(limit.min(LIMIT)) / u128::from(LIMIT * servers);
            length / (parts as u64).max(1)
        };
        Plan {
            from,
            until,
            horizon,
            finest,
            is_fixed,
            piece: if is_fixed { finest } else { finest.max(part(PIECES)) },
            look: part(LOOKS).saturating_mul(1 + replicas as u64).max(1),
            window: part(WINDOWS).max(MILLISECOND),
            slowest: options.slowest.unwrap_or(SLOWEST),
            limit,
            replicas,
        }
    }

    /// Simulated time that is traced \[ns\], at least 1.
    pub fn length(&self) -> Nanos {
        self.until.min(self.horizon).saturating_sub(self.from).max(1)
    }

    /// The part of a span that is traced: its start and end; none when it lies outside.
    pub fn within(&self, at: Nanos, end: Nanos) -> Option<(Nanos, Nanos)> {
        let (at, end) = (at.max(self.from), end.min(self.until));
        (at < end).then_some((at, end))
    }

    /// Whether an instant is traced.
    pub fn holds(&self, at: Nanos) -> bool {
        self.from <= at && at < self.until
    }
}
