//! Open loop: requests come at their own times, whatever the server does.
//!
//! Arrivals are made in batches: the exponential gaps of a batch come from one plain loop, and the n-th arrival
//! depends on the seed alone, not on the server.

use crate::math::{ln, whole};
use crate::rng::{Stream, Uniform};
use crate::scenario::Arrivals;
use crate::units::{NEVER, Nanos, SECOND};

/// Client writes made at once.
const BATCH: usize = 256;

/// An open-loop source of client writes.
#[derive(Clone, Debug)]
pub struct OpenLoop {
    stream: Stream,
    connections: Stream,
    connection_count: u64,
    arrivals: Arrivals,
    /// (from, client writes a nanosecond), piecewise constant.
    pieces: Vec<(f64, f64)>,
    piece: usize,
    /// Time of the last arrival \[ns\].
    at: f64,
    /// Client writes left in the current burst.
    burst_left: u32,
    times: [Nanos; BATCH],
    connection: [u32; BATCH],
    next: usize,
}

impl OpenLoop {
    /// A source with the command rate of `schedule` (from \[ns\], commands/s), `pipeline` commands a client write.
    pub fn new(
        schedule: &[(Nanos, f64)],
        arrivals: Arrivals,
        pipeline: u32,
        connection_count: u32,
        stream: Stream,
        connections: Stream,
    ) -> Self {
        let writes = |rate: f64| rate / pipeline as f64 / SECOND as f64;
        let mut source = OpenLoop {
            stream,
            connections,
            connection_count: connection_count as u64,
            arrivals,
            pieces: schedule.iter().map(|&(from, rate)| (from as f64, writes(rate))).collect(),
            piece: 0,
            at: 0.0,
            burst_left: 0,
            times: [NEVER; BATCH],
            connection: [0; BATCH],
            next: 0,
        };
        source.refill();
        source
    }

    /// Intended time of the next client write; [`NEVER`] after the last.
    #[inline(always)]
    pub fn next_at(&self) -> Nanos {
        self.times[self.next]
    }

    /// Takes the next client write: its connection.
    #[inline(always)]
    pub fn take(&mut self) -> u32 {
        let connection = self.connection[self.next];
        self.next += 1;
        if self.next == BATCH {
            self.refill();
        }
        connection
    }

    fn refill(&mut self) {
        self.next = 0;
        for connection in &mut self.connection {
            *connection = self.connections.below(self.connection_count) as u32;
        }
        let mut work = [1.0; BATCH];
        if self.arrivals != Arrivals::Uniform {
            work.iter_mut().for_each(|unit| *unit = self.stream.unit());
            work.iter_mut().for_each(|unit| *unit = -ln(*unit));
        }
        match self.arrivals {
            Arrivals::Bursts { size } => self.place_bursts(&work, size),
            Arrivals::Poisson | Arrivals::Uniform => self.place(&work, 1.0),
        }
    }

    /// Turns gaps of mean 1 into times at the scheduled rate divided by `per_gap`.
    fn place(&mut self, work: &[f64; BATCH], per_gap: f64) {
        let (rate, end) = self.current();
        let mean = per_gap / rate;
        let mut at = self.at;
        for (time, gap) in self.times.iter_mut().zip(work) {
            at += gap * mean;
            *time = whole(at);
        }
        if at < end {
            self.at = at;
        } else {
            // A piece ends within the batch: once more, one by one.
            for (index, gap) in work.iter().enumerate() {
                self.times[index] = self.advance(gap * per_gap);
            }
        }
    }

    fn place_bursts(&mut self, work: &[f64; BATCH], size: u32) {
        for (index, gap) in work.iter().enumerate() {
            if self.burst_left == 0 {
                self.burst_left = size;
                self.advance(gap * size as f64);
            }
            self.burst_left -= 1;
            self.times[index] = if self.at.is_finite() { whole(self.at) } else { NEVER };
        }
    }

    /// Rate and end of the current piece.
    fn current(&self) -> (f64, f64) {
        let end = self.pieces.get(self.piece + 1).map_or(f64::INFINITY, |next| next.0);
        (self.pieces[self.piece].1, end)
    }

    /// Moves on by `work` expected client writes, across pieces; the time after it.
    fn advance(&mut self, mut work: f64) -> Nanos {
        loop {
            let (rate, end) = self.current();
            let after = self.at + work / rate;
            if after <= end {
                self.at = after;
                return if after.is_finite() { whole(after) } else { NEVER };
            }
            work -= (end - self.at) * rate;
            self.at = end;
            self.piece += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn source(schedule: &[(Nanos, f64)], arrivals: Arrivals, pipeline: u32) -> OpenLoop {
        let streams = Streams::new(5, 0);
        let (times, connections) =
            (streams.open(StreamId::Arrivals, 0), streams.open(StreamId::Connections, 0));
        OpenLoop::new(schedule, arrivals, pipeline, 50, times, connections)
    }

    fn count(source: &mut OpenLoop, until: Nanos) -> f64 {
        let mut n = 0;
        while source.next_at() < until {
            source.take();
            n += 1;
        }
        n as f64
    }

    #[test]
    fn poisson_arrivals_follow_the_schedule() {
        let schedule = [(0, 1000.0), (10 * SECOND, 0.0), (20 * SECOND, 50_000.0), (30 * SECOND, 100.0)];
        let mut source = source(&schedule, Arrivals::Poisson, 1);
        for (until, expected) in [(10, 10_000.0), (20, 0.0), (30, 500_000.0), (130, 10_000.0)] {
            let n = count(&mut source, until * SECOND);
            assert!(
                (n - expected).abs() <= 4.0 * f64::sqrt(expected),
                "until {until} s: {n} against {expected}"
            );
        }
    }

    #[test]
    fn a_schedule_that_ends_at_rate_zero_ends() {
        let mut source = source(&[(0, 1000.0), (SECOND, 0.0)], Arrivals::Poisson, 1);
        let n = count(&mut source, NEVER);
        assert!(n > 800.0 && n < 1200.0 && source.next_at() == NEVER);
    }

    #[test]
    fn uniform_arrivals_are_evenly_spaced_and_bursts_come_together() {
        let mut uniform = source(&[(0, 1600.0)], Arrivals::Uniform, 16);
        assert_eq!(uniform.next_at(), SECOND / 100);
        assert_eq!(count(&mut uniform, 10 * SECOND), 999.0);
        let mut bursts = source(&[(0, 8000.0)], Arrivals::Bursts { size: 8 }, 1);
        let first = bursts.next_at();
        (0..8).for_each(|_| {
            assert_eq!(bursts.next_at(), first);
            bursts.take();
        });
        assert!(bursts.next_at() > first);
        let n = count(&mut bursts, 100 * SECOND) / 8.0;
        assert!((n - 100_000.0).abs() < 4.0 * 316.0, "{n}");
    }
}
