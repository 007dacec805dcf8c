//! The machine and the day, in a line each.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Processor, cores, memory and kernel; what the system does not tell is left out.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let plural = if cores == 1 { "" } else { "s" };
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let parts = [
        field("/proc/cpuinfo", "model name"),
        Some(format!("{cores} core{plural}")),
        memory.map(|kib| format!("{:.0} GiB", kib / f64::from(1 << 20))),
        kernel.map(|release| format!("Linux {}", release.trim())),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Today, `2026-11-28` (UTC).
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    day(seconds / 86_400)
}

/// The day so many days after 1 January 1970.
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms": eras of 400 years that begin on 1 March.
fn day(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let known =
            [(0, "1970-01-01"), (11_016, "2000-02-29"), (11_017, "2000-03-01"), (20_785, "2026-11-28")];
        for (days, wanted) in known {
            assert_eq!(day(days), wanted);
        }
    }

    #[test]
    fn a_machine_has_cores() {
        assert!(describe().contains(" core"), "{}", describe());
    }
}
