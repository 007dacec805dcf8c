//! Sums of parts by slot of the histogram of sojourns.

use super::split::{COLD, HOT, REQUESTS, SOJOURN, Split};
use super::{Blame, Part, Row, sparse};
use crate::cause::Cause;
use crate::observe::histogram::{SLOTS, slot};
use crate::units::Nanos;

/// A row whose sojourns exceed this is carried over, long before it would overflow.
const FULL: u64 = 1 << 62;

/// What is alike for nearly all requests of a server: its own time of the client and of the network on the way in, and of the
/// main thread's routine work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alike {
    /// The client sends.
    pub client: Nanos,
    /// The network on the way in.
    pub network: Nanos,
    /// A pass of the event loop.
    pub event_loop: Nanos,
    /// A read(2).
    pub read: Nanos,
    /// A reply.
    pub reply: Nanos,
}

impl Alike {
    /// Sum of it \[ns\].
    fn sum(&self) -> Nanos {
        self.client + self.network + self.event_loop + self.read + self.reply
    }
}

/// What is left of most requests beside what is [`Alike`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lean {
    /// The client reads.
    pub client: Nanos,
    /// The network on the way back.
    pub network: Nanos,
    /// Waking the server up.
    pub wake_up: Nanos,
    /// Executing commands.
    pub command: Nanos,
    /// The write to the AOF.
    pub aof_write: Nanos,
    /// Copy-on-write faults.
    pub cow: Nanos,
    /// Others' work.
    pub queue: Nanos,
}

/// Replies on their way to clients who read them later, with what is known of each; emptied together.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    lean: Vec<Lean>,
    /// Those of which more is known, by their place among all.
    full: Vec<(usize, Split)>,
    next: (usize, usize),
}

impl Pending {
    /// Keeps a request for later.
    #[inline(always)]
    pub fn push(&mut self, lean: Lean) {
        self.lean.push(lean);
    }

    /// The same of one of which more is known.
    pub fn push_full(&mut self, split: &Split) {
        self.full.push((self.lean.len(), split.clone()));
        self.lean.push(Lean::default());
    }

    /// All have been read.
    pub fn clear(&mut self) {
        self.lean.clear();
        self.full.clear();
        self.next = (0, 0);
    }
}

/// The sums.
#[derive(Clone, Debug)]
pub struct Rows {
    hot: Box<[[u64; HOT]]>,
    cold: Box<[[u64; COLD]]>,
    /// Requests with what they have in common, and without it: their number and the sums of [`Lean`]; one line of the
    /// cache.
    lean: Box<[[u64; 8]]>,
    alike: Alike,
    /// What rows held that were carried over.
    carried: Vec<Row>,
    max: Nanos,
}

impl Default for Rows {
    fn default() -> Self {
        Rows {
            hot: vec![[0; HOT]; SLOTS].into_boxed_slice(),
            cold: vec![[0; COLD]; SLOTS].into_boxed_slice(),
            lean: vec![[0; 8]; SLOTS].into_boxed_slice(),
            alike: Alike::default(),
            carried: Vec::new(),
            max: 0,
        }
    }
}

impl Rows {
    /// Adds `number` requests of that sojourn, each with the parts of `split`.
    #[inline(always)]
    pub fn add(&mut self, number: u64, sojourn: Nanos, split: &mut Split) {
        (split.hot[REQUESTS], split.hot[SOJOURN]) = (1, sojourn);
        debug_assert_eq!(split.sum(), sojourn, "parts of a request: {split:?}");
        let slot = slot(sojourn);
        let mut left = split.touched;
        while left != 0 {
            let cold = left.trailing_zeros() as usize;
            left &= left - 1;
            self.cold[slot][cold] += split.cold[cold] * number;
        }
        self.add_hot(slot, number, sojourn, &split.hot);
    }

    #[inline(always)]
    fn add_hot(&mut self, slot: usize, number: u64, sojourn: Nanos, hot: &[u64; HOT]) {
        let row = &mut self.hot[slot];
        for place in 0..HOT {
            row[place] += hot[place] * number;
        }
        self.max = self.max.max(sojourn);
        if row[SOJOURN] > FULL {
            self.carry(slot);
        }
    }

    /// What the requests that [`add_lean`](Self::add_lean) adds from now on have in common.
    pub fn set_alike(&mut self, alike: Alike) {
        if self.alike != alike {
            (0..SLOTS).for_each(|slot| self.settle(slot));
            self.alike = alike;
        }
    }

    /// What they have in common.
    #[inline(always)]
    pub fn alike(&self) -> &Alike {
        &self.alike
    }

