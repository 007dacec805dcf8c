//! Morris screening: which dimensions matter at all, for a few runs each.
//!
//! A trajectory goes through the unit cube from a random point of a grid of four levels and moves in one dimension
//! after the other by two thirds, up or down. What a move changes, over its length, is an elementary effect. Over
//! many trajectories their mean says what a dimension does, the mean of their sizes (mu*) how much it matters, and
//! their deviation whether what it does depends on where one stands (a curve, or an interaction).
//!
//! Sources: Morris, Technometrics 33 (1991); mu*: Campolongo, Cariboni and Saltelli, Environmental Modelling and
//! Software 22 (2007).

use crate::rng::{StreamId, Streams, Uniform};
use crate::stats::interval::LEVEL;
use crate::stats::paired::{Interval, Moments};

/// Levels of each dimension; even, so that all are as likely.
const LEVELS: u64 = 4;
/// Length of a move: half the levels.
const MOVE: f64 = (LEVELS / 2) as f64 / (LEVELS - 1) as f64;

/// The points of a screening.
#[derive(Clone, Debug)]
pub struct Trajectories {
    dimensions: usize,
    list: Vec<Trajectory>,
}

#[derive(Clone, Debug)]
struct Trajectory {
    start: Vec<f64>,
    /// Dimension of each move, and the move.
    moves: Vec<(usize, f64)>,
}

/// What a screening says of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Mean elementary effect, in the unit of the result over the whole range of the dimension.
    pub mu: f64,
    /// Mean of their sizes, with its interval of 95 % confidence.
    pub mu_star: Interval,
    /// Their standard deviation.
    pub sigma: f64,
}

impl Trajectories {
    /// `count` trajectories through `dimensions` dimensions, ≥ 1.
    pub fn new(count: usize, dimensions: usize, seed: u64) -> Trajectories {
        let mut random = Streams::new(seed, 0).open(StreamId::Design, 0);
        let mut trajectory = || {
            let mut start = Vec::with_capacity(dimensions);
            let mut moves = Vec::with_capacity(dimensions);
            for dimension in 0..dimensions {
                let low = random.below(LEVELS / 2) as f64 / (LEVELS - 1) as f64;
                let upwards = random.below(2) == 0;
                start.push(if upwards { low } else { low + MOVE });
                moves.push((dimension, if upwards { MOVE } else { -MOVE }));
            }
            for last in (1..moves.len()).rev() {
                moves.swap(last, random.below(last as u64 + 1) as usize);
            }
            Trajectory { start, moves }
        };
        Trajectories { dimensions, list: (0..count).map(|_| trajectory()).collect() }
    }

    /// Points of one trajectory.
    pub fn length(&self) -> usize {
        self.dimensions + 1
    }

    /// All points: those of the first trajectory in order, then those of the next.
    pub fn points(&self) -> Vec<Vec<f64>> {
        let mut points = Vec::with_capacity(self.list.len() * self.length());
        for trajectory in &self.list {
            let mut point = trajectory.start.clone();
            points.push(point.clone());
            for (dimension, step) in &trajectory.moves {
                point[*dimension] += step;
                points.push(point.clone());
            }
        }
        points
    }

