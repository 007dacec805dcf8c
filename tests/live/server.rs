//! A redis-server of one experiment: temporary folder, free port, killed at the end whatever happens.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::reply::{Reply, encode};

/// How long a server may take to start and to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server and a connection to ask it.
pub struct Server {
    // Dropped in this order: the sweeper must not find another process under the server's number.
    _sweeper: Process,
    process: Process,
    folder: Folder,
    port: u16,
    control: TcpStream,
    unread: Vec<u8>,
}

/// A folder that goes with its value.
struct Folder(PathBuf);

impl Folder {
    /// A new folder; no other server of this machine has `port` now.
    fn new(port: u16) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("writepath-live-{}-{port}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that ends with its value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that waits for the end of this one, however it comes, then kills the server and removes its folder.
///
/// It is in a process group of its own, so that an interrupt from the keyboard leaves it alone.
fn sweeper(server: &Process, folder: &Folder) -> Result<Process, String> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$1\"; sleep 0.1; rm -rf \"$2\"", "sweeper"])
        .args([server.0.id().to_string().as_ref(), folder.0.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(Process)
        .map_err(|error| format!("sh: {error}"))
}

impl Server {
    /// Starts `program` on any free port without snapshots, with `options` as on its command line.
    pub fn start(program: &str, options: &[&str]) -> Result<Self, String> {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        Server::start_at(port, program, options, None)
    }

    /// The same on `port`, with `file` (name and text) in its folder.
    pub fn start_at(
        port: u16,
        program: &str,
        options: &[&str],
        file: Option<(&str, &str)>,
    ) -> Result<Self, String> {
        let folder = Folder::new(port)?;
        if let Some((name, text)) = file {
            let path = folder.0.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let mut process = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(options)
            .current_dir(&folder.0)
            .stdout(Stdio::null())
            .spawn()
            .map(Process)
            .map_err(|error| format!("{program}: {error}"))?;
        let sweeper = sweeper(&process, &folder)?;
        let begun = Instant::now();
        let control = loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                break stream;
            }
            let ended = process.0.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                return Err(match ended {
                    Some(status) => format!("{program} has ended: {status}"),
                    None => format!("{program} does not listen"),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut server = Server { _sweeper: sweeper, process, folder, port, control, unread: Vec::new() };
        server.control.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        server.ask(&["PING"])?;
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Time that the main thread has run so far \[ns\], as the scheduler counts it: waiting is not in it.
    pub fn main_thread_ns(&mut self) -> Result<u64, String> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.process.0.id()));
        let counted = text.ok().and_then(|text| text.split(' ').next()?.parse().ok());
        // Kernels without schedstat: INFO's figure, in microseconds.
        counted.map_or_else(|| Ok((self.cpu_s()? * 1e9) as u64), Ok)
    }

    /// A non-blocking connection.
    pub fn connect(&self) -> Result<TcpStream, String> {
        let open = || {
            let stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        open().map_err(|error: std::io::Error| format!("cannot connect: {error}"))
    }

    /// Sends one command and waits for its reply, which must be no error.
    pub fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut bytes = Vec::new();
        encode(&mut bytes, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        self.send(&bytes, 1)
    }

    /// Sends `bytes` of `commands` commands and waits for all replies; returns the last.
    pub fn send(&mut self, bytes: &[u8], commands: usize) -> Result<Reply, String> {
        self.control.write_all(bytes).map_err(|error| format!("the server does not read: {error}"))?;
        let mut last = Reply::Nil;
        for _ in 0..commands {
            last = self.receive()?;
            if let Reply::Error(error) = last {
                return Err(format!("the server refuses: {error}"));
            }
        }
        Ok(last)
    }

    /// Sends `bytes` of `commands` commands and reads past all replies, whatever they are; returns the first error
    /// that is no redirect.
    pub fn pass(&mut self, bytes: &[u8], commands: usize) -> Result<(), String> {
        self.control.write_all(bytes).map_err(|error| format!("the server does not read: {error}"))?;
        let mut buffer = vec![0; 1 << 16];
        let (mut passed, mut at) = (0, 0);
        while passed < commands {
            let read =
                self.control.read(&mut buffer).map_err(|error| format!("the server is silent: {error}"))?;
            if read == 0 {
                return Err("the server has closed its connection".to_owned());
            }
            self.unread.extend_from_slice(&buffer[..read]);
            while let Some(length) = length(&self.unread[at..]) {
                if self.unread[at] == b'-' && !self.unread[at..].starts_with(b"-MOVED ") {
                    return Err(String::from_utf8_lossy(&self.unread[at..at + length]).into_owned());
                }
                (passed, at) = (passed + 1, at + length);
            }
            self.unread.drain(..at);
            at = 0;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Reply, String> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some((reply, length)) =
                (!self.unread.is_empty()).then(|| Reply::first(&self.unread)).flatten()
            {
                self.unread.drain(..length);
                return Ok(reply);
            }
            let read =
                self.control.read(&mut buffer).map_err(|error| format!("the server is silent: {error}"))?;
            if read == 0 {
                return Err("the server has closed its connection".to_owned());
            }
            self.unread.extend_from_slice(&buffer[..read]);
        }
    }

    /// `INFO section` as text.
    pub fn info(&mut self, section: &str) -> Result<Info, String> {
        match self.ask(&["INFO", section])? {
            Reply::Bulk(text) => Ok(Info::from(&text)),
            other => Err(format!("INFO answers {other:?}")),
        }
    }

    /// CPU time of the main thread so far \[s\] (6.2 on; of the process before).
    pub fn cpu_s(&mut self) -> Result<f64, String> {
        let info = self.info("cpu")?;
        let sum = |suffix: &str| {
            Some(info.get(&format!("used_cpu_user{suffix}"))? + info.get(&format!("used_cpu_sys{suffix}"))?)
        };
        sum("_main_thread").or_else(|| sum("")).ok_or("INFO has no used_cpu_user".to_owned())
    }

    /// Bytes of the AOF: of its incremental files (7.0 on) or the whole.
    pub fn aof(&self) -> Result<Vec<u8>, String> {
        let mut paths: Vec<PathBuf> = [self.folder.0.join("appendonlydir"), self.folder.0.clone()]
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".incr.aof") || name == "appendonly.aof"
            })
            .collect();
        paths.sort();
        let mut bytes = Vec::new();
        for path in paths {
            bytes.extend(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
        Ok(bytes)
    }
}

/// Length of the whole reply of RESP2 that `bytes` begin with; none while it has not all come.
fn length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut replies) = (0, 1);
    while replies > 0 {
        let line = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        let number = || std::str::from_utf8(&bytes[at + 1..line]).ok()?.parse::<i64>().ok();
        let next = match bytes[at] {
            b'*' => {
                replies += number()?.max(0);
                line + 2
            }
            b'$' if number()? >= 0 => line + 2 + number()? as usize + 2,
            _ => line + 2,
        };
        (at, replies) = (next, replies - 1);
    }
    (at <= bytes.len()).then_some(at)
}

/// The text of INFO.
pub struct Info(String);

impl From<&Vec<u8>> for Info {
    fn from(text: &Vec<u8>) -> Self {
        Info(String::from_utf8_lossy(text).into_owned())
    }
}

impl Info {
    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
    }

    /// The number in a field.
    pub fn get(&self, field: &str) -> Option<f64> {
        self.text(field)?.trim().parse().ok()
    }

    /// The number in a field that must be there.
    pub fn need(&self, field: &str) -> Result<f64, String> {
        self.get(field).ok_or(format!("INFO has no {field}: the server is too old for this experiment"))
    }
}