    /// Adds `number` requests of that sojourn, each with what they have in common and `lean`.
    #[inline(always)]
    pub fn add_lean(&mut self, number: u64, sojourn: Nanos, lean: &Lean) {
        let Lean { client, network, wake_up, command, aof_write, cow, queue } = *lean;
        debug_assert_eq!(
            client + network + wake_up + command + aof_write + cow + queue + self.alike.sum(),
            sojourn,
            "parts of a request: {lean:?} and {:?}",
            self.alike
        );
        let slot = slot(sojourn);
        let row = &mut self.lean[slot];
        let add = [1, client, network, wake_up, command, aof_write, cow, queue];
        // A plain loop: it runs once a request.
        for place in 0..add.len() {
            row[place] += add[place] * number;
        }
        let sum = row[0].checked_mul(sojourn);
        self.max = self.max.max(sojourn);
        if sum.is_none_or(|sum| sum > FULL) {
            self.settle(slot);
        }
    }

    /// Adds the next of `pending`: the number of requests (0: they do not count), their sojourn, the time of the client and of
    /// the network on the way back.
    #[inline(always)]
    pub fn add_pending(
        &mut self,
        pending: &mut Pending,
        number: u64,
        sojourn: Nanos,
        (client, network): (Nanos, Nanos),
    ) {
        let (place, full) = pending.next;
        pending.next.0 += 1;
        if let Some((_, split)) = pending.full.get_mut(full).filter(|full| full.0 == place) {
            pending.next.1 += 1;
            split.add(Part::Client, client);
            split.add(Part::Network, network);
            if number > 0 {
                self.add(number, sojourn, split);
            }
        } else if number > 0 {
            let lean = pending.lean[place];
            self.add_lean(number, sojourn, &Lean { client, network: lean.network + network, ..lean });
        }
    }

