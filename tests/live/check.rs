//! `check --server`: what is really there is found, nothing is changed, and files of the same server say the same.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{each, theirs};

/// `writepath check` with these words: exit code, JSON object.
fn check(words: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    command.arg("check").args(words).args(["--format", "json", "--no-simulate"]).env_remove("REDISCLI_AUTH");
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}")),
    )
}

fn ids(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["id"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn faults_of_a_real_server_are_found_and_nothing_is_changed() {
    each(|program| {
        let directives = [
            ("save", ""),
            ("appendonly", "no"),
            ("latency-monitor-threshold", "0"),
            ("maxmemory", "100mb"),
            ("maxmemory-policy", "noeviction"),
        ];
        let mut server = theirs(program, &directives);
        let port = server.control().config_get("port").expect("it answers").expect("it has a port");
        let url = format!("redis://127.0.0.1:{port}");
        let script =
            "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'session:' .. i, 'x', 'EX', '3600') end";
        server.control().ask(&["EVAL", script, "0", "5000"]).expect("it runs scripts");
        let keys = |server: &mut writepath::live::spawned::Spawned| {
            server.control().number(&["DBSIZE"]).expect("it answers")
        };
        let before = keys(&mut server);
        let (code, report) = check(&["--server", &url, "--sample-keys", "2k"]);
        let found = ids(&report);
        assert_eq!(code, Some(1), "nothing is written to disk: {report}");
        for id in ["persistence-none", "latency-monitor-off", "expiry-together"] {
            assert!(found.contains(id), "{id}: {found:?}");
        }
        let unknown = report["unknown"].to_string();
        assert!(
            unknown.contains("times to live beyond the") && !unknown.contains("the setting"),
            "{unknown}"
        );
        // Nothing was written, and nothing that writes was tried.
        assert_eq!(keys(&mut server), before);
        let stats = server.control().info("commandstats").expect("it answers").raw().to_owned();
        let own = ["eval", "set", "dbsize", "ping", "hello", "client", "shutdown", "select", "auth"];
        let allowed = ["info", "config", "slowlog", "commandlog", "latency", "scan", "pttl"];
        for name in stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split([':', '|']).next()) {
            assert!(own.contains(&name) || allowed.contains(&name), "{name}");
        }
        // The same server's dump, through a file.
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("info.txt");
        std::fs::write(&file, server.control().info("everything").expect("it answers").raw())
            .expect("it can be written");
        let (_, of_file) = check(&["--info", &file.to_string_lossy()]);
        assert_eq!(of_file["server"]["keys"], report["server"]["keys"]);
        assert_eq!(of_file["server"]["version"], report["server"]["version"]);
    });
}

#[test]
fn a_server_that_is_not_there_is_a_fault_of_the_environment() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    let output =
        command.args(["check", "--server", "redis://127.0.0.1:1"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect to 127.0.0.1:1"));
}
