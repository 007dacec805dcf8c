use super::*;
use crate::experiment::design::cube::Cube;
use crate::math::normal_quantile;
use crate::rng::{Stream, StreamId, Streams, Uniform};

fn normal(random: &mut Stream) -> f64 {
    normal_quantile(random.unit())
}

/// Draws of `prices` prices of which `effect` makes the logarithm of the metric; `replications` values each, with what
/// replications share and with noise of deviation `noise`.
fn draws(
    (count, prices, replications): (u64, usize, usize),
    noise: f64,
    seed: u64,
    effect: impl Fn(&[f64]) -> f64,
) -> Vec<(Vec<f64>, Option<Vec<f64>>)> {
    let mut random = Streams::new(seed, 0).open(StreamId::Resampling, 1);
    let shared: Vec<f64> = (0..replications).map(|_| normal(&mut random)).collect();
    let cube = Cube::latin(count, prices, seed);
    (0..count)
        .map(|index| {
            let shares: Vec<f64> = (0..prices).map(|price| cube.at(index, price)).collect();
            let own = effect(&shares);
            let value = |shared: &f64| libm::exp(own + shared + noise * normal(&mut random));
            let values = shared.iter().map(value).collect();
            (shares, Some(values))
        })
        .collect()
}

#[test]
fn the_machine_s_interval_is_free_of_sampling() {
    // The logarithm is normal with deviation 0.5, so 90 % of machines are within ±1.645 · 0.5 of the centre. Sampling
    // of deviation 0.8, halved by four replications, and what replications share must not widen it.
    let widths: Vec<f64> = (0..200)
        .map(|seed| {
            let table = draws((100, 3, 4), 0.8, seed, |shares| 0.5 * normal_quantile(shares[1]));
            let spread = spread(&table).expect("enough draws");
            libm::log(spread.high / spread.low)
        })
        .collect();
    let expected = 2.0 * 1.645 * 0.5;
    let centre = mean(&widths);
    let error = (widths.iter().map(|width| (width - centre).powi(2)).sum::<f64>() / 199.0 / 200.0).sqrt();
    assert!((centre - expected).abs() < 4.0 * error, "{centre} against {expected} by {error}");
    // Without taking sampling out it would be wider by √(0.25 + 0.16) over 0.5, 28 %.
    assert!(centre < 1.1 * expected);
}

#[test]
fn without_an_effect_of_the_machine_the_interval_closes() {
    let shares: Vec<f64> = (0..50)
        .map(|seed| spread(&draws((40, 2, 5), 0.3, seed, |_| 0.0)).expect("enough draws").noise_share)
        .collect();
    // All of the variance is sampling: the quotient of two estimates of it, at most 1.
    assert!(mean(&shares) > 0.8, "{}", mean(&shares));
    let still = spread(&draws((40, 2, 5), 0.0, 1, |_| 0.0)).expect("enough draws");
    assert!((still.high / still.low - 1.0).abs() < 1e-12 && still.carriers.is_empty());
}

#[test]
fn the_prices_that_carry_the_spread_are_named_in_order() {
    let table = draws((60, 50, 2), 0.1, 3, |shares| 2.0 * shares[7] - shares[31] + 0.05 * shares[2]);
    let spread = spread(&table).expect("enough draws");
    let named: Vec<usize> = spread.carriers.iter().map(|carrier| carrier.price).collect();
    assert_eq!(named, [7, 31]);
    assert!(spread.carriers[0].correlation > 0.7 && spread.carriers[1].correlation < -0.2);
}

#[test]
fn a_price_that_does_nothing_is_rarely_named() {
    let trials = 500;
    let named = (0..trials)
        .filter(|&seed| !spread(&draws((20, 10, 2), 0.5, seed, |_| 0.0)).expect("enough").carriers.is_empty())
        .count() as f64;
    let share = named / trials as f64;
    // At most 5 %, and near it, since Holm's procedure over independent prices loses little.
    let error = (0.05f64 * 0.95 / trials as f64).sqrt();
    assert!((share - 0.05).abs() < 4.0 * error, "{share}");
}

#[test]
fn draws_that_cannot_run_are_counted_and_too_few_say_nothing() {
    let mut table = draws((12, 2, 2), 0.1, 3, |shares| shares[0]);
    (0..2).for_each(|index| table[index].1 = None);
    let found = spread(&table).expect("ten are left");
    assert_eq!((found.draws, found.failed), (10, 2));
    table[2].1 = None;
    assert_eq!(spread(&table), None);
    // Zeros are no logarithms: the spread is then that of the values.
    let zeros: Vec<_> = (0..39).map(|n| (vec![f64::from(n) / 39.0], Some(vec![f64::from(n); 2]))).collect();
    let found = spread(&zeros).expect("enough");
    // The second and the last but one of 39 have 5 % beyond them.
    assert!((found.low - 1.0).abs() < 1e-9 && (found.high - 37.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn ranks_share_ties() {
    assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    assert_eq!(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), 1.0);
    assert_eq!(correlation(&[1.0, 1.0], &[2.0, 4.0]), 0.0);
}

#[test]
fn a_conclusion_flips_only_beyond_chance() {
    let interval = |low: f64| Interval { value: low + 0.5, low, high: low + 1.0 };
    let (above, around, below) = (interval(1.0), interval(-0.5), interval(-3.0));
    let table = |opposite: usize| [vec![above; 40 - opposite], vec![below; opposite]].concat();
    // Of 40 draws 1 is beyond the wrong end by chance; 4 or more are with probability 0.017.
    for (opposite, expected) in [(0, false), (1, false), (3, false), (4, true), (40, true)] {
        let found = flips(&above, &table(opposite), 0.95);
        assert_eq!((found.opposite, found.flips), (opposite, expected));
        assert_eq!(found.same, 40 - opposite);
    }
    assert!(!flips(&around, &table(20), 0.95).flips);
    assert_eq!(
        flips(&below, &[around, below], 0.95),
        Flips { same: 1, unseen: 1, opposite: 0, flips: false }
    );
    assert!((at_least(1, 40, 0.025) - (1.0 - 0.975f64.powi(40))).abs() < 1e-12);
}
