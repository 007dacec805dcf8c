//! The part file of a shard while it is made: nothing that is finished is lost.
//!
//! Each finished point is one write(2), so that a killed process loses only the points it was simulating. An fsync
//! follows at most [`SYNC_EVERY`] later: a machine that loses power loses the points of that time at most, and those are
//! simulated again. When all points are there they are put in order into the whole file, and the journal goes away.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::part::{self, MAGIC, Next, PartError, PartReader, WholePart};
use super::record::{Head, Input, Point, Record};
use super::replace::sync_dir;
use crate::scenario::files::Files;

/// Longest time that a finished point is only in the page cache.
pub const SYNC_EVERY: Duration = Duration::from_millis(200);
/// Longest wait for another process that writes the same shard; engines end a lost task within a second or two.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a shard's file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// What is there cannot be used.
    #[error(transparent)]
    Part(#[from] PartError),
    /// Somebody else is making it.
    #[error("{}: another process is writing it", .0.display())]
    Taken(PathBuf),
    /// What is there belongs to something else; what differs.
    #[error("something has changed since the sweep in {} began:\n  {}", .0.display(), .1.join("\n  "))]
    Changed(PathBuf, Vec<String>),
    /// The system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Names of a shard's files in a folder.
#[derive(Clone, Debug)]
pub struct PartPaths {
    /// While it is made.
    pub journal: PathBuf,
    /// When it is whole.
    pub whole: PathBuf,
}

impl PartPaths {
    /// Those of shard `number` of `count`.
    pub fn new(dir: &Path, (number, count): (u64, u64)) -> PartPaths {
        let name = |end: &str| dir.join(format!("part-{number}-of-{count}.{end}"));
        PartPaths { journal: name("journal"), whole: name("points") }
    }
}

/// The points of a shard so far.
#[derive(Debug)]
pub struct Journal {
    paths: PartPaths,
    file: File,
    /// (index, where its frame begins, length of the frame) of each point.
    points: Vec<(u64, u64, u32)>,
    inputs: BTreeSet<Input>,
    head: Head,
    /// Length of what is whole.
    length: u64,
    /// Since when something waits for fsync.
    unsynced: Option<Instant>,
}

/// What `--resume` finds.
#[derive(Debug)]
pub enum Found {
    /// A shard to go on with, or to begin.
    Journal(Box<Journal>),
    /// A whole file, and the journal it was made from if that has not gone away yet.
    Whole(Option<Leftover>),
}

/// A journal whose points are in a whole file.
#[derive(Debug)]
pub struct Leftover {
    path: PathBuf,
    /// Keeps others away.
    _file: File,
}

impl Leftover {
    /// Removes it.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(|source| JournalError::Io { path: self.path, source })
    }
}

impl Journal {
    /// Opens the journal of `head` in `dir`, or begins one; torn frames are cut off. `files` reads the files that the
    /// points so far depend on, to see whether they have changed.
    ///
    /// # Errors
    /// What is there is damaged, of another sweep, in use, or cannot be written.
    pub fn open(dir: &Path, head: &Head, files: &Files) -> Result<Found, JournalError> {
        let paths = PartPaths::new(dir, head.shard);
        let whole = paths.whole.exists();
        if whole {
            check_whole(&paths.whole, head, files)?;
            if !paths.journal.exists() {
                return Ok(Found::Whole(None));
            }
        }
        let file = locked(&paths.journal)?;
        if !whole && paths.whole.exists() {
            // The other process has finished meanwhile.
            drop(file);
            return Journal::open(dir, head, files);
        }
        if whole {
            return Ok(Found::Whole(Some(Leftover { path: paths.journal, _file: file })));
        }
        let mut journal = Journal {
            paths,
            file,
            points: Vec::new(),
            inputs: BTreeSet::new(),
            head: head.clone(),
            length: 0,
            unsynced: None,
        };
        journal.read(files)?;
        Ok(Found::Journal(Box::new(journal)))
    }

