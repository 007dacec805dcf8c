//! How the values of a setting are written as numbers: what a range over it needs.

use crate::models::price;
use crate::models::unit::Unit;
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;
use crate::scenario::keys::{self, Kind};
use crate::scenario::{cluster_directives, directives};
use crate::units;

/// A number with its unit, as a setting takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A length of time \[ns\].
    Span,
    /// A size.
    Bytes,
    /// Bytes a second.
    Bandwidth,
    /// A whole number.
    Count,
    /// A number without unit.
    Number,
    /// A rate a second.
    Rate,
    /// A number or size of a redis.conf.
    Directive,
    /// A multiple of the model's own price, `x2`.
    Factor,
}

/// Names that flags have too, with the setting they stand for.
const SETTINGS_OF_FLAGS: &[(&str, &str)] = &[
    ("redis-version", "redis.version"),
    ("model", "machine.model"),
    ("rate", "workload.rate"),
    ("connections", "workload.connections"),
    ("pipeline", "workload.pipeline"),
    ("keys", "dataset.keys"),
    ("value-size", "dataset.value-size"),
    ("duration", "run.duration"),
    ("warmup", "run.warmup"),
    ("seed", "run.seed"),
    ("window", "run.windows"),
];

/// The setting that a key names: the key itself, or what a flag's name stands for.
pub fn setting(key: &str) -> &str {
    SETTINGS_OF_FLAGS.iter().find(|(flag, _)| *flag == key).map_or(key, |(_, setting)| setting)
}

impl Form {
    /// The form of a setting's numbers; none where it takes words, files, lists or is unknown.
    pub fn of(key: &str) -> Option<Form> {
        let (table, path) = setting(key).split_once('.')?;
        match table {
            "machine" => Form::of_price(price::find(path)?.unit),
            "redis" => {
                let known = |name: &str| name.eq_ignore_ascii_case(path);
                let named = |(name, value): &(&str, directives::DirectiveValue)| {
                    // A word has no order: a number or a size alone is a range's end.
                    known(name) && Form::Directive.parse(&value.plain()).is_ok()
                };
                let of_server = directives::fields(&RedisConfig::defaults(Version::redis(7, 2)));
                let mut all = of_server.into_iter().chain(cluster_directives::all());
                all.any(|directive| named(&directive)).then_some(Form::Directive)
            }
            _ => Form::of_table(table, path),
        }
    }

    fn of_price(unit: Unit) -> Option<Form> {
        match unit {
            Unit::Span | Unit::SpanPerKib | Unit::SpanPerMib | Unit::SpanPerGib | Unit::Spread => {
                Some(Form::Span)
            }
            Unit::Bytes => Some(Form::Bytes),
            Unit::Bandwidth => Some(Form::Bandwidth),
            Unit::Count => Some(Form::Count),
            Unit::Ratio => Some(Form::Number),
            Unit::Switch | Unit::HugeCow | Unit::Curve | Unit::Gaps => None,
        }
    }

    /// `path` is KEY, KEY.PART, and in repeated tables also GROUP.KEY and GROUP.KEY.PART.
    fn of_table(table: &str, path: &str) -> Option<Form> {
        let spec = keys::table(table)?;
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        match (spec.key(first), rest) {
            (Some(key), None) => Form::of_kind(key.kind),
            (Some(key), Some(part)) => Form::of_part(key.kind, part),
            (None, Some(rest)) if spec.repeated && !rest.is_empty() => {
                let (key, part) = rest.split_once('.').map_or((rest, None), |(key, part)| (key, Some(part)));
                let kind = spec.key(key)?.kind;
                part.map_or_else(|| Form::of_kind(kind), |part| Form::of_part(kind, part))
            }
            _ => None,
        }
    }

    fn of_kind(kind: Kind) -> Option<Form> {
        match kind {
            Kind::Span(..) | Kind::SpanDist | Kind::Ttl(_) | Kind::Backoff => Some(Form::Span),
            Kind::Bytes(..) | Kind::SizeDist => Some(Form::Bytes),
            Kind::Count(..) | Kind::SlotsOrCount => Some(Form::Count),
            Kind::Number(..) => Some(Form::Number),
            Kind::Rate => Some(Form::Rate),
            Kind::Bandwidth => Some(Form::Bandwidth),
            _ => None,
        }
    }

