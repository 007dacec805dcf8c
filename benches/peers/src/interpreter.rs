//! The queue in SimPy: `mm1.py`, run by the Python that the script `run` prepared.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use writepath::observe::histogram::Histogram;

use crate::queue::{RATE, Replication, SERVICE, WARM_UP};

/// Serves `customers` customers. The CPU time is that of the simulation alone: not of starting Python, importing and
/// writing.
pub fn replication(seed: u64, customers: u64) -> Result<Replication, String> {
    let python = env::var("PEERS_PYTHON").map_err(|_| "PEERS_PYTHON is not set: start the script run")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mm1.py");
    let numbers = [seed as f64, customers as f64, RATE, SERVICE];
    let output = Command::new(&python)
        .arg(&script)
        .args(numbers.map(|number| number.to_string()))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{python}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", script.display(), output.status));
    }
    parse(&output.stdout).ok_or_else(|| format!("{}: unexpected output", script.display()))
}

/// Little-endian 8-byte floats: CPU time, then arrival and sojourn of each customer \[s\].
fn parse(bytes: &[u8]) -> Option<Replication> {
    let (words, []) = bytes.as_chunks::<8>() else { return None };
    let mut numbers = words.iter().map(|word| f64::from_le_bytes(*word));
    let cpu = numbers.next()?;
    let (mut customers, mut sojourns) = (0, Histogram::new());
    while let Some(arrived_at) = numbers.next() {
        let sojourn = numbers.next()?;
        customers += 1;
        if arrived_at * 1e9 >= WARM_UP as f64 {
            sojourns.record((sojourn * 1e9) as u64);
        }
    }
    Some(Replication { customers, cpu, sojourns })
}
