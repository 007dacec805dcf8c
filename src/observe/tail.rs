//! How many requests the blocks of the main thread push into the tail, and whether the server keeps up at all.
//!
//! A block of length S at arrival rate λ and utilisation ρ delays λ·S/(1 − ρ) requests, by spans about uniform on (0, S];
//! beyond x it delays λ·(S − x)⁺/(1 − ρ) of them. A closed loop has at most one slow sample a connection and block.
//! Blocks that a request brings about delay that request too, however low the rate.

use super::result::{BlockTotals, RunResult};
use crate::cause::Cause;
use crate::units::Nanos;

/// A server that is behind: this share of the requests is not answered at the end.
const UNANSWERED: f64 = 0.01;
/// Busy share, without time the server was down, from which an open loop that lags is overloaded.
const OVERLOADED: f64 = 0.9;
/// Causes that are the work of serving requests: their share of time is the utilisation outside stalls.
const WORK: [Cause; 4] = [Cause::Read, Cause::Command, Cause::Reply, Cause::AofWrite];
/// The utilisation assumed at most while a backlog drains.
const UTILISATION_MAX: f64 = 0.95;

/// Requests that `blocks` delay by more than `beyond` \[ns\]; `closed` is the number of connections where every group is
/// a closed loop.
pub fn delayed_beyond(result: &RunResult, blocks: &BlockTotals, beyond: Nanos, closed: Option<u64>) -> f64 {
    let longer = blocks.by_length.iter().map(|&(length, count)| (length.min(blocks.longest), count));
    if let Some(connections) = closed {
        let count: u64 = longer.filter(|&(length, _)| length > beyond).map(|(_, count)| count).sum();
        return count as f64 * connections as f64;
    }
    let measured = measured(result).max(1) as f64;
    let work: Nanos = WORK.iter().map(|&cause| result.busy[cause as usize]).sum();
    let utilisation = (work as f64 / measured).min(UTILISATION_MAX);
    let excess: f64 = longer.map(|(length, count)| length.saturating_sub(beyond) as f64 * count as f64).sum();
    result.requests as f64 / measured * excess / (1.0 - utilisation)
}

/// Requests that brought about a block longer than `beyond` \[ns\] themselves: one a block, where a command's turn can
/// cause it.
pub fn own_requests(blocks: &BlockTotals, beyond: Nanos) -> f64 {
    use Cause::*;
    let comes_with_a_request = matches!(
        blocks.cause,
        WakeUp
            | Read
            | Command
            | Reply
            | AofWrite
            | AofWritePendingFsync
            | AofWriteThrottled
            | AofFsyncAlways
    );
    let longer = blocks.by_length.iter().filter(|(length, _)| comes_with_a_request && *length > beyond);
    longer.map(|(_, count)| *count as f64).sum()
}

/// Whether an open loop has outrun the server: much of what arrived is not answered, and the main thread was at work.
pub fn is_overloaded(result: &RunResult) -> bool {
    let unanswered = result.requests.saturating_sub(result.completed) as f64;
    let down: Nanos =
        [Cause::Restart, Cause::Freeze, Cause::Save].map(|cause| result.busy[cause as usize]).iter().sum();
    let at_work = result.busy_total.saturating_sub(down) as f64;
    unanswered >= UNANSWERED * result.requests as f64 && at_work >= OVERLOADED * measured(result) as f64
}

fn measured(result: &RunResult) -> Nanos {
    result.duration.saturating_sub(result.warmup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::units::MILLISECOND;

    #[test]
    fn a_stall_gives_a_closed_loop_one_sample_a_connection() {
        let mut result = fixture::quiet(5000);
        fixture::block(&mut result, Cause::Fork, 225 * MILLISECOND, 1, "");
        let block = &result.blocks[0];
        assert_eq!(delayed_beyond(&result, block, 100 * MILLISECOND, Some(50)), 50.0);
        assert_eq!(delayed_beyond(&result, block, 300 * MILLISECOND, Some(50)), 0.0);
        let open = delayed_beyond(&result, block, 125 * MILLISECOND, None);
        assert!((open - 0.1 * 5000.0 / 0.9).abs() < 0.5, "{open}");
    }
}
