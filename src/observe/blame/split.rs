//! One request's time by part.

use super::Part;
use crate::units::Nanos;

/// Parts that nearly every request has come first and are added together with its number and its sojourn: two lines of
/// the cache.
pub(super) const HOT: usize = 16;
const HOT_PARTS: usize = HOT - 2;
pub(super) const COLD: usize = Part::COUNT - HOT_PARTS;
pub(super) const REQUESTS: usize = 0;
pub(super) const SOJOURN: usize = 1;
/// One request's time by part.
#[derive(Clone, Debug)]
pub struct Split {
    /// One request, its sojourn, and the first parts.
    pub(super) hot: [u64; HOT],
    pub(super) cold: [Nanos; COLD],
    /// Bit n is set when `cold[n]` may be above zero.
    pub(super) touched: u32,
}

const _: () = assert!(COLD <= 32);

impl Default for Split {
    fn default() -> Self {
        Split { hot: [0; HOT], cold: [0; COLD], touched: 0 }
    }
}

impl Split {
    /// Adds time to a part.
    #[inline(always)]
    pub fn add(&mut self, part: Part, span: Nanos) {
        let index = part.index();
        match index.checked_sub(HOT_PARTS) {
            None => self.hot[index + 2] += span,
            Some(cold) => {
                self.cold[cold] += span;
                self.touched |= u32::from(span > 0) << cold;
            }
        }
    }

    /// Empties it.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.hot = [0; HOT];
        if self.touched != 0 {
            (self.cold, self.touched) = ([0; COLD], 0);
        }
    }

    /// Time on a part \[ns\].
    pub fn of(&self, part: Part) -> Nanos {
        let index = part.index();
        index.checked_sub(HOT_PARTS).map_or_else(|| self.hot[index + 2], |cold| self.cold[cold])
    }

    /// Sum of the parts \[ns\].
    #[inline(always)]
    pub fn sum(&self) -> Nanos {
        let hot: Nanos = self.hot[2..].iter().sum();
        let cold: Nanos = if self.touched == 0 { 0 } else { self.cold.iter().sum() };
        hot + cold
    }
}
