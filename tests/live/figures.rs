//! Figures of one experiment as one line of JSON, and quantiles.

use std::fmt::Write;

/// Keys and values in the order in which they were told.
#[derive(Default)]
pub struct Figures(String);

impl Figures {
    fn key(&mut self, key: &str) {
        let separator = if self.0.is_empty() { "" } else { ", " };
        let _ = write!(self.0, "{separator}\"{key}\": ");
    }

    /// A text without characters that JSON escapes.
    pub fn text(&mut self, key: &str, value: &str) {
        assert!(!value.contains(['"', '\\', '\n']), "{value} needs no escapes");
        self.key(key);
        let _ = write!(self.0, "\"{value}\"");
    }

    /// A whole number.
    pub fn count(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }

    /// A number; null if it is none.
    pub fn number(&mut self, key: &str, value: f64) {
        self.maybe(key, Some(value));
    }

    /// A number, or null.
    pub fn maybe(&mut self, key: &str, value: Option<f64>) {
        self.key(key);
        match value.filter(|value| value.is_finite()) {
            Some(value) => {
                // Rust prints the shortest text that reads back as the same number; six digits are plenty here.
                let _ = write!(self.0, "{}", format!("{value:.6}").parse::<f64>().unwrap_or(value));
            }
            None => self.0.push_str("null"),
        }
    }

    /// Quantiles of times \[ns\], with the names that the simulator's output has; null of no times.
    pub fn quantiles(&mut self, key: &str, sorted: &Sorted) {
        self.key(key);
        if sorted.0.is_empty() {
            self.0.push_str("null");
            return;
        }
        self.0.push('{');
        for (index, (name, value)) in sorted.named().into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let _ = write!(self.0, "{separator}\"{name}\": {value}");
        }
        self.0.push('}');
    }

    /// The whole object.
    pub fn line(&self) -> String {
        format!("{{{}}}", self.0)
    }
}

/// Times in ascending order \[ns\].
pub struct Sorted(Vec<u64>);

impl Sorted {
    /// Sorts `times`.
    pub fn from(times: impl IntoIterator<Item = u64>) -> Self {
        let mut times: Vec<u64> = times.into_iter().collect();
        times.sort_unstable();
        Sorted(times)
    }

    /// The smallest time that at least the share `q` does not pass; 0 of no times.
    pub fn at(&self, q: f64) -> u64 {
        let rank = (self.0.len() as f64 * q).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(0)
    }

    /// Mean, rounded down; 0 of no times.
    pub fn mean(&self) -> u64 {
        let sum: u128 = self.0.iter().map(|time| u128::from(*time)).sum();
        (sum / self.0.len().max(1) as u128) as u64
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("mean", self.mean()),
            ("p50", self.at(0.5)),
            ("p90", self.at(0.9)),
            ("p99", self.at(0.99)),
            ("p999", self.at(0.999)),
            ("p9999", self.at(0.9999)),
            ("max", self.at(1.0)),
        ]
    }
}

/// Milliseconds for a table.
pub fn ms(nanos: u64) -> String {
    format!("{:.2} ms", nanos as f64 / 1e6)
}
