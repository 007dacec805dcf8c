//! Queues, stalls, copy-on-write and rewrites in closed form.
//!
//! Times are seconds, rates a second, sizes bytes. A function that has no answer because the queue grows
//! without end returns `None`.

use crate::math::ln;
use crate::redis::config::SavePoint;

/// Utilisation of one server: `arrival_rate · service_mean`, if below 1.
fn utilisation(arrival_rate: f64, service_mean: f64) -> Option<f64> {
    Some(arrival_rate * service_mean).filter(|rho| (0.0..1.0).contains(rho))
}

/// Mean wait before service in an M/G/1 queue (Pollaczek–Khinchine): ρ s (1 + scv) / (2 (1 − ρ)) \[s\].
///
/// `service_scv` is the variance of the service time over the square of its mean `service_mean` \[s\].
pub fn mg1_wait(arrival_rate: f64, service_mean: f64, service_scv: f64) -> Option<f64> {
    utilisation(arrival_rate, service_mean)
        .map(|rho| rho * service_mean * (1.0 + service_scv) / (2.0 * (1.0 - rho)))
}

/// Mean wait before service in an M/M/1 queue: ρ s / (1 − ρ) \[s\].
pub fn mm1_wait(arrival_rate: f64, service_mean: f64) -> Option<f64> {
    mg1_wait(arrival_rate, service_mean, 1.0)
}

/// Mean wait before service in an M/D/1 queue: ρ s / (2 (1 − ρ)) \[s\].
pub fn md1_wait(arrival_rate: f64, service: f64) -> Option<f64> {
    mg1_wait(arrival_rate, service, 0.0)
}

/// Quantile `q` (0 ≤ q < 1) of the sojourn, arrival to end of service, in an M/M/1 queue with FIFO service
/// \[s\].
///
/// The sojourn is exponential with mean s / (1 − ρ).
pub fn mm1_sojourn_quantile(arrival_rate: f64, service_mean: f64, q: f64) -> Option<f64> {
    utilisation(arrival_rate, service_mean).map(|rho| -ln(1.0 - q) * service_mean / (1.0 - rho))
}

/// Number of customers in a closed system and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosedLoop {
    /// Completions a second.
    pub throughput: f64,
    /// Mean time at the station, waiting included \[s\].
    pub sojourn: f64,
    /// Mean time of a whole round, delay included \[s\].
    pub round: f64,
    /// Mean number at the station.
    pub at_station: f64,
}

/// Exact mean-value analysis of `connections` customers between one FIFO station with exponential service of
/// mean `service` \[s\] > 0 and a delay of mean `delay` \[s\] (network and think time).
///
/// Source: M. Reiser, S. Lavenberg, "Mean-value analysis of closed multichain queuing networks", JACM 27(2),
/// 1980.
pub fn closed_loop_mva(connections: u32, service: f64, delay: f64) -> ClosedLoop {
    let mut state = ClosedLoop { throughput: 0.0, sojourn: service, round: service + delay, at_station: 0.0 };
    for customers in 1..=connections {
        state.sojourn = service * (1.0 + state.at_station);
        state.round = state.sojourn + delay;
        state.throughput = f64::from(customers) / state.round;
        state.at_station = state.throughput * state.sojourn;
    }
    state
}

/// Commands a second under `appendfsync always` when all connections share each fsync: C / (F + C s + RTT).
///
/// One turn serves every connection once: `fsync` F, `service` s of each command, then the round trip `rtt`,
/// all in seconds. An upper bound of the batch: connections that miss a turn make two smaller ones.
pub fn group_commit_throughput(connections: u32, fsync: f64, service: f64, rtt: f64) -> f64 {
    let connections = f64::from(connections);
    connections / (fsync + connections * service + rtt)
}

/// Time to work off what came in during a stall of `span` \[s\] at utilisation `rho` < 1: S ρ / (1 − ρ)
/// \[s\].
pub fn backlog_drain(span: f64, rho: f64) -> Option<f64> {
    (rho < 1.0).then(|| span * rho / (1.0 - rho))
}

/// Share of open-loop requests that a stall of `span` \[s\] every `period` \[s\] delays, at utilisation `rho`
/// < 1 outside the stalls: S / ((1 − ρ) T), at most 1.
pub fn stall_affected_fraction(span: f64, period: f64, rho: f64) -> f64 {
    (span / ((1.0 - rho) * period)).clamp(0.0, 1.0)
}

/// Quantile `q` of the delay that those stalls add \[s\]: 0 if fewer than 1 − q of the requests meet one,
/// else S (1 − (1 − q) / p) with p the affected share.
///
/// Requests that come during the stall and its drain wait about uniformly between 0 and S.
pub fn stall_quantile(q: f64, span: f64, period: f64, rho: f64) -> f64 {
    let share = stall_affected_fraction(span, period, rho);
    if share <= 1.0 - q { 0.0 } else { span * (1.0 - (1.0 - q) / share) }
}

/// Different pages that `writes` writes of `pages_per_write` random pages each touch among `pages`:
/// P (1 − e^(−n k / P)).
pub fn unique_pages(pages: f64, writes: f64, pages_per_write: f64) -> f64 {
    -pages * libm::expm1(-writes * pages_per_write / pages)
}

