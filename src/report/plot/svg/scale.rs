//! Scales of figures: linear, logarithmic or one place a level, with the ticks that have room.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::report::plot::points::Axis;
use crate::report::plot::timeline::round_levels;

/// Width of a letter of a label, and height of a line of them \[pixels\].
const LETTER: f64 = 7.0;
const LINE: f64 = 16.0;
/// Share of a scale that is left free at either end.
const FREE: f64 = 0.04;
/// Most levels of an axis with a tick each.
const LEVELS_MAX: usize = 12;
/// Steps of time that people read easily \[s\].
const STEPS_OF_TIME: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0,
    21600.0, 43200.0, 86400.0, 172_800.0, 604_800.0,
];

/// In which direction a scale runs, and over how many pixels.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// To the right.
    Across(u32),
    /// Upwards.
    Up(u32),
}

/// A scale with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// One place for each of `labels`, at 0, 1, 2 and so on.
    pub fn of_places(labels: impl Iterator<Item = String>, room: Room) -> Scale {
        let ticks: Vec<(f64, String)> =
            labels.enumerate().map(|(place, label)| (place as f64, label)).collect();
        Scale { low: -0.5, high: ticks.len() as f64 - 0.5, logarithmic: false, ticks }.thinned(room)
    }

    /// The numbers of an axis of a sweep, a tick at each level if they are few.
    pub fn of_axis(axis: &Axis, room: Room) -> Scale {
        let (first, last) = (axis.numbers[0], axis.numbers[axis.numbers.len() - 1]);
        let ticks = axis.numbers.iter().copied().zip(axis.levels.iter().cloned()).collect();
        let mut scale = Scale { low: first, high: last, logarithmic: axis.logarithmic, ticks };
        scale.widen();
        if let (Some(measure), true) = (axis.measure, axis.numbers.len() > LEVELS_MAX) {
            let round = scale.round_ticks(room).into_iter();
            scale.ticks = round.map(|number| (number, measure.show(number))).collect();
        }
        scale.thinned(room)
    }

    /// Values from `low` to `high` of a metric: logarithmic, or linear from 0.
    pub fn of_values(
        (low, high): (f64, f64),
        logarithmic: bool,
        show: &dyn Fn(f64) -> String,
        room: Room,
    ) -> Scale {
        let start = if logarithmic { low } else { 0.0 };
        let end = if high > start { high } else { start + 1.0 };
        let mut scale = Scale { low: start, high: end, logarithmic, ticks: Vec::new() };
        scale.widen();
        if !logarithmic {
            scale.low = 0.0;
        }
        let levels =
            if logarithmic { logarithmic_ticks(scale.low, scale.high) } else { scale.even_ticks(room) };
        scale.ticks = levels.into_iter().map(|level| (level, show(level))).collect();
        scale.thinned(room)
    }

    /// Simulated time from `low` to `high` \[s\].
    pub fn of_time((low, high): (f64, f64), show: &dyn Fn(f64) -> String, room: Room) -> Scale {
        let mut scale = Scale { low, high: high.max(low + 1.0), logarithmic: false, ticks: Vec::new() };
        let wanted = scale.number_of_ticks(room);
        let step = STEPS_OF_TIME.into_iter().find(|step| (scale.high - low) / step <= wanted);
        let step = step.unwrap_or((scale.high - low) / wanted);
        let first = (low / step).ceil() as u64;
        let times = (first..).map(|number| number as f64 * step).take_while(|&time| time <= scale.high);
        scale.ticks = times.map(|time| (time, show(time))).collect();
        scale.thinned(room)
    }

    /// The same values and ticks, with `below` and `above` pixels of the room beyond its ends.
    pub fn with_strips(self, below: u32, above: u32, room: Room) -> Scale {
        let (Room::Across(pixels) | Room::Up(pixels)) = room;
        let each = 1.0 / f64::from(pixels.saturating_sub(below + above).max(1));
        let (below, above) = (f64::from(below) * each, f64::from(above) * each);
        if self.logarithmic {
            let factor = self.high / self.low;
            let (low, high) = (self.low / libm::pow(factor, below), self.high * libm::pow(factor, above));
            return Scale { low, high, ..self };
        }
        let length = self.high - self.low;
        Scale { low: self.low - below * length, high: self.high + above * length, ..self }
    }

    /// Its two ends.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Where `value` is between the ends, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            let start = libm::log(self.low);
            return (libm::log(value.max(f64::MIN_POSITIVE)) - start) / (libm::log(self.high) - start);
        }
        (value - self.low) / (self.high - self.low)
    }

    /// Leaves room at both ends.
    fn widen(&mut self) {
        if self.logarithmic {
            let factor = libm::pow(self.high / self.low, FREE).max(1.05);
            (self.low, self.high) = (self.low / factor, self.high * factor);
        } else {
            let free = FREE * (self.high - self.low);
            (self.low, self.high) = (self.low - free, self.high + free);
        }
    }

    fn number_of_ticks(&self, room: Room) -> f64 {
        match room {
            Room::Across(pixels) => (f64::from(pixels) / 80.0).max(2.0),
            Room::Up(pixels) => (f64::from(pixels) / 40.0).max(2.0),
        }
    }

    fn round_ticks(&self, room: Room) -> Vec<f64> {
        if self.logarithmic { logarithmic_ticks(self.low, self.high) } else { self.even_ticks(room) }
    }

    /// Multiples of a round step.
    fn even_ticks(&self, room: Room) -> Vec<f64> {
        let least = (self.high - self.low) / self.number_of_ticks(room);
        let step = round_levels(least, 10.0 * least).first().copied().unwrap_or(least);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|number| number as f64 * step).take_while(|&tick| tick <= self.high).collect()
    }

    /// Only ticks whose labels do not touch.
    fn thinned(mut self, room: Room) -> Scale {
        let mut end = f64::NEG_INFINITY;
        let mut kept = Vec::new();
        for (value, label) in std::mem::take(&mut self.ticks) {
            let (pixels, size) = match room {
                Room::Across(pixels) => (pixels, LETTER * (label.chars().count() + 1) as f64),
                Room::Up(pixels) => (pixels, LINE),
            };
            let middle = self.share(value) * f64::from(pixels);
            if middle - size / 2.0 >= end {
                end = middle + size / 2.0;
                kept.push((value, label));
            }
        }
        self.ticks = kept;
        self
    }
}

