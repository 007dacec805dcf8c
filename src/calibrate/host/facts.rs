//! What the machine says of itself: `/proc`, `/sys` and the file system.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::models::unit::Value;
use crate::units::{KIB, MILLISECOND, SECOND};

use super::super::book::{Book, Finding};

/// What is known of a machine without measuring; none where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Model of the CPU.
    pub cpu: Option<String>,
    /// Cores this process may use.
    pub cores: Option<u64>,
    /// Between two ticks of the kernel's clock \[ns\].
    pub tick: Option<u64>,
    /// Runs under a hypervisor.
    pub virtual_machine: bool,
    /// Memory \[bytes\].
    pub memory: Option<u64>,
    /// Memory that programs can have now \[bytes\].
    pub available: Option<u64>,
    /// Kernel's release.
    pub kernel: Option<String>,
    /// File system and device of the data folder.
    pub file_system: Option<String>,
    /// `transparent_hugepage/enabled`.
    pub thp: Option<String>,
    /// `vm.overcommit_memory`.
    pub overcommit: Option<u64>,
    /// Caches of the first core by level \[bytes\]: second, third.
    pub caches: [Option<u64>; 2],
    /// Dirty bytes at which write-back starts, and at which writers wait.
    pub dirty: [Option<u64>; 2],
    /// Age of dirty pages and period of write-back \[ns\].
    pub dirty_times: [Option<u64>; 2],
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The kernel's configuration, where it shows it or its package left it.
fn kernel_config() -> Option<String> {
    let mut text = String::new();
    let shown = fs::File::open("/proc/config.gz").ok();
    match shown.map(|file| GzDecoder::new(file).read_to_string(&mut text)) {
        Some(Ok(_)) => Some(text),
        _ => read(format!("/boot/config-{}", read("/proc/sys/kernel/osrelease")?)),
    }
}

/// Between two ticks by CONFIG_HZ \[ns\].
fn tick(config: &str) -> Option<u64> {
    let hz: u64 = config.lines().find_map(|line| line.strip_prefix("CONFIG_HZ="))?.trim().parse().ok()?;
    SECOND.checked_div(hz)
}

fn number(path: &str) -> Option<u64> {
    read(path)?.parse().ok()
}

