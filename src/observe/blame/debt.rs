//! How far the main thread is behind because of stalls, and which.
//!
//! A stall of length S puts the thread S behind; what it does then for others delays a request only because of that. It
//! catches up in the time in which, without the stall, it would have had nothing to do. With W the unfinished work in
//! front of the thread and W₀ what there would be without stalls, the debt is D = W − W₀: both shrink alike, until W₀ is
//! empty; from then on D is W. So a debt never exceeds what is in front of the thread, which is known at each poll as the age of the
//! oldest request that it found; and it is gone when the thread sleeps.

use crate::cause::Cause;
use crate::units::Nanos;

/// Time owed by causes of stalls.
#[derive(Clone, Debug)]
pub struct Debt {
    of: [Nanos; Cause::COUNT],
    /// Bit c is set when cause c owes something.
    owing: u64,
    total: Nanos,
}

const _: () = assert!(Cause::COUNT <= 64);

impl Default for Debt {
    fn default() -> Self {
        Debt { of: [0; Cause::COUNT], owing: 0, total: 0 }
    }
}

impl Debt {
    /// What is owed in all \[ns\].
    #[inline(always)]
    pub fn total(&self) -> Nanos {
        self.total
    }

    /// What `cause` owes \[ns\].
    pub fn of(&self, cause: Cause) -> Nanos {
        self.of[cause as usize]
    }

    /// A stall of that cause and length.
    #[inline(always)]
    pub fn add(&mut self, cause: Cause, span: Nanos) {
        if span > 0 {
            self.of[cause as usize] += span;
            self.owing |= 1 << cause as usize;
            self.total += span;
        }
    }

    /// Nothing is owed any more.
    #[inline(always)]
    pub fn clear(&mut self) {
        if self.total > 0 {
            *self = Debt::default();
        }
    }

    /// At most `limit` \[ns\] is owed, by all causes in the same proportion.
    #[inline(always)]
    pub fn cap(&mut self, limit: Nanos) {
        if self.total > limit {
            self.shrink(limit);
        }
    }

    #[inline(never)]
    fn shrink(&mut self, limit: Nanos) {
        let mut left = Debt::default();
        self.share(limit, |cause, span| left.add(cause, span));
        *self = left;
    }

    /// Splits `amount` \[ns\], at most the total, over the causes in proportion to what they owe: whole nanoseconds, what is
    /// left over to those with the largest remainders, equal ones in the order of causes.
    #[inline(always)]
    pub fn share(&self, amount: Nanos, mut each: impl FnMut(Cause, Nanos)) {
        if amount == 0 {
            return;
        }
        if self.owing.is_power_of_two() {
            return each(Cause::ALL[self.owing.trailing_zeros() as usize], amount);
        }
        let mut parts = [(Cause::WakeUp, 0, 0); Cause::COUNT];
        let (mut number, mut left, mut owing) = (0, amount, self.owing);
        while owing != 0 {
            let cause = Cause::ALL[owing.trailing_zeros() as usize];
            owing &= owing - 1;
            let product = self.of[cause as usize] as u128 * amount as u128;
            let whole = (product / self.total as u128) as Nanos;
            parts[number] = (cause, whole, (product % self.total as u128) as Nanos);
            (number, left) = (number + 1, left - whole);
        }
        while left > 0 {
            let first = (0..number).rev().max_by_key(|&part| parts[part].2).expect("somebody owes");
            parts[first].1 += 1;
            parts[first].2 = 0;
            left -= 1;
        }
        parts[..number].iter().for_each(|&(cause, span, _)| each(cause, span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(debt: &Debt, amount: Nanos) -> Vec<(Cause, Nanos)> {
        let mut all = Vec::new();
        debt.share(amount, |cause, span| all.push((cause, span)));
        all
    }

    #[test]
    fn an_amount_is_split_in_proportion_and_to_the_nanosecond() {
        let mut debt = Debt::default();
        debt.add(Cause::Fork, 100);
        assert_eq!(shares(&debt, 37), [(Cause::Fork, 37)]);
        debt.add(Cause::Cow, 50);
        debt.add(Cause::HostNoise, 50);
        assert_eq!(shares(&debt, 100), [(Cause::Fork, 50), (Cause::Cow, 25), (Cause::HostNoise, 25)]);
        // 1.5, 0.75 and 0.75: the two left over go to the larger remainders.
        assert_eq!(shares(&debt, 3), [(Cause::Fork, 1), (Cause::Cow, 1), (Cause::HostNoise, 1)]);
        // 0.5, 0.25 and 0.25.
        assert_eq!(shares(&debt, 1), [(Cause::Fork, 1), (Cause::Cow, 0), (Cause::HostNoise, 0)]);
        for amount in 0..=200 {
            assert_eq!(shares(&debt, amount).iter().map(|share| share.1).sum::<Nanos>(), amount);
        }
    }

    #[test]
    fn equal_remainders_go_to_the_first_cause() {
        let mut debt = Debt::default();
        debt.add(Cause::Cow, 10);
        debt.add(Cause::Fork, 10);
        assert_eq!(shares(&debt, 5), [(Cause::Fork, 3), (Cause::Cow, 2)]);
    }

    #[test]
    fn a_debt_is_capped_in_proportion_and_then_forgotten() {
        let mut debt = Debt::default();
        debt.add(Cause::Fork, 300);
        debt.add(Cause::Cow, 100);
        debt.cap(1000);
        assert_eq!((debt.total(), debt.of(Cause::Fork)), (400, 300));
        debt.cap(41);
        assert_eq!((debt.total(), debt.of(Cause::Fork), debt.of(Cause::Cow)), (41, 31, 10));
        debt.clear();
        assert_eq!((debt.total(), debt.of(Cause::Fork)), (0, 0));
        debt.cap(0);
        assert_eq!(shares(&debt, 0), []);
    }
}
