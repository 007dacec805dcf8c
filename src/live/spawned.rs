//! A server of our own: a temporary folder, a free loopback port, and nothing left of either at the end.
//!
//! Whoever holds a [`Spawned`] ends server and folder by dropping it. A process that is killed drops nothing: therefore a
//! sweeper, a shell in a process group of its own, waits for the end of its standard input, which the system closes with us.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::address::Address;
use super::control::Control;
use super::error::{LiveError, Result};
use super::process::MainThread;

/// How long a server may take to start, its data loaded.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(10);
/// Highest port that is chosen: a node of a cluster listens on its port + 10,000 too.
const HIGHEST_PORT: u16 = 55_000;
/// How often another port is tried when somebody else was faster.
const ATTEMPTS: u32 = 5;
/// Lines of the server's log that an error shows.
const LAST_WORDS: usize = 5;
/// Waits for our end, however it comes; the first line it reads is the server's process group.
const SWEEPER: &str = "read -r group; while read -r _; do :; done; \
    [ -n \"$group\" ] && kill -s KILL -- \"-$group\"; sleep 0.1; rm -rf -- \"$1\"";

/// What to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnOptions {
    /// The program, a path or a name on the PATH.
    pub program: String,
    /// Directives of redis.conf with their values, as a redis.conf has them; the last of a name holds. There are no
    /// snapshots (`save ""`) unless told.
    pub directives: Vec<(String, String)>,
    /// The port; any free one if none.
    pub port: Option<u16>,
    /// A file that stands in its folder from the start: name and text.
    pub file: Option<(String, String)>,
}

/// A running server of our own.
pub struct Spawned {
    server: Process,
    sweeper: Process,
    folder: TempDir,
    port: u16,
    control: Control,
}

/// A process that is the first of its group; the group ends with it.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        // Of its own group: Ctrl-C is for us, who then end it in order.
        command.process_group(0).spawn().map(Process)
    }

    /// Ends the group, forked children too, without collecting it: its number stays taken.
    fn kill(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id() as i32) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}

impl Spawned {
    /// Starts the server and waits until it answers and has loaded what is in its folder.
    ///
    /// # Errors
    /// [`LiveError::Program`] with the server's last words when it does not start.
    pub fn start(options: &SpawnOptions) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let port = options.port.map_or_else(free_port, Ok)?;
            match Spawned::start_at(port, options) {
                Err(LiveError::Program { reason, .. })
                    if options.port.is_none() && reason.contains("in use") && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn start_at(port: u16, options: &SpawnOptions) -> Result<Self> {
        let cannot = |error| LiveError::system("make a temporary folder", error);
        let folder = tempfile::Builder::new().prefix("writepath-server-").tempdir().map_err(cannot)?;
        let mut files = vec![("writepath.conf", conf(port, options))];
        files.extend(options.file.as_ref().map(|(name, text)| (name.as_str(), text.clone())));
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::write(&path, text)
                .map_err(|error| LiveError::system(format!("write {}", path.display()), error))?;
        }
        let mut sweeper = sweeper(folder.path())?;
        let mut server = launch(&options.program, folder.path())?;
        if let Some(input) = &mut sweeper.0.stdin {
            // It reads as soon as it runs; if it cannot, the server still ends with this value.
            let _ = writeln!(input, "{}", server.0.id());
        }
        let control = wait_for(&mut server, &options.program, port, folder.path())?;
        Ok(Spawned { server, sweeper, folder, port, control })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.0.id()
    }

    /// Its main thread.
    pub fn main_thread(&self) -> MainThread {
        MainThread::of(self.pid())
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its address, for more connections.
    pub fn address(&self) -> &Address {
        self.control.address()
    }

    /// A connection to it.
    pub fn control(&mut self) -> &mut Control {
        &mut self.control
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.server.0.try_wait(), Ok(None))
    }

    /// Ends it and removes its folder, as dropping it does.
    pub fn stop(self) {}
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // The server first and not collected, so that the sweeper, if it wakes now, finds no other under its number.
        self.server.kill();
        self.sweeper.kill();
    }
}

/// A port of the loopback interface on which nobody listens.
fn free_port() -> Result<u16> {
    let cannot = |error| LiveError::system("find a free port", error);
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        if port <= HIGHEST_PORT {
            return Ok(port);
        }
    }
}

