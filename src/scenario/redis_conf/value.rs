//! Values of directives, as config.c reads them. Errors say what is expected.

use crate::redis::config::SavePoint;

/// `yes` or `no`, in any case.
pub fn yes_no(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("expected yes or no".to_string()),
    }
}

/// A whole number between `low` and `high`.
pub fn integer(value: &str, low: i64, high: i64) -> Result<i64, String> {
    match value.parse::<i64>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ if high == i64::MAX => Err(format!("expected a whole number from {low} up")),
        _ => Err(format!("expected a whole number from {low} to {high}")),
    }
}

/// Bytes as `memtoull` (util.c) reads them: no unit or b, k = 1000, kb = 1024, m, mb, g, gb, in any case.
pub fn memory(value: &str) -> Result<u64, String> {
    let expected =
        || "expected whole bytes with no unit or one of b, k, kb, m, mb, g, gb, such as 64mb".to_string();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let scale: u64 = match value[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err(expected()),
    };
    value[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(expected)
}

/// One of `choices` by name, in any case.
pub fn one_of<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|choice| choice.0.eq_ignore_ascii_case(value));
    found.map(|choice| choice.1).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|choice| choice.0).collect();
        format!("expected one of: {}", names.join(", "))
    })
}

/// Pairs of seconds ≥ 1 and changes ≥ 0; empty for none. Several pairs in one directive came with Redis 7.0.
pub fn save_points(value: &str, several: bool) -> Result<Vec<SavePoint>, String> {
    let expected = || "expected pairs of seconds (1 up) and changes (0 up), or \"\"".to_string();
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let number =
        |word: &str, low: u64| word.parse::<u64>().ok().filter(|n| *n >= low && *n <= i64::MAX as u64);
    let points: Option<Vec<SavePoint>> = words
        .chunks(2)
        .map(|pair| match pair {
            [seconds, changes] => {
                Some(SavePoint { seconds: number(seconds, 1)?, changes: number(changes, 0)? })
            }
            _ => None,
        })
        .collect();
    match points {
        Some(points) if points.len() > 1 && !several => {
            Err("expected one pair a line: several came with Redis 7.0".to_string())
        }
        Some(points) => Ok(points),
        None => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_server_reads_it() {
        assert_eq!(memory("1k"), Ok(1000));
        assert_eq!(memory("1KB"), Ok(1024));
        assert_eq!(memory("64mb"), Ok(64 << 20));
        assert_eq!(memory("2G"), Ok(2_000_000_000));
        assert_eq!(memory("100"), Ok(100));
        for wrong in ["", "mb", "-1", "1.5gb", "1kib", "1 mb", "99999999999gb", "é"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn save_points_come_in_pairs() {
        assert_eq!(save_points("", true), Ok(Vec::new()));
        assert_eq!(save_points("3600 1 300 100", true).map(|points| points.len()), Ok(2));
        assert!(save_points("3600 1 300 100", false).is_err());
        for wrong in ["3600", "0 1", "1 -1", "a b", "1 2 3"] {
            assert!(save_points(wrong, true).is_err(), "{wrong}");
        }
    }
}
