//! Points in the unit cube by which designs, draws of prices and sensitivity analyses sample.

use sobol_burley::NUM_DIMENSIONS;

use crate::rng::{Numbered, Stream, StreamId, Streams, Uniform};

/// Points of a Sobol sequence, as the table of direction numbers has them.
pub const SOBOL_POINTS_MAX: u64 = 1 << 16;
/// Points of a Latin hypercube, which keeps a permutation for each dimension.
pub const LATIN_POINTS_MAX: u64 = 1_000_000;
/// Independent points.
pub const RANDOM_POINTS_MAX: u64 = 1_000_000_000;
/// Dimensions of a Sobol sequence.
pub const SOBOL_DIMENSIONS_MAX: usize = NUM_DIMENSIONS as usize;

/// How points are spread.
#[derive(Clone, Debug)]
pub enum Cube {
    /// Latin hypercube (McKay, Beckman, Conover 1979): of n points, each n-th part of every dimension has one.
    Latin {
        /// For each dimension, the part of each point.
        parts: Vec<Vec<u32>>,
        /// Places within the parts.
        places: Vec<Numbered>,
    },
    /// Sobol sequence with Joe and Kuo's direction numbers, Owen-scrambled by hashing (Burley 2020): the first 2^k
    /// points are a net, so numbers of points that are powers of two are best.
    Sobol {
        /// Chooses the scrambling.
        seed: u32,
    },
    /// Independent points.
    Random {
        /// For each dimension.
        places: Vec<Numbered>,
    },
}

impl Cube {
    /// A Latin hypercube of `points` points, at most [`LATIN_POINTS_MAX`].
    pub fn latin(points: u64, dimensions: usize, seed: u64) -> Cube {
        let streams = Streams::new(seed, 0);
        let parts = (0..dimensions as u64).map(|dimension| {
            let mut random = streams.open(StreamId::Permutation, dimension);
            permutation(points as u32, &mut random)
        });
        Cube::Latin { parts: parts.collect(), places: places(&streams, dimensions) }
    }

    /// A scrambled Sobol sequence of at most [`SOBOL_POINTS_MAX`] points in [`SOBOL_DIMENSIONS_MAX`] dimensions.
    pub fn sobol(seed: u64) -> Cube {
        Cube::Sobol { seed: Streams::new(seed, 0).open(StreamId::Design, 0).bits() as u32 }
    }

    /// Independent points.
    pub fn random(dimensions: usize, seed: u64) -> Cube {
        Cube::Random { places: places(&Streams::new(seed, 0), dimensions) }
    }

    /// Coordinate number `dimension` of point number `index`, from 0 up to below 1.
    pub fn at(&self, index: u64, dimension: usize) -> f64 {
        match self {
            Cube::Latin { parts, places } => {
                let parts = &parts[dimension];
                let within = places[dimension].of(index).unit();
                // The largest place of the last part may round up to 1.
                let share = (f64::from(parts[index as usize]) + within) / parts.len() as f64;
                share.min(1.0 - f64::EPSILON)
            }
            Cube::Sobol { seed } => f64::from(sobol_burley::sample(index as u32, dimension as u32, *seed)),
            Cube::Random { places } => places[dimension].of(index).unit(),
        }
    }
}

fn places(streams: &Streams, dimensions: usize) -> Vec<Numbered> {
    (0..dimensions as u64).map(|dimension| Numbered::new(streams, StreamId::Design, dimension)).collect()
}

/// A random order of 0 to n − 1 (Fisher and Yates).
fn permutation(n: u32, random: &mut Stream) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points in each of `parts` equal parts of a dimension.
    fn counts(cube: &Cube, points: u64, dimension: usize, parts: usize) -> Vec<u32> {
        let mut counts = vec![0; parts];
        (0..points).for_each(|index| counts[(cube.at(index, dimension) * parts as f64) as usize] += 1);
        counts
    }

    #[test]
    fn every_part_of_a_latin_hypercube_has_one_point() {
        let cube = Cube::latin(1000, 7, 3);
        (0..7).for_each(|dimension| assert_eq!(counts(&cube, 1000, dimension, 1000), [1; 1000]));
        // Dimensions are independent: their correlation is within four standard errors, 4 / √1000.
        let product = |index| (cube.at(index, 0) - 0.5) * (cube.at(index, 1) - 0.5);
        let correlation = 12.0 * (0..1000).map(product).sum::<f64>() / 1000.0;
        assert!(correlation.abs() < 4.0 / f64::sqrt(1000.0), "{correlation}");
    }

    #[test]
    fn sobol_points_are_a_net_under_any_seed() {
        for seed in [0, 1, 2] {
            let cube = Cube::sobol(seed);
            // Every dimension alone: one point to each 1024th. The first two: one to each cell of 32 by 32.
            for dimension in [0, 1, 2, 17, 255] {
                assert_eq!(counts(&cube, 1024, dimension, 1024), [1; 1024], "dimension {dimension}");
            }
            let mut cells = vec![0; 1024];
            for index in 0..1024 {
                let part = |dimension| (cube.at(index, dimension) * 32.0) as usize;
                cells[part(0) * 32 + part(1)] += 1;
            }
            assert_eq!(cells, [1; 1024]);
        }
        assert_ne!(Cube::sobol(1).at(5, 0), Cube::sobol(2).at(5, 0));
    }

    #[test]
    fn random_points_are_uniform() {
        let cube = Cube::random(2, 9);
        for dimension in 0..2 {
            // 100 parts of 100 points each: chi-square with 99 degrees of freedom, mean 99, deviation 14.07.
            let square = |count: &u32| (f64::from(*count) - 100.0).powi(2) / 100.0;
            let chi: f64 = counts(&cube, 10_000, dimension, 100).iter().map(square).sum();
            assert!((chi - 99.0).abs() < 4.0 * 14.07, "{chi}");
        }
        let product = |index| (cube.at(index, 0) - 0.5) * (cube.at(index, 1) - 0.5);
        let correlation = 12.0 * (0..10_000).map(product).sum::<f64>() / 10_000.0;
        assert!(correlation.abs() < 4.0 / 100.0, "dimensions are independent: {correlation}");
    }
}