    /// A part of a setting that is a table: `keys.s`, `value-size.mean`, `ttl.jitter`.
    fn of_part(kind: Kind, part: &str) -> Option<Form> {
        match (kind, part) {
            (Kind::SizeDist | Kind::SpanDist | Kind::Ttl(_), "scv") => Some(Form::Number),
            (Kind::SizeDist, _) => Some(Form::Bytes),
            (Kind::SpanDist | Kind::Ttl(_) | Kind::Backoff, _) => Some(Form::Span),
            (Kind::Popularity, "s" | "share") => Some(Form::Number),
            (Kind::Popularity, _) => Some(Form::Count),
            (Kind::Wait(_), "timeout") => Some(Form::Span),
            (Kind::Wait(_), _) => Some(Form::Count),
            (Kind::Mix | Kind::Weights, _) => Some(Form::Number),
            _ => None,
        }
    }

    /// Reads a number of this form.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let text = text.trim().trim_matches(['"', '\'']);
        let plain = |text: &str| match text.replace('_', "").parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("{text:?} is not a number")),
        };
        match self {
            Form::Span => units::parse_span(text).map(|span| span as f64),
            Form::Bytes => units::parse_bytes(text).map(|bytes| bytes as f64),
            Form::Bandwidth => units::parse_bandwidth(text),
            Form::Count => units::parse_count(text).map(|count| count as f64),
            Form::Number => plain(text),
            Form::Rate => units::parse_rate(text),
            Form::Directive => plain(text).or_else(|_| units::parse_bytes(text).map(|bytes| bytes as f64)),
            Form::Factor => match text.strip_prefix('x') {
                Some(number) => plain(number),
                None => Err(format!("{text:?} is not a factor; write \"x{text}\"")),
            },
        }
    }

    /// A number as the setting takes it; [`Form::parse`] reads it back.
    pub fn text(self, number: f64) -> String {
        match self {
            Form::Span => Unit::Span.number_text(number),
            Form::Bytes => Unit::Bytes.number_text(number),
            Form::Bandwidth => Unit::Bandwidth.number_text(number),
            Form::Count | Form::Number | Form::Directive => number.to_string(),
            Form::Rate => format!("{number}/s"),
            Form::Factor => format!("x{number}"),
        }
    }

    /// Whether only whole numbers of its base unit exist.
    pub fn is_whole(self) -> bool {
        !matches!(self, Form::Number | Form::Rate | Form::Factor)
    }

    /// The unit in a column's name, base units only.
    pub fn suffix(self) -> &'static str {
        match self {
            Form::Span => "_ns",
            Form::Bytes => "_bytes",
            Form::Bandwidth => "_bytes_per_s",
            Form::Rate => "_per_s",
            Form::Factor => "_factor",
            Form::Count | Form::Number | Form::Directive => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_setting() {
        for (key, form) in [
            ("rate", Some(Form::Rate)),
            ("workload.rate", Some(Form::Rate)),
            ("workload.writers.rate", Some(Form::Rate)),
            ("workload.keys.s", Some(Form::Number)),
            ("workload.writers.keys.s", Some(Form::Number)),
            ("dataset.value-size.mean", Some(Form::Bytes)),
            ("dataset.value-size.scv", Some(Form::Number)),
            ("dataset.ttl.jitter", Some(Form::Span)),
            ("event.2.at", Some(Form::Span)),
            ("run.duration", Some(Form::Span)),
            ("machine.fork.per-gib", Some(Form::Span)),
            ("machine.disk.bandwidth", Some(Form::Bandwidth)),
            ("machine.client.threads", Some(Form::Count)),
            ("redis.hz", Some(Form::Directive)),
            ("redis.appendfsync", None),
            ("redis.maxmemory", Some(Form::Directive)),
            ("redis.cluster-node-timeout", Some(Form::Directive)),
            ("redis.appendonly", None),
            ("model", None),
            ("redis.version", None),
            ("machine.noise.class", None),
            ("workload.raet", None),
            ("nothing", None),
        ] {
            assert_eq!(Form::of(key), form, "{key}");
        }
    }

    #[test]
    fn numbers_are_printed_as_they_are_read() {
        for (form, text) in [
            (Form::Span, "22.5ms"),
            (Form::Bytes, "64MiB"),
            (Form::Bandwidth, "1.5GiB/s"),
            (Form::Count, "12"),
            (Form::Number, "0.25"),
            (Form::Rate, "1500.5/s"),
            (Form::Directive, "67108864"),
            (Form::Factor, "x1.5"),
        ] {
            assert_eq!(form.parse(text).map(|number| form.text(number)), Ok(text.to_owned()));
        }
        assert_eq!(Form::Directive.parse("64mb"), Ok(67_108_864.0));
        assert!(Form::Factor.parse("2").is_err_and(|error| error.contains("\"x2\"")));
        assert!(Form::Rate.parse("2").is_err() && Form::Number.parse("inf").is_err());
    }
}