    /// Takes over what is there, and begins the file if nothing is.
    fn read(&mut self, files: &Files) -> Result<(), JournalError> {
        let path = self.paths.journal.clone();
        if let Some(mut reader) = PartReader::open(&path)?
            && let Some(head) = reader.head()?
        {
            self.check_head(&head)?;
            loop {
                self.length = reader.at();
                match reader.read_next()? {
                    Next::Record(Record::Point(point)) => {
                        let length = (reader.at() - self.length) as u32;
                        self.points.push((point.index, self.length, length));
                    }
                    Next::Record(Record::Input(input)) => drop(self.inputs.insert(input)),
                    Next::Record(_) => return Err(reader.damaged("a record that has no place here").into()),
                    Next::Nothing | Next::Torn => break,
                }
            }
            self.points.sort_unstable();
            if self.points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(reader.damaged("a point is there twice").into());
            }
            check_inputs(&path, &self.inputs, files)?;
            return self.cut().map_err(|source| self.io(source));
        }
        self.begin().map_err(|source| self.io(source))
    }

    fn check_head(&self, found: &Head) -> Result<(), JournalError> {
        match self.head.identity.differences(&found.identity) {
            differences if differences.is_empty() => Ok(()),
            differences => Err(JournalError::Changed(self.dir().to_owned(), differences)),
        }
    }

    fn dir(&self) -> &Path {
        self.paths.journal.parent().unwrap_or(Path::new("."))
    }

    fn begin(&mut self) -> io::Result<()> {
        let head = part::frame(&Record::Head(Box::new(self.head.clone())));
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&[&MAGIC[..], &head].concat())?;
        self.length = (MAGIC.len() + head.len()) as u64;
        self.file.sync_all()?;
        sync_dir(self.dir())
    }

    /// Leaves what is whole.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.sync_data()
    }

    fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.paths.journal.clone(), source }
    }

    /// Number of points that are there.
    pub fn len(&self) -> u64 {
        self.points.len() as u64
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Their indices; rising as long as nothing was added.
    pub fn indices(&self) -> Vec<u64> {
        self.points.iter().map(|point| point.0).collect()
    }

    /// Adds a finished point, and the files read so far.
    ///
    /// # Errors
    /// The system's; what was whole before stays so.
    pub fn add(&mut self, point: Point, files: &Files) -> Result<(), JournalError> {
        if files.count() > self.inputs.len() {
            for input in inputs(files) {
                if !self.inputs.contains(&input) {
                    self.append(&Record::Input(input.clone()))?;
                    self.inputs.insert(input);
                }
            }
        }
        let (index, at) = (point.index, self.length);
        self.append(&Record::Point(Box::new(point)))?;
        self.points.push((index, at, (self.length - at) as u32));
        self.sync_if_due()
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let bytes = part::frame(record);
        if let Err(error) = self.file.write_all(&bytes) {
            // A full disk takes half a frame; that it is cut now is only tidy, as it would be later.
            let _ = self.cut();
            return Err(self.io(error));
        }
        self.length += bytes.len() as u64;
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Syncs what has waited for [`SYNC_EVERY`].
    ///
    /// # Errors
    /// The system's.
    pub fn sync_if_due(&mut self) -> Result<(), JournalError> {
        match self.unsynced {
            Some(since) if since.elapsed() >= SYNC_EVERY => self.sync(),
            _ => Ok(()),
        }
    }

    /// Syncs everything.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.unsynced = None;
        self.file.sync_data().map_err(|source| self.io(source))
    }

    /// Writes the whole file: the points in their order. The journal stays until [`remove`](Self::remove).
    ///
    /// # Errors
    /// The system's; the journal keeps all points.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.points.sort_unstable();
        let whole = self.paths.whole.clone();
        self.write_whole().map_err(|source| JournalError::Io { path: whole, source })
    }

    fn write_whole(&mut self) -> io::Result<()> {
        let mut whole = WholePart::create(&self.paths.whole, &self.head, self.inputs.iter().cloned())?;
        let mut bytes = Vec::new();
        for &(_, at, length) in &self.points {
            bytes.resize(length as usize, 0);
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut bytes)?;
            whole.add(&bytes)?;
        }
        whole.place()
    }

    /// Removes the journal once its points are elsewhere.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(self) -> Result<(), JournalError> {
        let removed = fs::remove_file(&self.paths.journal);
        removed.map_err(|source| JournalError::Io { path: self.paths.journal, source })
    }
}

/// Opens or makes a journal that no other process has open.
///
/// An array engine may repeat a task before the old one is dead, so a lock is waited for; the file is opened anew each
/// time, since the other one may have finished and removed it.
fn locked(path: &Path) -> Result<File, JournalError> {
    let begun = Instant::now();
    loop {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() >= PATIENCE => {
                return Err(JournalError::Taken(path.to_owned()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE / 50),
            // On a file system without locks the name of the shard has to be enough.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// The files read so far with their digests.
fn inputs(files: &Files) -> Vec<Input> {
    let all = files.all().into_iter();
    all.map(|(path, content)| Input { path: path.display().to_string(), sha256: digest(&content) }).collect()
}

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares a finished shard with what would be made now.
fn check_whole(path: &Path, head: &Head, files: &Files) -> Result<(), JournalError> {
    let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
    let missing = |reader: &PartReader| JournalError::from(reader.damaged("the file is cut off"));
    let Some(mut reader) = PartReader::open(path)? else {
        let (path, what) = (path.to_owned(), "the file is cut off".to_owned());
        return Err(PartError::Damaged { path, at: 0, what }.into());
    };
    let found = reader.head()?.ok_or_else(|| missing(&reader))?;
    let differences = head.identity.differences(&found.identity);
    if !differences.is_empty() {
        return Err(JournalError::Changed(dir, differences));
    }
    let mut inputs = BTreeSet::new();
    while let Next::Record(Record::Input(input)) = reader.read_next()? {
        inputs.insert(input);
    }
    check_inputs(path, &inputs, files)
}

/// Refuses to go on when a file that points depend on has another content.
fn check_inputs(path: &Path, inputs: &BTreeSet<Input>, files: &Files) -> Result<(), JournalError> {
    let changed = inputs.iter().filter_map(|input| match files.read(Path::new(&input.path)) {
        Ok(content) if digest(&content) == input.sha256 => None,
        Ok(_) => Some(format!("content of {}", input.path)),
        Err(error) => Some(format!("{} cannot be read: {error}", input.path)),
    });
    let changed: Vec<String> = changed.collect();
    match changed.is_empty() {
        true => Ok(()),
        false => Err(JournalError::Changed(path.parent().unwrap_or(Path::new(".")).to_owned(), changed)),
    }
}

#[cfg(test)]
mod tests;