    /// The effect of each dimension from a result for each point. A trajectory with a point that has none is left out;
    /// none if fewer than two trajectories are left.
    pub fn effects(&self, results: &[Option<f64>]) -> Option<Vec<Effect>> {
        let mut found: Vec<Vec<f64>> = vec![Vec::new(); self.dimensions];
        for (trajectory, results) in self.list.iter().zip(results.chunks(self.length())) {
            let Some(results) = results.iter().copied().collect::<Option<Vec<f64>>>() else { continue };
            for ((dimension, step), pair) in trajectory.moves.iter().zip(results.windows(2)) {
                found[*dimension].push((pair[1] - pair[0]) / step);
            }
        }
        let effect = |effects: &Vec<f64>| {
            let sizes: Vec<f64> = effects.iter().map(|effect| effect.abs()).collect();
            let moments = Moments::of(effects);
            let mu_star = Moments::of(&sizes).interval(LEVEL);
            Effect { mu: moments.mean, mu_star, sigma: moments.variance.sqrt() }
        };
        found.iter().all(|effects| effects.len() >= 2).then(|| found.iter().map(effect).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(count: usize, dimensions: usize, f: impl Fn(&[f64]) -> f64) -> Vec<Effect> {
        let trajectories = Trajectories::new(count, dimensions, 4);
        let results: Vec<_> = trajectories.points().iter().map(|point| Some(f(point))).collect();
        trajectories.effects(&results).expect("enough trajectories")
    }

    #[test]
    fn trajectories_stay_on_the_grid_and_move_each_dimension_once() {
        let trajectories = Trajectories::new(50, 6, 1);
        let points = trajectories.points();
        assert_eq!(points.len(), 50 * 7);
        let mut levels = [0u32; 4];
        for trajectory in points.chunks(7) {
            for (dimension, value) in trajectory.iter().flat_map(|point| point.iter().enumerate()) {
                let level = value * 3.0;
                assert!(
                    (level - level.round()).abs() < 1e-12 && (-1e-12..=1.0 + 1e-12).contains(value),
                    "{dimension}"
                );
                levels[level.round() as usize] += 1;
            }
            for dimension in 0..6 {
                let moves =
                    trajectory.windows(2).filter(|pair| pair[0][dimension] != pair[1][dimension]).count();
                assert_eq!(moves, 1);
            }
        }
        // All levels are as likely; a dimension of a trajectory is at one of two, so 300 throws for each pair.
        let expected = f64::from(levels.iter().sum::<u32>()) / 4.0;
        levels
            .iter()
            .for_each(|&count| assert!((f64::from(count) / expected - 1.0).abs() < 0.2, "{levels:?}"));
    }

    #[test]
    fn a_plane_has_its_slopes_as_effects_and_no_deviation() {
        let slopes = [3.0, -2.0, 0.0, 0.5];
        let plane = |point: &[f64]| point.iter().zip(slopes).map(|(x, slope)| x * slope).sum();
        for (effect, slope) in effects(10, 4, plane).iter().zip(slopes) {
            assert!((effect.mu - slope).abs() < 1e-12 && effect.sigma < 1e-12);
            assert!((effect.mu_star.value - slope.abs()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_product_has_the_moments_of_its_other_factor() {
        // The effect of x is y, which is at 0, 1/3, 2/3 or 1: mean 1/2, variance 5/36.
        let trajectories = 4000;
        for effect in effects(trajectories, 2, |point| point[0] * point[1]) {
            let error = (5.0f64 / 36.0 / trajectories as f64).sqrt();
            assert!((effect.mu - 0.5).abs() < 4.0 * error, "{effect:?}");
            // The fourth moment is 41/1296 · 1 = 0.0316: the variance's standard error is √((0.0316 − 0.0193) / n).
            let error_of_variance =
                ((41.0f64 / 1296.0 - (5.0f64 / 36.0).powi(2)) / trajectories as f64).sqrt();
            assert!((effect.sigma.powi(2) - 5.0 / 36.0).abs() < 4.0 * error_of_variance, "{effect:?}");
            let half = effect.mu_star.high - effect.mu_star.value;
            assert!((half / (1.96 * error) - 1.0).abs() < 0.1, "{effect:?}");
        }
    }

    #[test]
    fn opposite_effects_cancel_in_mu_but_not_in_mu_star() {
        // Moves of 2/3 between 0 and 2/3, and 1/3 and 1: ±(4/9 − 4/9 · …) of a parabola around 1/2 is ±2/9 over 2/3.
        let effect = effects(2000, 1, |point| (point[0] - 0.5).powi(2))[0];
        assert!((effect.mu_star.value - 1.0 / 3.0).abs() < 1e-12, "{effect:?}");
        assert!(effect.mu.abs() < 4.0 * (1.0 / 3.0) / f64::sqrt(2000.0), "{effect:?}");
    }

    #[test]
    fn a_trajectory_with_a_hole_is_left_out() {
        let trajectories = Trajectories::new(3, 2, 4);
        let mut results: Vec<_> =
            trajectories.points().iter().map(|point| Some(point[0] * point[1])).collect();
        results[1] = None;
        let rest = Trajectories { dimensions: 2, list: trajectories.list[1..].to_vec() };
        assert_eq!(trajectories.effects(&results), rest.effects(&results[3..]));
        results[5] = None;
        assert_eq!(trajectories.effects(&results), None);
    }
}
