//! Quantities of the model: what the numbers mean, how they are read and printed.
//!
//! Inside the simulator a point or a length of simulated time is a whole number of nanoseconds, so that
//! sums and comparisons are exact and a run repeats to the byte. Files and flags write quantities with
//! their unit (`"250us"`, `"64MiB"`, `"5000/s"`, `"10M"`).

/// Nanoseconds of simulated time: a point counted from the start of the run, or a length.
///
/// Names tell which: `…_at` is a point, everything else is a length. 2^64 ns are 584 years.
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const MICROSECOND: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MILLISECOND: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;
/// A point in time that never comes.
pub const NEVER: Nanos = Nanos::MAX;
/// One KiB in bytes.
pub const KIB: u64 = 1 << 10;
/// One MiB in bytes.
pub const MIB: u64 = 1 << 20;
/// One GiB in bytes.
pub const GIB: u64 = 1 << 30;

/// Reads a length of time with its unit (`"250us"`, `"1.5 ms"`, `"6h"`; ns, us, µs, ms, s, min or m, h, d).
///
/// Errors say what is expected; they do not repeat where the text stood.
pub fn parse_span(text: &str) -> Result<Nanos, String> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "d" => 86400e9,
        "" if number == 0.0 => 1.0,
        "" => return Err(format!("{text:?} has no unit; write \"{text}ms\" or \"{text}s\"")),
        _ => return Err(format!("{unit:?} is no unit of time; use ns, us, ms, s, m, h or d")),
    };
    whole(number * scale, text)
}

/// Reads a number of bytes (`"64MiB"`, `"100B"`, `"1kb"`; B, KiB, MiB, GiB, TiB, and redis.conf's k, kb, m, mb, g, gb,
/// where `kb` is 1024 and `k` is 1000, in any case).
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "kb" | "kib" => 1024.0,
        "mb" | "mib" => 1048576.0,
        "gb" | "gib" => 1073741824.0,
        "tb" | "tib" => 1099511627776.0,
        "" if number == 0.0 => 1.0,
        "" => return Err(format!("{text:?} has no unit; write \"{text}B\" or \"{text}KiB\"")),
        _ => return Err(format!("{unit:?} is no unit of size; use B, KiB, MiB, GiB or TiB")),
    };
    whole(number * scale, text)
}

/// Reads a rate a second (`"5000/s"`, `"20k/s"`, `"1.2M/s"`, `"600/min"`).
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let Some((count, per)) = text.trim().rsplit_once('/') else {
        return Err(format!("{text:?} has no unit; write \"{}/s\"", text.trim()));
    };
    let scale = match per.trim() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("{other:?} is no unit of time for a rate; use /s, /min or /h")),
    };
    Ok(parse_number(count)? / scale)
}

/// Reads a bandwidth in bytes a second (`"1.4GB/s"`, `"200MiB/s"`).
pub fn parse_bandwidth(text: &str) -> Result<f64, String> {
    let Some(bytes) = text.trim().strip_suffix("/s") else {
        return Err(format!("{text:?} is no bandwidth; write for example \"200MiB/s\""));
    };
    Ok(parse_bytes(bytes)? as f64)
}

/// Reads a count (`"10M"`, `"1_000_000"`, `"1e9"`, `"500k"`; k, M, G or B are powers of 1000).
pub fn parse_count(text: &str) -> Result<u64, String> {
    whole(parse_number(text)?, text)
}

/// A number with an optional k, M, G suffix.
fn parse_number(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" | "B" => 1e9,
        _ => return Err(format!("{unit:?} after a number is none of k, M, G")),
    };
    Ok(number * scale)
}

