//! Keys in a few classes of similar popularity, for state that is kept by class and not by key.

use super::keys::HARMONIC;
use crate::scenario::KeyPopularity;

/// Largest number of classes.
pub const MAX_CLASSES: usize = 64;

/// Ranks counted from 1 below 2^this are a class each under Zipf.
const ALONE_BITS: u32 = 3;
/// Number of those classes.
const ALONE: usize = (1 << ALONE_BITS) - 1;
/// Sums of r^−s are taken term by term below this rank, by Euler–Maclaurin above.
const TERMS: u64 = 128;

/// One class: consecutive ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyClass {
    /// Rank of its most popular key, from 0.
    pub first: u64,
    /// Number of keys, ≥ 1.
    pub keys: u64,
    /// Probability that a request goes to one of them.
    pub mass: f64,
}

/// A partition of the ranks that a [`KeySampler`](super::keys::KeySampler) draws into at most [`MAX_CLASSES`]
/// classes.
///
/// Uniform, sequential: one class. Hot: two. Single, split: one of one key or of the sub-keys (the other keys
/// are in no class, since nobody asks for them). Zipf: each of the first 7 ranks alone, then two classes to each doubling of the
/// rank, then one where two would be more than 64 in all; so within a class popularity differs by a factor
/// 2^s at most.
#[derive(Clone, Debug)]
pub struct KeyClasses {
    classes: Vec<KeyClass>,
    layout: Layout,
    /// Walker's alias table over the classes: (share of the slot that is the class's own, class of the rest).
    alias: Vec<(f64, u8)>,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    One,
    /// First rank of the second class.
    Two(u64),
    /// By octave, the power of two in rank + 1.
    Octaves([Octave; 64]),
}

/// How one octave of ranks is cut: class = base + the bits of rank + 1 above `shift`, as far as `mask`.
///
/// A table and not a chain of comparisons, since those would be mispredicted in every second draw.
#[derive(Clone, Copy, Debug, Default)]
struct Octave {
    base: u8,
    shift: u8,
    mask: u8,
}

impl KeyClasses {
    /// Classes of `keys` keys, 1 to 10^12, under `popularity`.
    pub fn new(popularity: KeyPopularity, keys: u64) -> Self {
        let keys = keys.max(1);
        let one = |keys| Self::of(vec![KeyClass { first: 0, keys, mass: 1.0 }], Layout::One);
        match popularity {
            KeyPopularity::Single => one(1),
            KeyPopularity::Split { keys: own, .. } => one(own.clamp(1, keys)),
            KeyPopularity::Hot { share, keys: hot } if hot < keys && hot > 0 => Self::of(
                vec![
                    KeyClass { first: 0, keys: hot, mass: share },
                    KeyClass { first: hot, keys: keys - hot, mass: 1.0 - share },
                ],
                Layout::Two(hot),
            ),
            KeyPopularity::Uniform | KeyPopularity::Hot { .. } | KeyPopularity::Sequential => one(keys),
            KeyPopularity::Zipf { s } => Self::zipf(s, keys),
        }
    }

    fn of(classes: Vec<KeyClass>, layout: Layout) -> Self {
        let alias = alias_table(&classes);
        KeyClasses { classes, layout, alias }
    }

    fn zipf(s: f64, keys: u64) -> Self {
        let octaves = (keys.ilog2() + 1).saturating_sub(ALONE_BITS);
        let halved = octaves.min((MAX_CLASSES - ALONE) as u32 - octaves);
        let whole_from = ALONE_BITS + halved;
        let mut layout = [Octave::default(); 64];
        let mut starts = Vec::new();
        for octave in 0..ALONE_BITS + octaves {
            // Bits of the rank below its leading one that tell classes apart.
            let bits = match octave {
                _ if octave < ALONE_BITS => octave,
                _ if octave < whole_from => 1,
                _ => 0,
            };
            let shift = octave - bits;
            layout[octave as usize] =
                Octave { base: starts.len() as u8, shift: shift as u8, mask: (1 << bits) - 1 };
            starts.extend((0..1u64 << bits).map(|part| (1 << octave) + (part << shift)));
        }
        // Ranks from 1, the last class's end included.
        let mut bounds: Vec<u64> = starts.into_iter().filter(|&start| start <= keys).collect();
        bounds.push(keys + 1);
        let mut classes: Vec<KeyClass> = bounds
            .windows(2)
            .map(|pair| {
                let mass = power_sum(s, pair[0], pair[1]);
                KeyClass { first: pair[0] - 1, keys: pair[1] - pair[0], mass }
            })
            .collect();
        // Smallest first, so that the many small masses are not lost against the large ones.
        let total: f64 = classes.iter().rev().map(|class| class.mass).sum();
        classes.iter_mut().for_each(|class| class.mass /= total);
        Self::of(classes, Layout::Octaves(layout))
    }

