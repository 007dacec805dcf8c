//! What the operating system knows of a server's process (Linux: `/proc`).

use std::fs;

use super::error::{LiveError, Result};

/// The main thread of a process: the one that executes commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainThread {
    pid: u32,
}

impl MainThread {
    /// Of the process `pid`. Nothing is looked at yet.
    pub fn of(pid: u32) -> Self {
        MainThread { pid }
    }

    /// The process.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Time it has run so far \[ns\], as the scheduler counts it: waiting is not in it.
    ///
    /// # Errors
    /// [`LiveError::System`] when the process is gone or the kernel keeps no such count; then
    /// [`Info::cpu_ns`](super::info::Info::cpu_ns) knows it in microseconds.
    pub fn cpu_ns(self) -> Result<u64> {
        self.first_number("schedstat", |text| text.split_whitespace().next()?.parse().ok())
    }

    /// Page faults without I/O so far, copy-on-write among them.
    ///
    /// # Errors
    /// [`LiveError::System`].
    pub fn minor_faults(self) -> Result<u64> {
        // The name, which may contain blanks, ends with the last parenthesis; minflt is the 8th field after it.
        self.first_number("stat", |text| text.rsplit_once(')')?.1.split_whitespace().nth(7)?.parse().ok())
    }

    /// How often it has given up the CPU by itself (slept) and been taken off it, so far.
    ///
    /// # Errors
    /// [`LiveError::System`].
    pub fn context_switches(self) -> Result<(u64, u64)> {
        self.first_number("status", |text| {
            let of =
                |field: &str| text.lines().find_map(|line| line.strip_prefix(field))?.trim().parse().ok();
            Some((of("voluntary_ctxt_switches:")?, of("nonvoluntary_ctxt_switches:")?))
        })
    }

    fn first_number<T>(self, file: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let path = format!("/proc/{pid}/task/{pid}/{file}", pid = self.pid);
        let text =
            fs::read_to_string(&path).map_err(|error| LiveError::system(format!("read {path}"), error))?;
        read(&text).ok_or_else(|| {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it has not the usual form");
            LiveError::system(format!("read {path}"), source)
        })
    }
}

/// A process that `pid` has forked and that still runs: a server's child that saves or rewrites. The youngest of several.
pub fn child_of(pid: u32) -> Option<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    match fs::read_to_string(path) {
        Ok(text) => {
            text.split_whitespace().filter_map(|child| child.parse().ok()).rfind(|child| runs(*child))
        }
        // Kernels without CONFIG_PROC_CHILDREN: every process says who its parent is.
        Err(_) => fs::read_dir("/proc")
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|child| stat(*child).is_some_and(|(state, parent)| parent == pid && state != "Z"))
            .max(),
    }
}

/// Whether a process is there and not only waiting to be collected.
pub fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_found_while_it_runs() {
        let mut parent = Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .stdout(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let begun = std::time::Instant::now();
        let child = loop {
            if let Some(child) = child_of(parent.id()) {
                break child;
            }
            assert!(begun.elapsed().as_secs() < 10, "the shell starts its command");
            std::thread::yield_now();
        };
        assert!(runs(child) && runs(parent.id()));
        assert!(MainThread::of(parent.id()).minor_faults().expect("it runs") > 0);
        let _ = Command::new("kill").arg(child.to_string()).status();
        parent.wait().expect("it ends with its child");
        assert!(!runs(parent.id()) && child_of(parent.id()).is_none());
    }

    #[test]
    fn cpu_time_grows_with_work_and_not_with_sleep() {
        // Tests run on threads of their own, so the main thread of this process mostly waits.
        let own = MainThread::of(std::process::id());
        let (before, switches) = (own.cpu_ns().expect("it runs"), own.context_switches().expect("it runs"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(own.cpu_ns().expect("it runs") - before < 50_000_000);
        assert!(own.context_switches().expect("it runs").0 >= switches.0);
        assert!(MainThread::of(u32::MAX).cpu_ns().is_err());
    }
}
