//! Keys that come due together and the cycle that deletes them. The article's fifth check.

use super::{Rule, count, field, ms, seconds, times};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};
use crate::check::ttl_sample::{JITTER_S, Peak};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "expiry-together",
        Severity::Serious,
        "SCAN and PTTL (--server), db0",
        "two fifths of the keys with a TTL come due within a minute, or a twentieth within a second; serious where so \
         many do within a second that it takes longer to delete them",
        together,
    ),
    Rule::new(
        "expiry-over-time",
        Severity::Serious,
        "expired_time_cap_reached_count, uptime_in_seconds, expired_stale_perc",
        "expire cycles ended by their time limit; serious from 1 % of the time",
        over_time,
    ),
    Rule::new(
        "expiry-slices",
        Severity::Warning,
        "active-expire-effort, hz, dynamic-hz",
        "slices of the expire cycle may be longer than 25 ms",
        slices,
    ),
];

/// Time to delete a key, propagation included \[s\]: 1 to 3 us for small strings.
const DELETE_S: f64 = 2e-6;
/// Share of the main thread that a storm gets.
const STORM_SHARE: f64 = 0.6;

/// Longest slice of the slow cycle \[ms\].
fn slice_ms(facts: &Facts) -> f64 {
    let config = &facts.settings.config;
    let share = 25.0 + 2.0 * (f64::from(config.active_expire_effort) - 1.0);
    share * 10.0 / f64::from(config.hz.max(1))
}

fn together(facts: &Facts) -> Option<Finding> {
    let sample = facts.input(&facts.ttl, "a sample of TTLs (--server)")?;
    let peak = sample.synchronised()?;
    let with_ttl = facts.info.as_ref().and_then(|info| info.dump.expires).unwrap_or(0) as f64;
    let second = sample.peak(1000)?;
    let of_all = |peak: &Peak| (peak.share * with_ttl).max(peak.sampled as f64);
    let (keys, at_once) = (of_all(&peak), of_all(&second));
    let storm = at_once * DELETE_S / STORM_SHARE;
    let within = seconds(peak.bin_ms as f64 / 1000.0);
    let per_s = keys / JITTER_S;
    let mut evidence = vec![
        field(
            "sampled",
            format!(
                "{} keys, {} with a TTL, in {}",
                sample.keys,
                sample.remaining_ms.len(),
                seconds(sample.seconds)
            ),
        ),
        field(
            "due together",
            format!("{:.0} % within {within}, {} from now", 100.0 * peak.share, ms(peak.start_ms as f64)),
        ),
        field("if spread evenly", format!("{:.1} %", 100.0 * peak.even)),
    ];
    evidence.extend(facts.show(&["db0", "hz"]));
    let finding = Finding::new(
        if storm >= 1.0 { Severity::Serious } else { Severity::Warning },
        evidence,
        format!(
            "About {} keys come due within {within}, {} from now, {} of them within one second: slices of up to {} that \
             block everybody, up to 60 % of the thread for about {}, and a DEL each for AOF and replicas. Whatever fills \
             them again comes at once too.",
            count(keys.round()),
            ms(peak.start_ms as f64),
            count(at_once.round()),
            ms(slice_ms(facts)),
            seconds(storm)
        ),
        format!(
            "jitter: EX plus a random 0 to {JITTER_S:.0} s makes it {} keys a second, {:.1} % of the thread; hz 100 keeps \
             slices at 2.5 ms for keys that are already written",
            count(per_s.ceil()),
            100.0 * per_s * DELETE_S
        ),
    );
    Some(finding.priced(Price::Storm(second.share), &[("dataset.ttl.jitter", "300s")]))
}

fn over_time(facts: &Facts) -> Option<Finding> {
    let (capped, uptime) = (facts.number("expired_time_cap_reached_count")?, facts.uptime_s()?);
    let slice = slice_ms(facts);
    let share = capped * slice / 1000.0 / uptime;
    (capped >= 10.0).then(|| {
        let stale = facts.number_if_any("expired_stale_perc").unwrap_or(0.0);
        let memory = match stale > 10.0 {
            true => format!(" {stale:.0} % of the keys with a TTL are past it and still in memory."),
            false => String::new(),
        };
        let finding = Finding::new(
            if share >= 0.01 { Severity::Serious } else { Severity::Warning },
            facts.show(&["expired_time_cap_reached_count", "uptime_in_seconds", "expired_keys", "expired_stale_perc", "hz"]),
            format!(
                "{} the expire cycle used all of its time, up to {} in a row, {:.2} % of all time: more keys came due \
                 than it could delete.{memory}",
                times(capped),
                ms(slice),
                100.0 * share
            ),
            "jitter on TTLs; hz 100 for the same work in slices of 2.5 ms; not a higher active-expire-effort, which makes \
             them longer",
        );
        finding.priced(Price::Storm(0.5), &[("redis.hz", "100")])
    })
}

fn slices(facts: &Facts) -> Option<Finding> {
    let effort = facts.config("active-expire-effort")?.active_expire_effort;
    let slice = slice_ms(facts);
    (effort > 1 && slice > 25.0).then(|| {
        let finding = Finding::new(
            Severity::Warning,
            facts.show(&["active-expire-effort", "hz", "dynamic-hz"]),
            format!(
                "When many keys come due, expiry blocks for up to {} at a time instead of 25 ms.",
                ms(slice)
            ),
            "hz 100 with this effort: the same share of the thread in shorter slices",
        );
        finding.priced(Price::Storm(0.5), &[("redis.hz", "100")])
    })
}