    /// The classes, by rising rank.
    pub fn classes(&self) -> &[KeyClass] {
        &self.classes
    }

    /// Class of a request's key, by the uniform number `u` in (0, 1): exactly the class of the rank that a
    /// [`KeySampler`](super::keys::KeySampler) would draw in distribution, in constant time.
    #[inline(always)]
    pub fn draw(&self, u: f64) -> usize {
        let place = u * self.alias.len() as f64;
        let slot = place as u32 as usize;
        let (own, other) = self.alias[slot.min(self.alias.len() - 1)];
        if place - (slot as f64) < own { slot } else { other as usize }
    }

    /// Index of the class of `rank`, which is one that the sampler draws.
    #[inline]
    pub fn class_of(&self, rank: u64) -> usize {
        match &self.layout {
            Layout::One => 0,
            Layout::Two(second) => usize::from(rank >= *second),
            Layout::Octaves(octaves) => {
                let from_one = rank + 1;
                let octave = octaves[63 - from_one.leading_zeros() as usize];
                octave.base as usize + ((from_one >> octave.shift) & octave.mask as u64) as usize
            }
        }
    }
}

/// Sum of r^−s for r from `from` ≥ 1 up to but not including `to`; relative error below 1e-12 for s up to 10.
fn power_sum(s: f64, from: u64, to: u64) -> f64 {
    let terms_end = to.min(TERMS.max(from));
    let head: f64 = match from < TERMS {
        true => (from..terms_end).rev().map(|rank| libm::pow(rank as f64, -s)).sum(),
        false => 0.0,
    };
    let start = if from < TERMS { terms_end } else { from };
    if start >= to {
        return head;
    }
    let (a, b) = (start as f64, to as f64);
    let d = 1.0 - s;
    let length = libm::log(b / a);
    let integral = if d.abs() < HARMONIC { length } else { libm::pow(a, d) * libm::expm1(d * length) / d };
    let (at_a, at_b) = (libm::pow(a, -s), libm::pow(b, -s));
    let first = s * (at_a / a - at_b / b) / 12.0;
    let third = s * (s + 1.0) * (s + 2.0) * (at_a / (a * a * a) - at_b / (b * b * b)) / 720.0;
    head + integral + 0.5 * (at_a - at_b) + first - third
}

