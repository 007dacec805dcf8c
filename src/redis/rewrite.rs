//! AOF rewrite: when it is due, what accumulates meanwhile, and how each version ends it.
//!
//! Redis: `serverCron` (trigger), `rewriteAppendOnlyFileBackground`, `aofRewriteBufferAppend`,
//! `aofChildWriteDiffData`, `rewriteAppendOnlyFile`, `backgroundRewriteDoneHandler` in aof.c.

use super::config::RedisConfig;
use crate::units::{KIB, MIB, MILLISECOND, Nanos, SECOND};

/// Syncs of manifest and directory in the main thread: before the fork … (`persistAofManifest`, 7.0.3 on)
pub const MANIFEST_SYNCS_AT_START: u32 = 2;
/// … and after the child (`persistAofManifest` twice).
pub const MANIFEST_SYNCS_AT_END: u32 = 4;
/// Consecutive failures after which rewrites are delayed (`AOF_REWRITE_LIMITE_THRESHOLD`, 7.0 on).
const FAILURES_BEFORE_DELAY: u32 = 3;
/// Longest such delay (`AOF_REWRITE_LIMITE_MAX_MINUTES`).
const LONGEST_DELAY: Nanos = 60 * 60 * SECOND;
/// The child waits at most this long for more of the rewrite buffer …
const DIFF_WAIT: Nanos = SECOND;
/// … or until so many polls of 1 ms in a row brought nothing.
const IDLE_POLLS: u32 = 20;
/// Block of the rewrite buffer (`AOF_RW_BUF_BLOCK_SIZE`): memmove never moves more.
const BUFFER_BLOCK: f64 = (10 * MIB) as f64;
/// Capacity of the pipe to the child.
const PIPE: f64 = (64 * KIB) as f64;

/// State of rewriting.
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    /// Start one as soon as no child lives.
    pub scheduled: bool,
    /// Failures in a row.
    pub failures: u32,
    /// No automatic rewrite before this (7.0 on).
    pub delayed_until: Nanos,
    /// Largest rewrite buffer so far \[bytes\].
    pub buffer_max: u64,
}

impl Rewrite {
    /// Whether growth starts a rewrite now: integers as in serverCron.
    pub fn is_due(&self, config: &RedisConfig, current_size: u64, base_size: u64, now: Nanos) -> bool {
        if config.auto_aof_rewrite_percentage == 0
            || current_size <= config.auto_aof_rewrite_min_size
            || now < self.delayed_until
        {
            return false;
        }
        let base = base_size.max(1) as u128;
        let growth = (current_size as u128 * 100 / base).saturating_sub(100);
        growth >= config.auto_aof_rewrite_percentage as u128
    }

    /// A rewrite ended at `now`.
    pub fn ended(&mut self, ok: bool, now: Nanos, config: &RedisConfig) {
        if ok {
            self.failures = 0;
            return;
        }
        self.failures += 1;
        if config.version.has(7, 0) && self.failures >= FAILURES_BEFORE_DELAY {
            let minutes = 1u64 << (self.failures - FAILURES_BEFORE_DELAY).min(6);
            self.delayed_until = now + (minutes * 60 * SECOND).min(LONGEST_DELAY);
        }
    }
}

/// How long a streaming child (3.0 to 6.2) waits for more of the buffer after its snapshot: 20 empty polls in a
/// row end it, 1 s ends it anyway. `writes_per_second` bring something in each poll with 1 − e^(−λ·1 ms).
pub fn diff_wait(writes_per_second: f64) -> Nanos {
    let empty = libm::exp(-writes_per_second / 1000.0);
    // Mean number of polls until a run of n empty ones: (e^−n − 1) / (1 − e) with e = P(empty).
    let polls = if empty > 0.999_999 {
        IDLE_POLLS as f64
    } else {
        (libm::pow(empty, -(IDLE_POLLS as f64)) - 1.0) / (1.0 - empty)
    };
    ((polls * MILLISECOND as f64) as Nanos).min(DIFF_WAIT)
}

/// Main-thread time of sending what gathered while the child waited for the disk through the pipe.
///
/// Every 64 KiB written moves the rest of the block (at most 10 MiB) to its front.
pub fn drain_span(backlog_bytes: f64, memmove_bandwidth: f64, write: Nanos) -> Nanos {
    let writes = (backlog_bytes / PIPE).ceil();
    let full_blocks = (backlog_bytes / BUFFER_BLOCK).floor();
    let rest = backlog_bytes - full_blocks * BUFFER_BLOCK;
    let moved = (full_blocks * BUFFER_BLOCK * BUFFER_BLOCK + rest * rest) / (2.0 * PIPE);
    (writes * write as f64 + moved / memmove_bandwidth * SECOND as f64) as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::Version;

    #[test]
    fn growth_is_compared_in_integers() {
        let config = RedisConfig::defaults(Version::redis(7, 2));
        let rewrite = Rewrite::default();
        let base = 100 * MIB;
        assert!(!rewrite.is_due(&config, 2 * base - 1, base, 0));
        assert!(rewrite.is_due(&config, 2 * base, base, 0));
        assert!(!rewrite.is_due(&config, 64 * MIB, 0, 0));
        assert!(rewrite.is_due(&config, 64 * MIB + 1, 0, 0));
        let never = RedisConfig { auto_aof_rewrite_percentage: 0, ..config };
        assert!(!rewrite.is_due(&never, 100 * base, base, 0));
    }

    #[test]
    fn failures_delay_from_7_0_on() {
        let new = RedisConfig::defaults(Version::redis(7, 2));
        let mut rewrite = Rewrite::default();
        for expected in [0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            rewrite.ended(false, 0, &new);
            assert_eq!(rewrite.delayed_until, expected * SECOND);
        }
        let mut old = Rewrite::default();
        (0..9).for_each(|_| old.ended(false, 0, &RedisConfig::defaults(Version::redis(6, 2))));
        assert_eq!(old.delayed_until, 0);
    }

    #[test]
    fn a_busy_server_keeps_the_child_waiting_a_second_and_an_idle_one_twenty_milliseconds() {
        assert_eq!(diff_wait(5000.0), SECOND);
        assert_eq!(diff_wait(0.0), 20 * MILLISECOND);
        assert!(diff_wait(20.0) > 20 * MILLISECOND && diff_wait(20.0) < 40 * MILLISECOND);
    }

    #[test]
    fn a_full_block_is_moved_a_hundred_and_sixty_times() {
        // 160 moves of 5 MiB on average = 838 MB: 84 ms at 10 GB/s.
        let span = drain_span((10 * MIB) as f64, 10e9, 0);
        assert!((span as f64 / 83.9e6 - 1.0).abs() < 0.01, "{span}");
    }
}