/// Powers of ten between the ends; 1, 2 and 5 times them where they are fewer than three.
fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    let all = round_levels(low, high);
    // Of every three, the first of a decade: `round_levels` begins anywhere in one.
    let is_power = |level: &f64| {
        let power = libm::log10(*level);
        (power - power.round()).abs() < 1e-6
    };
    let powers: Vec<f64> = all.iter().copied().filter(is_power).collect();
    if powers.len() < 3 { all } else { powers }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (self.share(*value) * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|tick| tick.0 == *value).map_or_else(String::new, |tick| tick.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::metric::Unit;

    fn values(scale: &Scale) -> Vec<f64> {
        scale.ticks.iter().map(|tick| tick.0).collect()
    }

    #[test]
    fn a_logarithmic_scale_has_equal_room_for_equal_factors() {
        let scale = Scale::of_values((1e5, 1e8), true, &|value| Unit::Nanos.show(value), Room::Up(300));
        assert_eq!(values(&scale), [1e5, 1e6, 1e7, 1e8]);
        assert_eq!(scale.format_ext(&1e6), "1.00 ms");
        let pixels: Vec<i32> = values(&scale).iter().map(|value| scale.map(value, (300, 0))).collect();
        let steps: Vec<i32> = pixels.windows(2).map(|pair| pair[0] - pair[1]).collect();
        assert!(steps.iter().all(|step| (step - 93).abs() <= 1), "{pixels:?}");
        let narrow = Scale::of_values((1.5e5, 1.2e6), true, &|value| Unit::Nanos.show(value), Room::Up(300));
        assert_eq!(values(&narrow), [2e5, 5e5, 1e6]);
    }

    #[test]
    fn a_linear_scale_starts_at_zero_and_has_round_steps() {
        let scale = Scale::of_values((3.0, 97.0), false, &|value| format!("{value}"), Room::Up(200));
        assert_eq!(values(&scale), [0.0, 50.0, 100.0]);
        assert_eq!((scale.map(&0.0, (200, 0)), scale.map(&scale.ends().1, (200, 0))), (200, 0));
        let flat = Scale::of_values((0.0, 0.0), false, &|value| format!("{value}"), Room::Up(200));
        assert_eq!(flat.map(&0.0, (200, 0)), 200);
    }

    #[test]
    fn strips_take_their_pixels_of_the_room() {
        for logarithmic in [false, true] {
            let plain =
                Scale::of_values((1.0, 100.0), logarithmic, &|value| format!("{value}"), Room::Up(200));
            let (low, high) = plain.ends();
            let stripped = plain.with_strips(30, 20, Room::Up(200));
            assert_eq!((stripped.map(&low, (200, 0)), stripped.map(&high, (200, 0))), (170, 20));
        }
    }

    #[test]
    fn time_has_steps_of_clocks_and_labels_never_touch() {
        let scale =
            Scale::of_time((60.0, 21_600.0), &|seconds| format!("{} min", seconds / 60.0), Room::Across(600));
        assert_eq!(values(&scale), [3600.0, 7200.0, 10_800.0, 14_400.0, 18_000.0, 21_600.0]);
        let long = |place: usize| format!("a level with a long name {place}");
        let crowded = Scale::of_places((0..20).map(long), Room::Across(600));
        let room = |pair: &[f64]| pair.iter().map(|place| crowded.map(place, (0, 600))).collect::<Vec<_>>();
        let pixels = room(&values(&crowded));
        assert!(pixels.len() >= 3 && pixels.windows(2).all(|pair| pair[1] - pair[0] >= 27 * 7), "{pixels:?}");
    }
}
