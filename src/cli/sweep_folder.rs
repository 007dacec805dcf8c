//! The folder of a sweep: part files while it runs, tables when it is whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::failure::Failure;
use super::result_folder::{NewFolders, REPORT};
use crate::experiment::Metric;
use crate::experiment::sweep::join::{JoinError, Joined};
use crate::experiment::sweep::journal::{JournalError, PartPaths};
use crate::experiment::sweep::part::{self, PartError, WholePart};
use crate::experiment::sweep::record::{Head, Identity, Input, Record};
use crate::experiment::sweep::replace::Replacement;
use crate::experiment::sweep::{Shard, Status};
use crate::observe::sparse::SparseHistogram;
use crate::report::hdr;
use crate::report::sweep::Rows;

/// A row for each point and replication.
const RESULTS: &str = "results.csv";
/// A row for each point.
const POINTS: &str = "points.csv";
/// A histogram of sojourns for each point.
const HISTOGRAMS: &str = "histograms.hlog";
/// What a sweep is; written last.
const MANIFEST: &str = "manifest.json";
/// Files of a whole sweep beside its part file.
const TABLES: [&str; 4] = [RESULTS, POINTS, HISTOGRAMS, MANIFEST];

/// A folder that a sweep may be written into.
#[derive(Debug)]
pub struct Prepared {
    /// It holds points of the shard already.
    pub begun: bool,
    /// Goes away again if nothing is written into it.
    _folders: NewFolders,
}

/// Makes the folder if it is missing, and looks at what is in it.
///
/// # Errors
/// It is a file, cannot be made, or holds something else and `force` is not given.
pub fn prepare(dir: &Path, shard: Shard, force: bool) -> Result<Prepared, Failure> {
    let shown = dir.display();
    let cannot = |error| Failure::Environment(format!("cannot write {shown}"), error);
    if dir.exists() && !dir.is_dir() {
        return Err(Failure::Usage(format!("--out {shown}: is a file; name a folder")));
    }
    let folders = NewFolders::create(dir).map_err(cannot)?;
    let mut begun = false;
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        let own = name.trim_end_matches(".tmp");
        match part_of(own) {
            Some(found) if found == shard => begun = true,
            Some(found) if found.count() == shard.count() => {}
            Some(_) if force => {}
            Some(found) => {
                return Err(Failure::Usage(format!(
                    "--out {shown}: holds shard {found}, and this is shard {shard}\n  name another folder, or run \
                     the shards of one sweep with the same number of them"
                )));
            }
            None if TABLES.contains(&own) || own == REPORT || force => {}
            None => {
                return Err(Failure::Usage(format!(
                    "--out {shown}: holds other files ({name}); name another folder, or add --force to write beside \
                     them"
                )));
            }
        }
    }
    Ok(Prepared { begun, _folders: folders })
}

/// The shard whose part file has this name.
fn part_of(name: &str) -> Option<Shard> {
    let (numbers, end) = name.strip_prefix("part-")?.split_once('.')?;
    let (number, count) = numbers.split_once("-of-")?;
    let shard = Shard::new(number.parse().ok()?, count.parse().ok()?)?;
    matches!(end, "journal" | "points").then_some(shard)
}

/// Removes what the folder holds of a shard, and tables made from it.
///
/// # Errors
/// The system's.
pub fn clear(dir: &Path, shard: Shard) -> Result<(), Failure> {
    let PartPaths { journal, whole } = PartPaths::new(dir, (shard.number(), shard.count()));
    // Without its manifest a sweep is not whole: that goes first.
    let tables = TABLES.iter().rev().chain(&[REPORT]).map(|name| dir.join(name));
    for path in tables.chain([whole, journal]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::Environment(format!("cannot remove {}", path.display()), error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the tables are there.
pub fn has_tables(dir: &Path) -> bool {
    TABLES.iter().all(|name| dir.join(name).exists())
}

/// Part files in a folder that belong to shards: those that are whole, and those that are not yet.
///
/// # Errors
/// The folder cannot be read.
pub fn parts(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let cannot = |error: io::Error| Failure::Usage(format!("cannot read {}: {error}", dir.display()));
    let mut shards: Vec<(u64, u64)> = Vec::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        shards.extend(part_of(&name).map(|shard| (shard.count(), shard.number())));
    }
    // By number, so that messages do not depend on the folder's order.
    shards.sort_unstable();
    shards.dedup();
    let paths = shards.iter().map(|&(count, number)| PartPaths::new(dir, (number, count)));
    let (whole, open): (Vec<PartPaths>, Vec<PartPaths>) = paths.partition(|paths| paths.whole.exists());
    Ok((
        whole.into_iter().map(|paths| paths.whole).collect(),
        open.into_iter().map(|paths| paths.journal).collect(),
    ))
}

/// How many points ran and how many could not, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Points that ran.
    pub ok: u64,
    /// Points whose load the server cannot carry.
    pub overload: u64,
    /// Points whose settings do not go together.
    pub invalid: u64,
}

impl Totals {
    /// Counts a point.
    pub fn add(&mut self, status: Status) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Overload => self.overload += 1,
            Status::Invalid => self.invalid += 1,
        }
    }
}

/// The metrics of a sweep that may have been run by another build of the program.
///
/// # Errors
/// One that this build does not know.
pub fn metrics(identity: &Identity) -> Result<Vec<Metric>, Failure> {
    let read = |name: &String| {
        Metric::parse(name).map_err(|_| {
            Failure::Usage(format!(
                "the sweep has a metric {name:?} that this build does not know\n  use writepath {} that made it",
                identity.writepath
            ))
        })
    };
    identity.metrics.iter().map(read).collect()
}

