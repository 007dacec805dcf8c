//! Real servers: what is measured on them, and that nothing of it stays behind.
//!
//! `WRITEPATH_SERVERS` names the programs, separated by colons; without it every test here ends at once.
//!
//! ```text
//! WRITEPATH_SERVERS=redis-server:/opt/valkey/bin/valkey-server cargo test --release --test live -- --test-threads 1
//! ```

mod check;
mod faults;
mod loads;
mod safety;
mod tls;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use writepath::live::spawned::{SpawnOptions, Spawned};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Programs to test with.
fn servers() -> Vec<String> {
    let list = std::env::var("WRITEPATH_SERVERS").unwrap_or_default();
    list.split(':').filter(|program| !program.is_empty()).map(str::to_owned).collect()
}

/// Runs `test` with every server.
fn each(test: impl Fn(&str)) {
    let servers = servers();
    if servers.is_empty() {
        println!("skipped: set WRITEPATH_SERVERS to servers, separated by colons");
    }
    for program in servers {
        println!("{program}");
        test(&program);
    }
}

/// A server that plays somebody else's.
fn theirs(program: &str, directives: &[(&str, &str)]) -> Spawned {
    let directives =
        directives.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = SpawnOptions { program: program.to_owned(), directives, ..SpawnOptions::default() };
    Spawned::start(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// `writepath load` with a folder of its own for temporary files.
struct Load {
    command: Command,
    folder: TempDir,
}

impl Load {
    fn new(words: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
        command
            .arg("load")
            .args(words)
            .arg("--sleep")
            .env("TMPDIR", folder.path())
            .env_remove("REDISCLI_AUTH");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Load { command, folder }
    }

    /// A scenario of a file beside.
    fn of(scenario: &str, words: &[&str]) -> Self {
        let mut load = Load::new(&[]);
        let path = load.folder.path().join("live.toml");
        std::fs::write(&path, scenario).expect("it can be written");
        load.command.arg(path).args(words);
        load
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn run(mut self) -> Ended {
        let output = self.command.output().expect("the program runs");
        Ended { output, folder: self.folder }
    }

    fn start(mut self) -> (Child, TempDir) {
        (self.command.spawn().expect("the program runs"), self.folder)
    }
}

/// A run that has ended.
struct Ended {
    output: Output,
    folder: TempDir,
}

impl Ended {
    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The JSON object it printed; it has left nothing in its folder for temporary files.
    fn json(&self) -> Value {
        assert_eq!(self.code(), Some(0), "{}", self.said());
        assert_no_folder(self.folder.path());
        serde_json::from_slice(&self.output.stdout).expect("it prints JSON")
    }

    /// It failed for a reason of the environment, and said so and what to do in these words.
    fn assert_failed(&self, parts: &[&str]) {
        let said = self.said();
        assert_eq!(self.code(), Some(3), "{said}");
        assert!(said.starts_with("error: "), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} in {said}");
        }
        assert_no_folder(self.folder.path());
    }
}

/// No server's folder is left.
fn assert_no_folder(temporary: &Path) {
    assert_eq!(server_folders(temporary), 0, "in {}", temporary.display());
}

fn server_folders(temporary: &Path) -> usize {
    let entries = std::fs::read_dir(temporary).expect("a folder").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("writepath-server-")).count()
}

/// Waits until `holds`.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// SETs for `duration`, a thousand a second.
fn steady(duration: &str) -> String {
    format!(
        "[dataset]\nkeys = \"1k\"\nvalue-size = \"100B\"\n[[workload]]\nloop = \"open\"\nrate = \"1000/s\"\n\
         connections = 10\noperation = \"SET\"\n[run]\nduration = \"{duration}\"\nwarmup = \"500ms\"\nwindows = [\"1s\"]\n"
    )
}
