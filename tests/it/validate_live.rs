//! `validate` on real servers: those that `WRITEPATH_SERVERS` names, programs with `:` between; without it nothing is tried.
//!
//! Other work of the machine makes everything slower, so ratios are held to wide bounds: such that a price that is wrong by
//! a factor of two would still leave them.

use std::fs;
use std::process::Command;

use writepath::validate::outcome::{Row, Validation};
use writepath::validate::verdict::Verdict;

/// Cases of every kind that are quick.
const CASES: &str =
    "pipeline-16-connections-50,size-4KiB,fork-0.5-gib,expiry-hz-10,lua,one-replica,resync,reshard";

fn servers() -> Vec<String> {
    let named = std::env::var("WRITEPATH_SERVERS").unwrap_or_default();
    named.split(':').filter(|program| !program.is_empty()).map(str::to_owned).collect()
}

/// Validates `program`; its result, and what is left in its folder for temporary files.
fn validate(program: &str) -> (Validation, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["validate", "--spawn", program, "--model", "two-core-vm", "--only", CASES])
        .args(["--repeats", "1", "--seeds", "2", "--format", "json", "--quiet"])
        .env("TMPDIR", folder.path())
        .output()
        .expect("it runs");
    // 1: a figure misses, which a busy machine makes it do.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{program}: {code:?} {}", String::from_utf8_lossy(&output.stderr));
    let entries = fs::read_dir(folder.path()).expect("it is there").flatten();
    let left = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    (serde_json::from_slice(&output.stdout).expect("JSON"), left)
}

fn row<'v>(validation: &'v Validation, workload: &str, metric: &str) -> &'v Row {
    let found = validation.rows.iter().find(|row| row.workload == workload && row.metric == metric);
    found.unwrap_or_else(|| panic!("{workload} has {metric}"))
}

#[test]
fn a_real_server_is_measured_predicted_and_gone() {
    for program in servers() {
        let (validation, left) = validate(&program);
        assert_eq!(left, [""; 0], "{program} leaves something behind");
        for row in &validation.rows {
            assert_ne!(
                row.verdict,
                Verdict::Skipped,
                "{program}: {} {} {:?}",
                row.workload,
                row.metric,
                row.reason
            );
        }
        let server = &validation.head.server;
        // Counts follow from keys and seed, whatever the machine does besides.
        for metric in ["lost-increments", "without-ttl"] {
            assert_eq!(row(&validation, "lua", metric).verdict, Verdict::Pass, "{server}: {metric}");
        }
        assert_eq!(row(&validation, "reshard", "keys-moved").ratio, Some(1.0), "{server}");
        // Time on a core is the server's own: a busy machine makes it longer by its caches, not by waiting.
        for case in ["pipeline-16-connections-50", "size-4KiB"] {
            let ratio = row(&validation, case, "cpu").ratio.expect("both sides have it");
            assert!((0.5..1.8).contains(&ratio), "{server}: {case} {ratio}");
        }
        let share = row(&validation, "expiry-hz-10", "cycle-share").ratio.expect("both sides have it");
        assert!((0.5..1.9).contains(&share), "{server}: {share}");
    }
}