impl Facts {
    /// Those of this machine, its data on the disk of `folder`.
    pub fn of(folder: &Path) -> Self {
        let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
        let meminfo = read("/proc/meminfo").unwrap_or_default();
        let memory = memory_field(&meminfo, "MemTotal");
        let dirty = |bytes: &str, ratio: &str| {
            number(&format!("/proc/sys/vm/{bytes}")).filter(|bytes| *bytes > 0).or_else(|| {
                Some((memory? as f64 * number(&format!("/proc/sys/vm/{ratio}"))? as f64 / 100.0) as u64)
            })
        };
        let time = |name: &str| Some(number(&format!("/proc/sys/vm/{name}"))? * 10 * MILLISECOND);
        Facts {
            cpu: cpu_field(&cpuinfo, "model name"),
            cores: std::thread::available_parallelism().ok().map(|cores| cores.get() as u64),
            tick: kernel_config().and_then(|config| tick(&config)),
            virtual_machine: cpu_field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory,
            available: memory_field(&meminfo, "MemAvailable"),
            kernel: read("/proc/sys/kernel/osrelease"),
            file_system: folder
                .canonicalize()
                .ok()
                .and_then(|folder| file_system(&read("/proc/self/mountinfo")?, &folder)),
            thp: read("/sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())),
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            caches: [2, 3].map(cache),
            dirty: [
                dirty("dirty_background_bytes", "dirty_background_ratio"),
                dirty("dirty_bytes", "dirty_ratio"),
            ],
            dirty_times: [time("dirty_expire_centisecs"), time("dirty_writeback_centisecs")],
        }
    }

    /// The machine in one line.
    pub fn line(&self) -> String {
        let kind = if self.virtual_machine { "VM" } else { "machine" };
        let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
        let parts = [
            self.cores.map(|cores| format!("{kind} with {cores} cores")),
            self.cpu.clone(),
            self.memory.map(gib),
            self.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
            self.file_system.clone(),
            self.thp.as_ref().map(|thp| format!("huge pages {thp}")),
        ];
        let known: Vec<String> = parts.into_iter().flatten().collect();
        if known.is_empty() { "a machine that says nothing of itself".to_owned() } else { known.join(", ") }
    }

    /// Writes what is a price into the book.
    pub fn tell(&self, book: &mut Book, is_local: bool) {
        let mut told = |price, value: Option<Value>, how: &str| match value {
            Some(value) => {
                let range = match value {
                    Value::Number(number) => (number, number),
                    _ => (1.0, 1.0),
                };
                book.found(Finding { price, value, range, how: how.to_owned(), residual: None });
            }
            None => book.skip(price, format!("{how}: not readable here")),
        };
        let bytes = |number: Option<u64>| number.map(|number| Value::Number(number as f64));
        told("machine.cores", bytes(self.cores), "cores that this process may use");
        told("machine.tick", bytes(self.tick), "CONFIG_HZ of the kernel's configuration");
        told("machine.memory", bytes(self.memory), "MemTotal of /proc/meminfo");
        told(
            "machine.overcommit",
            self.overcommit.map(|how| Value::Switch(how == 1)),
            "vm.overcommit_memory",
        );
        let always = self.thp.as_ref().map(|thp| Value::Switch(thp == "always"));
        told("machine.thp-always", always, "transparent_hugepage/enabled");
        told("machine.l3", bytes(self.caches[1]), "/sys/devices/system/cpu/cpu0/cache");
        told("machine.l2", bytes(self.caches[0]), "/sys/devices/system/cpu/cpu0/cache");
        told(
            "disk.dirty-background",
            bytes(self.dirty[0]),
            "vm.dirty_background_bytes or _ratio of the memory",
        );
        told("disk.dirty-limit", bytes(self.dirty[1]), "vm.dirty_bytes or _ratio of the memory");
        told("disk.dirty-expire", bytes(self.dirty_times[0]), "vm.dirty_expire_centisecs");
        told("disk.dirty-writeback", bytes(self.dirty_times[1]), "vm.dirty_writeback_centisecs");
        told("client.local", Some(Value::Switch(is_local)), "where the server is");
        told("client.threads", Some(Value::Number(1.0)), "the client of the measurements has one thread");
    }
}

fn cpu_field(cpuinfo: &str, name: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A field of /proc/meminfo \[bytes\].
fn memory_field(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * KIB)
}

/// Size of the data or unified cache of this level of the first core \[bytes\].
fn cache(level: u64) -> Option<u64> {
    let folders = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    folders.flatten().map(|entry| entry.path()).find_map(|path| {
        let is_it =
            read(path.join("level"))?.parse() == Ok(level) && read(path.join("type"))? != "Instruction";
        is_it.then(|| read(path.join("size")))?.and_then(|size| cache_size(&size))
    })
}

/// `32768K` or `32M` \[bytes\].
fn cache_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => KIB,
        "M" => KIB * KIB,
        "G" => KIB * KIB * KIB,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// File system and device of the mount that `folder` lies on.
fn file_system(mountinfo: &str, folder: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        folder.starts_with(point).then_some((point.len(), right))
    });
    let right = mounts.max_by_key(|mount| mount.0)?.1;
    let mut words = right.split(' ');
    Some(format!("{} on {}", words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_those_of_the_kernels_configuration() {
        assert_eq!(
            tick("# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n"),
            Some(4 * MILLISECOND)
        );
        assert_eq!(
            [tick("CONFIG_HZ=1000"), tick("CONFIG_HZ=0"), tick("CONFIG_HZ_250=y")],
            [Some(MILLISECOND), None, None]
        );
    }

    #[test]
    fn the_kernels_files_are_read_as_they_are() {
        let meminfo = "MemTotal:       24630420 kB\nMemFree:         100 kB\nMemAvailable:   9000000 kB\n";
        assert_eq!(memory_field(meminfo, "MemTotal"), Some(24_630_420 * 1024));
        assert_eq!((memory_field(meminfo, "Mem"), memory_field(meminfo, "Swap")), (None, None));
        assert_eq!(
            (cache_size("512K"), cache_size("32M"), cache_size("7"), cache_size("1X")),
            (Some(512 * KIB), Some(32 * KIB * KIB), Some(7), None)
        );
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(cpu_field(cpuinfo, "model name").as_deref(), Some("AMD EPYC"));
        assert_eq!(cpu_field(cpuinfo, "flags").as_deref(), Some("fpu hypervisor"));
        let mounts = "22 1 8:1 / / rw - ext4 /dev/vda rw\n30 22 0:5 / /tmp rw,x - tmpfs tmpfs rw\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")).as_deref(), Some("tmpfs on tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/var")).as_deref(), Some("ext4 on /dev/vda"));
    }

    #[test]
    fn a_machine_is_one_line_and_its_facts_are_prices() {
        let facts = Facts {
            cpu: Some("AMD EPYC".to_owned()),
            cores: Some(2),
            virtual_machine: true,
            memory: Some(24 << 30),
            kernel: Some("6.18".to_owned()),
            thp: Some("madvise".to_owned()),
            dirty: [Some(1 << 30), None],
            ..Facts::default()
        };
        assert_eq!(facts.line(), "VM with 2 cores, AMD EPYC, 24.0 GiB, Linux 6.18, huge pages madvise");
        let prior = crate::models::load("vm-thp").expect("built in");
        let mut book = Book::new(prior, "today".to_owned());
        facts.tell(&mut book, true);
        assert_eq!((book.model().machine.memory, book.model().machine.thp_always), (24 << 30, false));
        assert!(book.skipped().iter().any(|skipped| skipped.what == "disk.dirty-limit"));
    }
}
