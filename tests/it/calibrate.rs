//! Method: `calibrate --quick` with every server that `WRITEPATH_SERVERS` names (programs, separated by colons); nothing is
//! measured without. A machine that is busy with something else is allowed to be off by half; a price that is wrong by a
//! factor of two in the toolchain is caught by the library's test on the simulator.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use writepath::models;

const PROGRAM: &str = env!("CARGO_BIN_EXE_writepath");

fn servers() -> Vec<String> {
    let named = std::env::var("WRITEPATH_SERVERS").unwrap_or_default();
    named.split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Processes whose command line contains `word`.
fn processes(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("there are processes");
    let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let lines = entries.flatten().filter_map(of).map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.filter(|line| line.contains(word)).count()
}

fn command(server: &str, folder: &Path, output: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["calibrate", "--spawn", server, "-o", output]).current_dir(folder).env("TMPDIR", folder);
    command
}

fn left(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").flatten();
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".toml"))
        .collect()
}

#[test]
fn a_quick_calibration_gives_a_whole_model_and_leaves_nothing_behind() {
    for server in servers() {
        let folder = tempfile::tempdir().expect("a folder");
        let output =
            command(&server, folder.path(), "mine.toml").args(["--quick", "--format", "json"]).output();
        let output = output.expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{server}: {errors}");
        let path = folder.path().join("mine.toml");
        let (model, source) =
            models::load(path.to_str().expect("a path")).unwrap_or_else(|error| panic!("{error}"));
        let prior = models::load("two-core-vm").expect("built in").0;
        // Every price is there, and what a server and a disk surely tell is not the prior's.
        assert_eq!(models::values(&model).len(), models::price::PRICES.len());
        let measured = |name: &str| {
            let price = source.prices.iter().find(|price| price.name == name).expect("a price");
            price.source.starts_with("measured ")
        };
        for name in
            ["cpu.set", "cpu.get", "cpu.ping", "disk.bandwidth", "disk.fdatasync", "child.rdb-per-key"]
        {
            assert!(
                measured(name),
                "{server}: {name} is not measured\n{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        assert!(model.server.starts_with(|c: char| c.is_ascii_alphanumeric()) && prior.server.is_empty());
        // Costs of a command lie between those of a fast core and of a slow, busy one.
        for (name, cost) in [("set", model.cpu.set), ("get", model.cpu.get), ("incr", model.cpu.incr)] {
            assert!((100..20_000).contains(&cost), "{server}: {name} {cost} ns");
        }
        assert_eq!(left(folder.path()), Vec::<String>::new(), "{server}");
        assert_eq!(processes(&folder.path().display().to_string()), 0, "{server}");
    }
}

#[test]
fn an_interrupt_leaves_neither_file_nor_server() {
    for server in servers() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = command(&server, folder.path(), "mine.toml")
            .args(["--only", "loop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        // Its server is there.
        let begun = Instant::now();
        while left(folder.path()).iter().all(|name| !name.starts_with("writepath-server-")) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{server}: no server is started");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
        let interrupted =
            Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(interrupted.success());
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(130), "{server}");
        assert_eq!(left(folder.path()), Vec::<String>::new(), "{server}");
        assert!(!folder.path().join("mine.toml").exists());
    }
}

#[test]
fn a_server_that_dies_is_a_fault_of_the_environment() {
    for server in servers() {
        let folder = tempfile::tempdir().expect("a folder");
        let child = command(&server, folder.path(), "mine.toml")
            .args(["--only", "loop"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let begun = Instant::now();
        let own = child.id().to_string();
        // Children of the program that are not its sweeper: the servers.
        let server_of = || {
            let text = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
            text.split_whitespace().map(str::to_owned).find(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    String::from_utf8_lossy(&line).contains("writepath.conf")
                        || String::from_utf8_lossy(&line).contains("127.0.0.1")
                })
            })
        };
        // The first one is only asked for its version.
        std::thread::sleep(Duration::from_secs(2));
        let victim = loop {
            if let Some(pid) = server_of() {
                break pid;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{server}: no server is started");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(Command::new("kill").args(["-9", &victim]).status().expect("kill").success());
        let output = child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{server}: {errors}");
        assert!(errors.contains("error: "), "{server}: {errors}");
        assert_eq!(left(folder.path()), Vec::<String>::new(), "{server}");
    }
}