/// Splits `"250us"` into 250 and `us`.
fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let is_number = |(i, c): (usize, char)| {
        let exponent = matches!(c, 'e' | 'E')
            && text[i + 1..].starts_with(|d: char| d.is_ascii_digit() || d == '+' || d == '-');
        let sign = matches!(c, '+' | '-') && (i == 0 || text[..i].ends_with(['e', 'E']));
        c.is_ascii_digit() || c == '.' || c == '_' || exponent || sign
    };
    let end = text.char_indices().find(|&at| !is_number(at)).map_or(text.len(), |(i, _)| i);
    let number: f64 =
        text[..end].replace('_', "").parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    if !number.is_finite() || number < 0.0 {
        return Err(format!("{text:?} is not a number from 0 up"));
    }
    Ok((number, text[end..].trim()))
}

fn whole(number: f64, text: &str) -> Result<u64, String> {
    if number < 9e18 { Ok(number.round() as u64) } else { Err(format!("{text:?} is too large")) }
}

/// Prints a length of time for people, three significant digits: `240 ms`, `61.0 us`, `2.05 s`, `1 h 30 min`.
pub fn format_span(span: Nanos) -> String {
    let value = span as f64;
    let (number, unit) = match span {
        0..=999 => return format!("{span} ns"),
        1_000..=999_499 => (value / 1e3, "us"),
        999_500..=999_499_999 => (value / 1e6, "ms"),
        999_500_000..=119_999_999_999 => (value / 1e9, "s"),
        _ => {
            let minutes = (value / 60e9).round() as u64;
            return match (minutes / 60, minutes % 60) {
                (0, m) => format!("{m} min"),
                (h, 0) => format!("{h} h"),
                (h, m) => format!("{h} h {m} min"),
            };
        }
    };
    format!("{} {unit}", three_digits(number))
}

/// Prints a number of bytes for people: `64 MiB`, `1.50 GiB`, `148 B`.
pub fn format_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1023.5 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{} {}", three_digits(value), units[unit]) }
}

/// Prints a count or rate for people: `108 M`, `5 000`, `1.20 M`; plain below 10,000.
pub fn format_count(count: f64) -> String {
    match count {
        c if c < 100.0 && c.fract() != 0.0 => three_digits(c),
        c if c < 9_999.5 => format!("{c:.0}"),
        c if c < 999_500.0 => format!("{} k", three_digits(c / 1e3)),
        c if c < 999_500_000.0 => format!("{} M", three_digits(c / 1e6)),
        c => format!("{} G", three_digits(c / 1e9)),
    }
}

fn three_digits(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_their_units() {
        assert_eq!(parse_span("250us"), Ok(250_000));
        assert_eq!(parse_span("1.5 ms"), Ok(1_500_000));
        assert_eq!(parse_span("6h"), Ok(21600 * SECOND));
        assert_eq!(parse_bytes("64MiB"), Ok(64 * MIB));
        assert_eq!(parse_bytes("1kb"), Ok(1024));
        assert_eq!(parse_bytes("100B"), Ok(100));
        assert_eq!(parse_rate("20k/s"), Ok(20_000.0));
        assert_eq!(parse_rate("600/min"), Ok(10.0));
        assert_eq!(parse_count("10M"), Ok(10_000_000));
        assert_eq!(parse_count("1e9"), Ok(1_000_000_000));
        assert_eq!(parse_count("1_000"), Ok(1000));
        assert_eq!(parse_bandwidth("1.4GiB/s"), Ok(1503238554.0));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_a_remedy() {
        assert!(parse_span("250").unwrap_err().contains("no unit"));
        assert!(parse_span("3 parsecs").unwrap_err().contains("no unit of time"));
        assert!(parse_rate("50000").unwrap_err().contains("\"50000/s\""));
        for text in ["", "-1s", "1e400s", "NaN s", "é", "e", "+", "1e", "99999999999999h"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_printed_with_three_digits() {
        assert_eq!(format_span(240_000_000), "240 ms");
        assert_eq!(format_span(61_000), "61.0 us");
        assert_eq!(format_span(999_999), "1.00 ms");
        assert_eq!(format_span(5400 * SECOND), "1 h 30 min");
        assert_eq!(format_bytes(1536 * MIB), "1.50 GiB");
        assert_eq!(format_count(108e6), "108 M");
    }
}
