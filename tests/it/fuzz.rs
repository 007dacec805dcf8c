//! No input makes the reader of scenarios panic: it resolves, or says what is wrong.
//!
//! PROPTEST_CASES is the number of cases of all properties together; else 100,000 in release, 8,000 otherwise.

use std::path::Path;

use proptest::prelude::*;
use writepath::scenario::builtin;
use writepath::scenario::problem::Problems;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::show::resolved_toml;

/// Pieces that a random recombination turns into nearly valid files.
const PIECES: &[&str] = &[
    "[redis]\n",
    "[dataset]\n",
    "[[workload]]\n",
    "[[event]]\n",
    "[machine]\n",
    "[run]\n",
    "[start]\n",
    "[cluster]\n",
    "rate = ",
    "keys = ",
    "memory = ",
    "mix = ",
    "at = ",
    "do = ",
    "for = ",
    "until = ",
    "save = ",
    "hz = ",
    "duration = ",
    "windows = ",
    "value-size = ",
    "schedule = ",
    "think = ",
    "name = ",
    "loop = ",
    "model = ",
    "version = ",
    "\"5000/s\"",
    "\"1GiB\"",
    "\"10s\"",
    "\"0\"",
    "\"é\"",
    "-1",
    "1e400",
    "nan",
    "18446744073709551616",
    "true",
    "[]",
    "{}",
    "[[\"0s\", \"1/s\"]]",
    "{ dist = \"zipf\", s = 0 }",
    "{ dist = \"uniform\", low = \"1B\", high = \"2B\" }",
    "{ SET = 1 }",
    "\"BGSAVE\"",
    "\"CONFIG SET hz\"",
    "\"closed\"",
    "1979-05-27",
    "\n",
    "\n",
    "\n",
    " = ",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "#",
    ".",
    "\u{0}",
];

/// Number of properties that share the cases.
const PROPERTIES: u32 = 4;

fn config() -> ProptestConfig {
    let default = if cfg!(debug_assertions) { 8_000 } else { 100_000 };
    let asked: Option<u32> = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(default).div_ceil(PROPERTIES);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn read(text: &str, overrides: &Overrides) -> Result<(), TestCaseError> {
    match resolve(text, "x.toml", Path::new("/nonexistent"), overrides) {
        Ok(scenario) => {
            let printed = resolved_toml(&scenario);
            let again = resolve(&printed, "x.toml", Path::new("/nonexistent"), &Overrides::default());
            let again = again.map_err(|problems| TestCaseError::fail(format!("{problems}\n{printed}")))?;
            prop_assert_eq!(again.workloads, scenario.workloads);
            prop_assert_eq!(again.dataset, scenario.dataset);
            prop_assert_eq!(again.events, scenario.events);
            prop_assert_eq!(again.run, scenario.run);
            prop_assert_eq!(again.redis, scenario.redis);
        }
        Err(Problems(problems)) => prop_assert!(!problems.is_empty(), "refused without a reason"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&String::from_utf8_lossy(&bytes), &Overrides::default())?;
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        read(&pieces.concat(), &Overrides::default())?;
    }

    #[test]
    fn a_built_in_scenario_with_a_piece_changed(
        which in 0_usize..12, at in any::<prop::sample::Index>(), cut in 0_usize..30,
        piece in prop::sample::select(PIECES),
    ) {
        let (_, text) = builtin::all().nth(which).expect("twelve scenarios");
        let mut text: Vec<char> = text.chars().collect();
        let from = at.index(text.len());
        let to = (from + cut).min(text.len());
        text.splice(from..to, piece.chars());
        read(&text.into_iter().collect::<String>(), &Overrides::default())?;
    }

    #[test]
    fn any_flags(
        which in 0_usize..12,
        table in prop::sample::select(&["redis", "dataset", "workload", "workload.workload-1", "event", "event.1", "machine", "run", "start", "x", ""][..]),
        key in prop::sample::select(&["keys", "memory", "rate", "schedule", "mix", "loop", "at", "do", "save", "hz", "seed", "windows", "keys.dist", "..", "version", "model", "value-size", "name", "fork.per-gib"][..]),
        value in prop_oneof![prop::sample::select(PIECES).prop_map(str::to_owned), ".{0,12}"],
        rate in prop::option::of(".{0,8}"), keys in prop::option::of("[0-9]{1,22}[kMG]?"),
    ) {
        let (_, text) = builtin::all().nth(which).expect("twelve scenarios");
        let overrides = Overrides { set: vec![format!("{table}.{key}={value}")], rate, keys, ..Overrides::default() };
        read(text, &overrides)?;
    }
}
