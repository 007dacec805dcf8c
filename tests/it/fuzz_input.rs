//! Readers of people's files: whatever the bytes, the answer is a value or a problem, never a panic.
//!
//! Method: arbitrary bytes, and fragments of each format in any order, which get past the first checks.

use std::path::Path;

use proptest::prelude::*;
use writepath::models;
use writepath::redis::config::RedisConfig;
use writepath::redis::version::KNOWN;
use writepath::scenario::{info, redis_conf};

fn bytes() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Fragments in any order, some of them random.
fn fragments(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    let fragment =
        prop_oneof![prop::sample::select(known).prop_map(String::from), "\\PC{0,6}", "[0-9.eE+-]{0,8}"];
    prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat())
}

const MODEL: &[&str] = &[
    "[cpu]\n",
    "turn",
    " = ",
    "{ ",
    "value = ",
    "range = [",
    "source = \"x\"",
    ", ",
    " }\n",
    "] ",
    "\"1us\"",
    "'",
    "\n",
    "[[noise.class]]\n",
    "per-second = 1\n",
    "shortest = \"1us\"\n",
    "wakeup",
    "points = [[\"1us\", \"2us\"]]",
    "p50",
    "[disk]\n",
    "fdatasync",
    "é",
    "[meta]\n",
    "[fork",
    ".",
    "0x10",
    "nan",
    "true",
    "1979-05-27",
];

const CONF: &[&str] = &[
    "save ",
    "\"",
    "'",
    "\\x4",
    "\\",
    "\n",
    "\r\n",
    " ",
    "hz ",
    "maxmemory ",
    "kb",
    "gb",
    "-1",
    "yes",
    "appendfsync ",
    "#",
    "é",
    "\t",
    "client-output-buffer-limit ",
    "io-threads ",
    "save \"\"",
    "slowlog-log-slower-than ",
    "\0",
];

const INFO: &[&str] = &[
    "db0:",
    "db",
    "keys=",
    ",",
    "expires=",
    "avg_ttl=",
    "used_memory:",
    "\n",
    "\r\n",
    ":",
    "#",
    "redis_version:",
    "7.0.15",
    "é",
    "hz:",
    "server_time_usec:",
    "rdb_last_save_time:",
    "18446744073709551615",
    "mem_fragmentation_ratio:",
    "nan",
];

fn model_is_read(text: &str) {
    if let Err(problems) = models::parse(text, "m", "m") {
        assert!(!problems.0.is_empty() && !problems.to_string().is_empty());
    }
}

fn conf_is_read(text: &str) {
    match redis_conf::parse(text, Path::new("c")) {
        Err(problems) => assert!(!problems.0.is_empty()),
        Ok(directives) => {
            for version in KNOWN {
                let mut config = RedisConfig::defaults(*version);
                let (used, not_modelled, irrelevant, unknown, problems) =
                    redis_conf::apply_all(&mut config, &directives);
                let sum =
                    used.len() + not_modelled.len() + irrelevant.len() + unknown.len() + problems.0.len();
                assert_eq!(sum, directives.len());
                assert!((1..=500).contains(&config.hz) && (1..=128).contains(&config.io_threads));
            }
        }
    }
}

fn info_is_read(text: &str) {
    match info::parse(text, "i") {
        Err(problems) => assert!(!problems.0.is_empty()),
        Ok(dump) => drop(dump.version()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn bytes_never_panic_a_reader(text in bytes()) {
        model_is_read(&text);
        conf_is_read(&text);
        info_is_read(&text);
    }

    #[test]
    fn fragments_never_panic_the_model_reader(text in fragments(MODEL)) {
        model_is_read(&text);
    }

    #[test]
    fn fragments_never_panic_the_configuration_reader(text in fragments(CONF)) {
        conf_is_read(&text);
    }

    #[test]
    fn fragments_never_panic_the_info_reader(text in fragments(INFO)) {
        info_is_read(&text);
    }

    #[test]
    fn values_never_panic_an_override(name in prop::sample::select(models::price::PRICES.iter().map(|p| p.name).collect::<Vec<_>>()), value in "\\PC{0,20}|[0-9.:,=p/ unmsgKiB]{0,20}") {
        let mut model = models::blank("b");
        if models::override_price(&mut model, name, &value).is_ok() {
            prop_assert_eq!(models::values(&model).len(), models::price::PRICES.len());
        }
    }

    #[test]
    fn broken_model_files_never_panic(at in 0usize..20_000, with in "\\PC{0,3}") {
        let (_, text) = models::builtin().next().expect("a model");
        let mut at = at % text.len();
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        model_is_read(&format!("{}{with}{}", &text[..at], text[at..].get(1..).unwrap_or("")));
    }
}
