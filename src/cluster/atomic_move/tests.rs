use super::*;
use crate::units::MIB;

const VALKEY: AtomicSetting =
    AtomicSetting { version: Version::valkey(9, 0), max_lag: Some(0), pause_timeout: 5 * SECOND };
const REDIS: AtomicSetting =
    AtomicSetting { version: Version::redis(8, 4), max_lag: Some(MIB), pause_timeout: 10 * SECOND };

/// A job whose target has the snapshot at 9 s, forked at 2 s.
fn streaming(setting: AtomicSetting) -> AtomicMove {
    let mut job = AtomicMove::new(setting, SECOND);
    assert_eq!(job.on_connected(SECOND), Action::Nothing);
    assert_eq!((job.stage(), job.keeps_writes()), (Stage::WaitingForFork, false));
    assert_eq!(job.on_forked(2 * SECOND, true), Action::Nothing);
    assert!(job.keeps_writes());
    assert_eq!(job.on_lag(3 * SECOND, 0, false), Action::Nothing);
    assert_eq!(job.on_snapshot_applied(9 * SECOND), Action::Nothing);
    assert_eq!((job.stage(), job.books().snapshot, job.deadline()), (Stage::Streaming, 7 * SECOND, NEVER));
    job
}

#[test]
fn versions_that_have_it() {
    let has = [Version::valkey(9, 0), Version::valkey(9, 1), Version::redis(8, 4), Version::redis(8, 10)];
    assert!(has.into_iter().all(Version::has_atomic_migration));
    let lack = [Version::valkey(8, 1), Version::redis(8, 2), Version::redis(7, 0)];
    assert!(!lack.into_iter().any(Version::has_atomic_migration));
}

#[test]
fn valkey_pauses_when_its_buffer_is_empty_and_grants() {
    let mut job = streaming(VALKEY);
    assert!(job.sends_writes());
    assert_eq!(job.on_lag(10 * SECOND, 1, true), Action::Nothing);
    assert_eq!(job.on_lag(11 * SECOND, 0, true), Action::PauseWrites { until: 21 * SECOND });
    assert_eq!(job.on_mark(12 * SECOND), Action::AskTakeover);
    assert_eq!(job.on_takeover_asked(12 * SECOND), Action::Grant { until: 21 * SECOND });
    assert_eq!(job.on_ownership(13 * SECOND), Action::Done);
    let books = job.books();
    assert_eq!((books.paused, books.streaming, books.attempts), (2 * SECOND, 2 * SECOND, 1));
    assert_eq!(
        (job.stage(), job.deadline(), job.on_time(99 * SECOND)),
        (Stage::Done, NEVER, Action::Nothing)
    );
    // A grant late in the pause lengthens it to 2 s from there.
    let mut late = streaming(VALKEY);
    late.on_lag(10 * SECOND, 0, true);
    assert_eq!(late.on_takeover_asked(19 * SECOND), Action::Grant { until: 21 * SECOND });
    assert_eq!(late.on_time(21 * SECOND), Action::Fail { again_at: None });
    assert_eq!(late.stage(), Stage::Failed(AtomicFailure::GrantExpired));
    // Without a limit it pauses with whatever there is.
    let mut any = streaming(AtomicSetting { max_lag: None, ..VALKEY });
    assert_eq!(any.on_lag(10 * SECOND, 5 * MIB, true), Action::PauseWrites { until: 20 * SECOND });
    assert_eq!(any.books().lag_at_pause, 5 * MIB);
}

#[test]
fn valkey_keeps_writes_at_the_source_until_the_snapshot_is_there() {
    let mut valkey = AtomicMove::new(VALKEY, 0);
    let mut redis = AtomicMove::new(REDIS, 0);
    for job in [&mut valkey, &mut redis] {
        job.on_connected(1);
        job.on_forked(2, true);
    }
    assert_eq!((valkey.sends_writes(), redis.sends_writes()), (false, true));
}

#[test]
fn a_pause_that_expires_fails_for_good_in_valkey_and_is_tried_again_in_redis() {
    let mut valkey = streaming(VALKEY);
    valkey.on_lag(10 * SECOND, 0, true);
    assert_eq!(valkey.deadline(), 20 * SECOND);
    assert_eq!(valkey.on_time(20 * SECOND - 1), Action::Nothing);
    assert_eq!(valkey.on_time(20 * SECOND), Action::Fail { again_at: None });
    assert_eq!(valkey.books().paused, 10 * SECOND);
    assert_eq!(valkey.on_mark(21 * SECOND), Action::Nothing);

    let mut redis = streaming(REDIS);
    assert_eq!(redis.on_lag(10 * SECOND, MIB + 1, true), Action::Nothing);
    assert_eq!(redis.on_lag(11 * SECOND, MIB, true), Action::PauseWrites { until: 21 * SECOND });
    assert_eq!(redis.on_time(21 * SECOND), Action::Fail { again_at: Some(21 * SECOND + RETRY_PERIOD) });
    redis.retry(21 * SECOND + RETRY_PERIOD);
    assert_eq!((redis.stage(), redis.books().attempts), (Stage::Handshake, 2));
}

#[test]
fn redis_takes_over_at_the_mark() {
    let mut job = streaming(REDIS);
    job.on_lag(10 * SECOND, MIB, false);
    assert_eq!(job.on_mark(11 * SECOND), Action::TakeOver);
    assert_eq!(job.on_takeover_asked(11 * SECOND), Action::Nothing);
    assert_eq!(job.on_ownership(12 * SECOND), Action::Done);
    assert_eq!((job.books().paused, job.books().lag_at_pause), (2 * SECOND, MIB));
}

/// Writes that come faster than the target applies them: Redis gives up a minute after the first drained ACK.
#[test]
fn redis_gives_up_on_a_target_that_does_not_catch_up() {
    let mut job = streaming(REDIS);
    job.on_lag(10 * SECOND, 9 * MIB, false);
    assert_eq!(job.deadline(), NEVER);
    job.on_lag(11 * SECOND, 9 * MIB, true);
    job.on_lag(12 * SECOND, 9 * MIB, true);
    assert_eq!(job.deadline(), 71 * SECOND);
    // After a snapshot that took longer it waits longer.
    let mut long = streaming(REDIS);
    long.on_lag(102 * SECOND, 9 * MIB, true);
    assert_eq!(long.deadline(), 302 * SECOND);
    assert_eq!(job.on_time(71 * SECOND), Action::Fail { again_at: Some(71 * SECOND + RETRY_PERIOD) });
    assert_eq!((job.stage(), job.books().paused), (Stage::Failed(AtomicFailure::NotCaughtUp), 0));
}

#[test]
fn forks_and_owners_can_fail_it() {
    let mut job = AtomicMove::new(VALKEY, 0);
    job.on_connected(1);
    assert_eq!(job.on_forked(2, false), Action::Fail { again_at: None });
    assert_eq!(job.stage(), Stage::Failed(AtomicFailure::Fork));
    let mut job = streaming(REDIS);
    job.on_lag(10 * SECOND, 0, true);
    assert_eq!(job.on_failure(11 * SECOND, AtomicFailure::OwnerChanged), Action::Fail { again_at: None });
    assert_eq!(job.on_ownership(12 * SECOND), Action::Nothing);
    assert_eq!(job.on_failure(12 * SECOND, AtomicFailure::Snapshot), Action::Nothing);
}