/// Walker's alias method (Vose 1991): every slot holds its own class and at most one other.
fn alias_table(classes: &[KeyClass]) -> Vec<(f64, u8)> {
    let scale = classes.len() as f64;
    let mut shares: Vec<f64> = classes.iter().map(|class| class.mass * scale).collect();
    let mut table: Vec<(f64, u8)> = (0..classes.len()).map(|class| (1.0, class as u8)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..classes.len()).partition(|&class| shares[class] < 1.0);
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        table[poor] = (shares[poor], rich as u8);
        shares[rich] -= 1.0 - shares[poor];
        if shares[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::keys::KeySampler;
    use crate::rng::{StreamId, Streams};

    const EXPONENTS: [f64; 5] = [0.5, 0.99, 1.0, 1.2, 2.0];

    #[test]
    fn power_sums_are_exact_where_they_can_be_checked() {
        for s in EXPONENTS {
            for (from, to) in [(1, 2), (1, 129), (100, 200), (128, 129), (1, 100_001), (4096, 8192)] {
                let exact: f64 = (from..to).rev().map(|r: u64| libm::pow(r as f64, -s)).sum();
                assert!((power_sum(s, from, to) / exact - 1.0).abs() < 1e-12, "s = {s}: {from}..{to}");
            }
        }
        // ζ(2) less its tail.
        let zeta = power_sum(2.0, 1, 1_000_000_000_001);
        assert!((zeta - std::f64::consts::PI * std::f64::consts::PI / 6.0 + 1e-12).abs() < 1e-14);
    }

    #[test]
    fn classes_partition_the_ranks() {
        for keys in [1, 2, 6, 7, 8, 9, 100, 1 << 20, 1_000_000_000, 1_000_000_000_000] {
            for s in EXPONENTS {
                let partition = KeyClasses::new(KeyPopularity::Zipf { s }, keys);
                let classes = partition.classes();
                assert!(classes.len() <= MAX_CLASSES, "{} classes of {keys} keys", classes.len());
                let mut next = 0;
                for (index, class) in classes.iter().enumerate() {
                    assert_eq!(class.first, next);
                    next += class.keys;
                    assert_eq!(partition.class_of(class.first), index);
                    assert_eq!(partition.class_of(next - 1), index, "{keys} keys");
                }
                assert_eq!(next, keys);
                let mass: f64 = classes.iter().map(|class| class.mass).sum();
                assert!((mass - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn class_masses_are_the_samplers_frequencies() {
        let cases = EXPONENTS.map(|s| KeyPopularity::Zipf { s });
        let hot = KeyPopularity::Hot { share: 0.8, keys: 1000 };
        for popularity in cases.into_iter().chain([hot, KeyPopularity::Uniform, KeyPopularity::Single]) {
            let keys = 1_000_000_000;
            let draws = 400_000;
            let partition = KeyClasses::new(popularity, keys);
            let sampler = KeySampler::new(popularity, keys);
            let mut stream = Streams::new(5, 0).open(StreamId::Keys, 0);
            let mut counts = vec![0.0; partition.classes().len()];
            for number in 0..draws {
                counts[partition.class_of(sampler.draw(number, &mut stream))] += 1.0;
            }
            for (class, count) in partition.classes().iter().zip(counts) {
                let expected = draws as f64 * class.mass;
                // At least one count, where the normal approximation of a rare class would not hold.
                let error = (expected * (1.0 - class.mass)).sqrt().max(0.5);
                assert!((count - expected).abs() < 4.0 * error, "{popularity:?}, {class:?}: {count}");
            }
        }
    }

    #[test]
    fn simple_popularities_have_simple_classes() {
        let of = |popularity| KeyClasses::new(popularity, 100).classes().to_vec();
        assert_eq!(of(KeyPopularity::Uniform), [KeyClass { first: 0, keys: 100, mass: 1.0 }]);
        assert_eq!(of(KeyPopularity::Sequential), of(KeyPopularity::Uniform));
        assert_eq!(of(KeyPopularity::Single), [KeyClass { first: 0, keys: 1, mass: 1.0 }]);
        assert_eq!(
            of(KeyPopularity::Hot { share: 0.75, keys: 4 })[1],
            KeyClass { first: 4, keys: 96, mass: 0.25 }
        );
        assert_eq!(of(KeyPopularity::Hot { share: 0.75, keys: 100 }).len(), 1);
    }

    #[test]
    fn classes_are_drawn_with_their_mass() {
        for popularity in [
            KeyPopularity::Uniform,
            KeyPopularity::Single,
            KeyPopularity::Hot { share: 0.9, keys: 10 },
            KeyPopularity::Zipf { s: 0.99 },
            KeyPopularity::Zipf { s: 1.5 },
        ] {
            let classes = KeyClasses::new(popularity, 1_000_000_000);
            // The alias table's shares, summed exactly rather than sampled.
            let slots = classes.alias.len() as f64;
            let mut mass = vec![0.0; classes.classes.len()];
            for (slot, &(own, other)) in classes.alias.iter().enumerate() {
                mass[slot] += own / slots;
                mass[other as usize] += (1.0 - own) / slots;
            }
            for (drawn, class) in mass.iter().zip(&classes.classes) {
                assert!((drawn - class.mass).abs() < 1e-12, "{popularity:?}: {drawn} against {}", class.mass);
            }
            assert!((0..1000).all(|i| classes.draw((i as f64 + 0.5) / 1000.0) < mass.len()));
        }
    }
}