    /// What was added lean to a row becomes as the rest is.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, slot: usize) {
        let [number, client, network, wake_up, command, aof_write, cow, queue] = self.lean[slot];
        if number == 0 {
            return;
        }
        self.lean[slot] = [0; 8];
        let alike = self.alike;
        let mut split = Split::default();
        use Cause::{AofWrite, Command, Cow, EventLoop, Read, Reply, WakeUp};
        for (part, span) in [
            (Part::Client, client + alike.client * number),
            (Part::Network, network + alike.network * number),
            (Part::Queue, queue),
            (Part::Main(WakeUp), wake_up),
            (Part::Main(EventLoop), alike.event_loop * number),
            (Part::Main(Read), alike.read * number),
            (Part::Main(Command), command),
            (Part::Main(Reply), alike.reply * number),
            (Part::Main(AofWrite), aof_write),
            (Part::Main(Cow), cow),
        ] {
            split.add(part, span);
        }
        (split.hot[REQUESTS], split.hot[SOJOURN]) = (number, split.sum());
        self.cold[slot].iter_mut().zip(&split.cold).for_each(|(sum, span)| *sum += span);
        self.hot[slot].iter_mut().zip(&split.hot).for_each(|(sum, span)| *sum += span);
        if self.hot[slot][SOJOURN] > FULL {
            self.carry(slot);
        }
    }

    /// Puts what a row holds aside and empties it.
    #[cold]
    #[inline(never)]
    fn carry(&mut self, slot: usize) {
        let row = self.row(slot);
        self.carried.push(row);
        (self.hot[slot], self.cold[slot]) = ([0; HOT], [0; COLD]);
    }

    fn row(&self, slot: usize) -> Row {
        let (hot, cold) = (&self.hot[slot], &self.cold[slot]);
        let mut parts = [0; Part::COUNT];
        let spans = hot[2..].iter().chain(cold);
        parts.iter_mut().zip(spans).for_each(|(part, &span)| *part = span.into());
        let row = Row {
            slot: slot as u16,
            requests: hot[REQUESTS],
            sojourn: hot[SOJOURN].into(),
            parts: sparse(&parts),
        };
        assert_eq!(parts.iter().sum::<u128>(), row.sojourn, "parts of the requests of a slot");
        row
    }

    /// All that was added.
    pub fn finish(&mut self) -> Blame {
        (0..SLOTS).for_each(|slot| self.settle(slot));
        let filled = (0..SLOTS).filter(|&slot| self.hot[slot][REQUESTS] > 0);
        let mut blame = Blame { rows: filled.map(|slot| self.row(slot)).collect(), max: self.max };
        for row in &self.carried {
            blame.merge(&Blame { rows: vec![row.clone()], max: self.max });
        }
        blame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;

    /// Requests of sojourns 1, 2, … 1000 us: a third each of the network, the fork and the rest.
    fn rows(blame_of: impl Fn(u64) -> bool) -> (Rows, Histogram) {
        let (mut rows, mut histogram, mut split) = (Rows::default(), Histogram::new(), Split::default());
        for us in (1..=1000).filter(|&us| blame_of(us)) {
            let sojourn = us * 1000;
            split.clear();
            split.add(Part::Network, sojourn / 3);
            split.add(Part::Main(Cause::Fork), sojourn / 3);
            split.add(Part::Main(Cause::Command), sojourn - sojourn / 3 * 2);
            rows.add(us % 3 + 1, sojourn, &mut split);
            histogram.record_n(sojourn, us % 3 + 1);
        }
        (rows, histogram)
    }

    #[test]
    fn bands_end_where_the_printed_quantiles_lie_and_add_up() {
        let (mut rows, histogram) = rows(|_| true);
        let blame = rows.finish();
        let bands = blame.bands();
        let ends: Vec<_> = bands.iter().map(|band| (band.from, band.to)).collect();
        let names = [("min", "p50"), ("p50", "p90"), ("p90", "p99"), ("p99", "p999"), ("p999", "max")];
        assert_eq!(ends, names);
        let quantiles = histogram.quantiles([0.5, 0.9, 0.99, 0.999]);
        let to: Vec<_> = bands.iter().map(|band| band.to_ns).collect();
        assert_eq!(to[..4], quantiles);
        assert_eq!(to[4], 1_000_000);
        let mut seen = 0;
        for (band, share) in bands.iter().zip([0.5, 0.9, 0.99, 0.999, 1.0]) {
            seen += band.requests;
            assert!((seen as f64 / 2000.0 - share).abs() < 0.002, "{band:?}");
            assert_eq!(band.causes.iter().map(|cause| cause.1).sum::<u128>(), band.sojourn_ns);
            assert_eq!(band.causes.len(), 3);
        }
        let whole = blame.whole();
        assert_eq!((whole.requests, whole.sojourn_ns), (histogram.count(), histogram.sum()));
        assert_eq!(blame.slots().collect::<Vec<_>>(), histogram.slots().collect::<Vec<_>>());
        assert!((whole.share("fork") - 1.0 / 3.0).abs() < 1e-3);
        assert_eq!(whole.by_size()[0].0, "command");
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let (mut whole, _) = rows(|_| true);
        let (mut odd, _) = rows(|us| us % 2 == 1);
        let (mut even, _) = rows(|us| us % 2 == 0);
        let mut sum = odd.finish();
        sum.merge(&even.finish());
        assert_eq!(sum, whole.finish());
        sum.merge(&Blame::default());
        assert_eq!(sum, whole.finish());
    }

    #[test]
    fn requests_that_have_much_in_common_and_are_read_later_count_alike() {
        let alike = Alike { client: 1, network: 20, event_loop: 300, read: 40, reply: 5 };
        let (mut expected, mut rows) = (Rows::default(), Rows::default());
        let (mut pending, mut split) = (Pending::default(), Split::default());
        for us in 1..=1000u64 {
            if us % 100 == 1 {
                // Another server would be another time here: what was added counts as it did.
                rows.set_alike(Alike { reply: 5 + us, ..alike });
            }
            let alike = *rows.alike();
            let (sojourn, number) = (us * 1000, us % 3);
            let lean = Lean {
                wake_up: us,
                command: us * 2,
                aof_write: us * 3,
                cow: 7,
                queue: us * 11,
                ..Lean::default()
            };
            let Some(network) = sojourn.checked_sub(us * 30 + 7 + alike.sum()) else { continue };
            split.clear();
            split.add(Part::Main(Cause::WakeUp), lean.wake_up);
            split.add(Part::Main(Cause::Command), lean.command);
            split.add(Part::Main(Cause::AofWrite), lean.aof_write);
            split.add(Part::Main(Cause::Cow), lean.cow);
            split.add(Part::Queue, lean.queue);
            split.add(Part::Client, alike.client);
            split.add(Part::Network, alike.network);
            split.add(Part::Main(Cause::EventLoop), alike.event_loop);
            split.add(Part::Main(Cause::Read), alike.read);
            split.add(Part::Main(Cause::Reply), alike.reply);
            match us % 5 {
                0 => pending.push_full(&split),
                _ => pending.push(lean),
            }
            rows.add_pending(&mut pending, number, sojourn, (us * 13, network));
            if us % 64 == 0 {
                pending.clear();
            }
            split.add(Part::Client, us * 13);
            split.add(Part::Network, network);
            if number > 0 {
                expected.add(number, sojourn, &mut split);
            }
        }
        assert_eq!(rows.finish(), expected.finish());
    }

    #[test]
    fn sums_do_not_overflow() {
        let (mut rows, mut split) = (Rows::default(), Split::default());
        let sojourn = 1 << 44;
        for _ in 0..64 {
            split.clear();
            split.add(Part::Main(Cause::Restart), sojourn);
            rows.add(1 << 16, sojourn, &mut split);
        }
        let whole = rows.finish().whole();
        assert_eq!((whole.requests, whole.sojourn_ns), (64 << 16, 64u128 << 60));
        assert_eq!(whole.causes, [("restart", whole.sojourn_ns)]);
    }

    #[test]
    fn of_nothing_there_are_empty_bands() {
        let blame = Rows::default().finish();
        assert!(blame.bands().iter().all(|band| band.requests == 0 && band.causes.is_empty()));
        assert_eq!(blame.bands().len(), 5);
    }
}