/// The server's redis.conf.
fn conf(port: u16, options: &SpawnOptions) -> String {
    let own = [("bind", "127.0.0.1"), ("daemonize", "no"), ("logfile", "\"\""), ("save", "\"\"")];
    let mut text = format!("port {port}\n");
    own.iter().for_each(|(name, value)| text.push_str(&format!("{name} {value}\n")));
    for (name, value) in &options.directives {
        let words: Vec<&str> = value.split_whitespace().collect();
        match (name.as_str(), words.as_slice()) {
            (_, []) => text.push_str(&format!("{name} \"\"\n")),
            // Several pairs on one line are understood from 7.0 on only.
            ("save", pairs) if pairs.len() > 2 && pairs.len().is_multiple_of(2) => {
                pairs.chunks(2).for_each(|pair| text.push_str(&format!("save {} {}\n", pair[0], pair[1])));
            }
            _ => text.push_str(&format!("{name} {value}\n")),
        }
    }
    text
}

fn sweeper(folder: &Path) -> Result<Process> {
    let mut command = Command::new("sh");
    command.args([OsStr::new("-c"), OsStr::new(SWEEPER), OsStr::new("sweeper"), folder.as_os_str()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Process::start(&mut command).map_err(|error| LiveError::system("run sh", error))
}

fn launch(program: &str, folder: &Path) -> Result<Process> {
    let log = folder.join("server.log");
    let cannot = |error| LiveError::system(format!("write {}", log.display()), error);
    let out = File::create(&log).map_err(cannot)?;
    let err = out.try_clone().map_err(cannot)?;
    // A relative path is meant from here, not from the folder. Links stay: some servers are told by their name what they are.
    let found = if program.contains('/') { std::path::absolute(program) } else { Ok(program.into()) };
    let started = found.and_then(|path| {
        let mut command = Command::new(path);
        command.arg("writepath.conf").current_dir(folder);
        Process::start(command.stdin(Stdio::null()).stdout(out).stderr(err))
    });
    started.map_err(|error| LiveError::Program {
        program: program.to_owned(),
        reason: error.to_string(),
        remedy: "name a redis-server or valkey-server that can be run".to_owned(),
    })
}

/// Waits until the server answers.
fn wait_for(server: &mut Process, program: &str, port: u16, folder: &Path) -> Result<Control> {
    let begun = Instant::now();
    let failed = |reason: String, remedy: &str| LiveError::Program {
        program: program.to_owned(),
        reason,
        remedy: remedy.to_owned(),
    };
    loop {
        if let Ok(Some(status)) = server.0.try_wait() {
            let reason = format!("has ended at once ({status}); its last words:\n{}", last_words(folder));
            return Err(failed(reason, "correct the directive it names, or name another program"));
        }
        let answer = Control::connect(&Address::local(port)).and_then(|mut control| {
            control.ask(&["PING"])?;
            // Somebody else may have taken the port meanwhile.
            let is_ours = control.info("server")?.number("process_id") == Some(f64::from(server.0.id()));
            Ok(is_ours.then_some(control))
        });
        match answer {
            Ok(Some(control)) => return Ok(control),
            Ok(None) => {}
            Err(LiveError::Connect { .. }) => {}
            Err(error) if error.code() == Some("LOADING") => {}
            // It listens for nobody yet, or asks for the password that its directives set.
            Err(error) if begun.elapsed() > Duration::from_secs(1) => return Err(error),
            Err(_) => {}
        }
        if begun.elapsed() > PATIENCE {
            let reason =
                format!("does not answer after {PATIENCE:?}; its last words:\n{}", last_words(folder));
            return Err(failed(reason, "is it a Redis or Valkey server?"));
        }
        std::thread::sleep(LOOK);
    }
}

/// The end of the server's log, indented.
fn last_words(folder: &Path) -> String {
    let text = fs::read(folder.join("server.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = &lines[lines.len().saturating_sub(LAST_WORDS)..];
    shown.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_written_for_old_and_new_servers() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let directives = vec![pair("save", "3600 1 300 100"), pair("requirepass", ""), pair("hz", "100")];
        let text = conf(7000, &SpawnOptions { directives, ..SpawnOptions::default() });
        assert!(text.starts_with("port 7000\n") && text.contains("\nbind 127.0.0.1\n"), "{text}");
        assert!(
            text.ends_with("\nsave \"\"\nsave 3600 1\nsave 300 100\nrequirepass \"\"\nhz 100\n"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_is_missing_or_no_server_is_named() {
        let start = |program: &str| {
            let options = SpawnOptions { program: program.to_owned(), ..SpawnOptions::default() };
            Spawned::start(&options).err().expect("it is no server").to_string()
        };
        let missing = start("/no/such/redis-server");
        assert!(
            missing.starts_with("/no/such/redis-server: ") && missing.contains("redis-server or"),
            "{missing}"
        );
        // ls: there is a file of that name, and it ends.
        let other = start("ls");
        assert!(other.contains("has ended at once") && other.contains("    writepath.conf"), "{other}");
    }
}
