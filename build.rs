//! Gives the program a digest of what it is made from, so that results of two builds are not mixed unnoticed.

use std::fs;
use std::path::{Path, PathBuf};

/// What results depend on. Files that are missing (a lock file, in a dependency) count as empty.
const PARTS: [&str; 4] = ["src", "models", "experiments/scenarios", "Cargo.lock"];

fn main() {
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo:rerun-if-changed={part}");
        collect(Path::new(part), &mut files);
    }
    files.sort();
    let mut digest = Fnv(0xCBF2_9CE4_8422_2325);
    for file in files {
        digest.add(file.to_string_lossy().replace('\\', "/").as_bytes());
        digest.add(&fs::read(&file).unwrap_or_default());
    }
    println!("cargo:rustc-env=WRITEPATH_SOURCE={:016x}", digest.0);
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}

/// FNV-1a: enough against accidents, and no dependency.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