/// Time from the end of an AOF rewrite to the start of the next with `auto-aof-rewrite-percentage 100`:
/// B / W + R \[s\].
///
/// `compact_bytes` B is the size of the rewritten file, `write_rate` W > 0 the AOF's growth \[bytes/s\],
/// `rewrite_time` R the rewrite \[s\]; B + W R is at least `auto-aof-rewrite-min-size`.
pub fn rewrite_period(compact_bytes: f64, write_rate: f64, rewrite_time: f64) -> f64 {
    compact_bytes / write_rate + rewrite_time
}

/// Time between the starts of two snapshots under a steady rate of keyspace changes \[s\]; `None` if none is
/// due.
///
/// `save_duration` \[s\] is fork to end. Of the save points the one that is met first counts: more than
/// `seconds` whole seconds since the end of the last save, so `seconds + 1`, and `changes` changes since its
/// start. Source: server.c serverCron, rdb.c backgroundSaveDoneHandler.
pub fn save_interval(points: &[SavePoint], change_rate: f64, save_duration: f64) -> Option<f64> {
    let due = |point: &SavePoint| {
        let waited = (point.seconds + 1) as f64;
        let changed = if point.changes == 0 { 0.0 } else { point.changes as f64 / change_rate };
        (waited + save_duration).max(changed)
    };
    points.iter().map(due).filter(|interval| interval.is_finite()).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} against {expected}");
    }

    #[test]
    fn queues_have_their_textbook_waits() {
        near(mm1_wait(0.5, 1.0).unwrap(), 1.0, 1e-12);
        near(md1_wait(0.5, 1.0).unwrap(), 0.5, 1e-12);
        near(mg1_wait(0.8, 1.0, 3.0).unwrap(), 8.0, 1e-12);
        near(mm1_sojourn_quantile(100_000.0, 5e-6, 0.99).unwrap(), 46.05e-6, 0.01e-6);
        assert_eq!(mm1_wait(1.0, 1.0), None);
    }

    #[test]
    fn closed_loops_lie_between_their_bounds() {
        let one = closed_loop_mva(1, 2.0, 3.0);
        assert_eq!((one.throughput, one.sojourn), (0.2, 2.0));
        // Two customers without delay: one is always served.
        let two = closed_loop_mva(2, 2.0, 0.0);
        near(two.throughput, 0.5, 1e-12);
        near(two.sojourn, 4.0, 1e-12);
        let many = closed_loop_mva(50, 5.5e-6, 200e-6);
        assert!(many.throughput < 1.0 / 5.5e-6 && many.throughput > 0.99 / 5.5e-6);
        near(many.at_station + many.throughput * 200e-6, 50.0, 1e-9);
    }

    #[test]
    fn stalls_have_the_quantiles_of_the_reference_table() {
        // (stall, period, utilisation, share, its tolerance, P99, P99.9), times in ms.
        let table = [
            (400.0, 60_000.0, 0.03, 0.0069, 5e-5, 0.0, 342.0),
            (400.0, 10_000.0, 0.03, 0.041, 5e-4, 303.0, 390.0),
            (400.0, 3_600_000.0, 0.03, 0.00011, 5e-6, 0.0, 0.0),
            (120.0, 161_000.0, 0.25, 0.0010, 5e-5, 0.0, 0.0),
            (25.0, 125.0 * 60.0 / 3.3, 0.25, 0.015, 5e-4, 8.0, 23.0),
            (25.0, 125.0, 0.5, 0.40, 1e-9, 24.0, 25.0),
        ];
        for (span, period, rho, share, tolerance, p99, p999) in table {
            near(stall_affected_fraction(span, period, rho), share, tolerance);
            near(stall_quantile(0.99, span, period, rho), p99, 1.0);
            near(stall_quantile(0.999, span, period, rho), p999, 1.0);
        }
        near(backlog_drain(0.4, 0.03).unwrap(), 0.0124, 1e-4);
        assert_eq!(backlog_drain(0.4, 1.0), None);
    }

    #[test]
    fn copy_on_write_saturates_as_in_the_reference() {
        let pages = 10.0 * 1_073_741_824.0 / 4096.0;
        near(unique_pages(pages, 50_000.0, 2.5), 122e3, 1e3);
        let gib = |seconds: f64| unique_pages(pages, 50_000.0 * seconds, 2.5) * 4096.0 / 1_073_741_824.0;
        near(gib(8.0), 3.2, 0.05);
        near(gib(50.0), 9.1, 0.1);
        near(unique_pages(1000.0, 1e9, 2.0), 1000.0, 1e-9);
    }

    #[test]
    fn persistence_comes_as_often_as_the_reference_says() {
        near(rewrite_period(10e9, 7.4e6, 0.0) / 60.0, 22.5, 0.1);
        near(group_commit_throughput(50, 1e-3, 5.5e-6, 0.2e-3), 33_900.0, 50.0);
        let point = |seconds, changes| SavePoint { seconds, changes };
        let defaults = [point(3600, 1), point(300, 100), point(60, 10_000)];
        assert_eq!(save_interval(&defaults, 5000.0, 100.0), Some(161.0));
        assert_eq!(save_interval(&defaults, 164.0, 0.0), Some(61.0));
        assert_eq!(save_interval(&defaults, 50.0, 0.0), Some(200.0));
        assert_eq!(save_interval(&defaults, 1.0, 0.0), Some(301.0));
        assert_eq!(save_interval(&defaults, 0.0, 0.0), None);
        assert_eq!(save_interval(&[], 50.0, 0.0), None);
        // Changes during the save count towards the next one.
        assert_eq!(save_interval(&defaults, 50.0, 180.0), Some(241.0));
    }
}