/// Writes the tables of a whole sweep into `dir`, and with `part` the part file of all points; the manifest last.
///
/// # Errors
/// Part files that do not make a sweep; the system's. Files that were there stay whole.
pub fn write_tables(dir: &Path, mut points: Joined, part: bool) -> Result<Totals, Failure> {
    let identity = points.identity().clone();
    let metrics = metrics(&identity)?;
    let rows = Rows::new(&identity, &metrics);
    let cannot = |name: &str| {
        let path = dir.join(name).display().to_string();
        move |error| Failure::Environment(format!("cannot write {path}"), error)
    };
    let create = |name: &str| Replacement::create(&dir.join(name)).map_err(cannot(name));
    let mut results = csv::Writer::from_writer(create(RESULTS)?);
    let mut table = csv::Writer::from_writer(create(POINTS)?);
    let mut histograms = create(HISTOGRAMS)?;
    rows.results_head(&mut results).map_err(cannot(RESULTS))?;
    rows.points_head(&mut table).map_err(cannot(POINTS))?;
    histograms.write_all(&hdr::log_head()).map_err(cannot(HISTOGRAMS))?;
    let head = Head { identity: identity.clone(), shard: (1, 1) };
    let whole = PartPaths::new(dir, head.shard).whole;
    let cannot_part = |error| Failure::Environment(format!("cannot write {}", whole.display()), error);
    // Inputs stand ahead of the points in every whole file, so that all are known by now.
    let part = part.then(|| WholePart::create(&whole, &head, points.inputs().into_iter())).transpose();
    let mut part = part.map_err(cannot_part)?;
    let mut totals = Totals::default();
    while let Some(point) = points.next_point().map_err(join_failure)? {
        totals.add(point.status);
        rows.results(&point, &mut results).map_err(cannot(RESULTS))?;
        rows.point(&point, &mut table).map_err(cannot(POINTS))?;
        if point.status == Status::Ok {
            let sojourn = SparseHistogram::from_bytes(&point.sojourn)
                .map_err(|error| Failure::Usage(format!("point {}: {error}", point.index)))?;
            let (from, to) = point.measured;
            let line = hdr::sparse_log_line(&point.index.to_string(), from, to - from, &sojourn);
            histograms.write_all(&line).map_err(cannot(HISTOGRAMS))?;
        }
        if let Some(part) = &mut part {
            part.add(&part::frame(&Record::Point(point))).map_err(cannot_part)?;
        }
    }
    let mut manifest = create(MANIFEST)?;
    manifest.write_all(&manifest_text(&identity, totals, &points.inputs())).map_err(cannot(MANIFEST))?;
    let table_of = |writer: csv::Writer<Replacement>| writer.into_inner().map_err(|error| error.into_error());
    let files = [
        table_of(results).map_err(cannot(RESULTS))?,
        table_of(table).map_err(cannot(POINTS))?,
        histograms,
        manifest,
    ];
    if let Some(part) = part {
        part.place().map_err(cannot_part)?;
    }
    for file in files {
        let path = file.path().display().to_string();
        file.place().map_err(|error| Failure::Environment(format!("cannot write {path}"), error))?;
    }
    Ok(totals)
}

/// The manifest of a sweep. No time of day and no name of a machine is in it: equal sweeps have equal manifests.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    /// A command that makes the same sweep.
    command_line: Vec<&'a str>,
    #[serde(flatten)]
    identity: &'a Identity,
    statuses: Totals,
    inputs: &'a [Input],
}

fn manifest_text(identity: &Identity, statuses: Totals, inputs: &[Input]) -> Vec<u8> {
    let manifest = Manifest { command_line: command_line(identity), identity, statuses, inputs };
    let mut bytes = serde_json::to_vec_pretty(&manifest).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

fn command_line(identity: &Identity) -> Vec<&str> {
    let flags = identity.flags.iter().chain(&identity.design);
    let flags = flags.flat_map(|(flag, value)| [flag.as_str(), value.as_str()]);
    ["writepath", "sweep", identity.file.as_str()].into_iter().chain(flags).collect()
}

/// Says why part files do not make a sweep.
pub fn join_failure(error: JoinError) -> Failure {
    match error {
        JoinError::Part(error) => part_failure(error),
        JoinError::Missing { .. } => Failure::Usage(format!("{error}\n  merge the folders of all shards")),
        JoinError::Twice { .. } => Failure::Usage(format!("{error}\n  name each shard once")),
        JoinError::Different { .. } => Failure::Usage(error.to_string()),
    }
}

/// Says why a part file cannot be used.
pub fn part_failure(error: PartError) -> Failure {
    match error {
        PartError::Io { path, source } => {
            Failure::Environment(format!("cannot read {}", path.display()), source)
        }
        PartError::Damaged { .. } => Failure::Usage(format!(
            "{error}\n  take the file away and run its shard again; the other files are left as they are"
        )),
    }
}

/// Says why a shard cannot be made.
pub fn journal_failure(error: JournalError) -> Failure {
    match error {
        JournalError::Part(error) => part_failure(error),
        JournalError::Io { path, source } => {
            Failure::Environment(format!("cannot write {}", path.display()), source)
        }
        JournalError::Taken(path) => {
            let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it");
            Failure::Environment(format!("cannot write {}", path.display()), busy)
        }
        JournalError::Changed(..) => Failure::Usage(format!(
            "{error}\n  undo the change, name another folder, or begin anew with --force instead of --resume"
        )),
    }
}
