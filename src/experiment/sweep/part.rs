//! Part files: the finished points of one shard, each in a frame of its own that shows damage.
//!
//! A file begins with [`MAGIC`]. A frame is twelve bytes (length of the payload, CRC-32 of the payload, CRC-32 of these
//! eight bytes, little-endian) and the payload, a [`Record`] in postcard's encoding. While a shard runs, its points are
//! appended to a journal in the order in which they finish; a crash may tear its last frames, which are cut off. A
//! finished shard is a whole file in the order of points, and ends with [`Record::End`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::record::{Head, Input, Record};
use super::replace::Replacement;

/// First bytes of a part file; another form gets another number.
pub const MAGIC: &[u8; 18] = b"writepath part 01\n";
/// Bytes of a frame before its payload.
const FRAME_HEAD: usize = 12;
/// Read buffer of a file: small, as a merge holds one for each shard.
const BUFFER: usize = 1 << 14;

/// Why a part file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{}: byte {at}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first thing is that makes no sense.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

/// The frame of a record.
pub fn frame(record: &Record) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEAD];
    bytes = postcard::to_extend(record, bytes).expect("memory takes every record");
    let length = (bytes.len() - FRAME_HEAD) as u32;
    let crc = crc32fast::hash(&bytes[FRAME_HEAD..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    let head = crc32fast::hash(&bytes[..8]);
    bytes[8..FRAME_HEAD].copy_from_slice(&head.to_le_bytes());
    bytes
}

/// Writes a whole part file.
#[derive(Debug)]
pub struct WholePart {
    out: Replacement,
    points: u64,
}

impl WholePart {
    /// Begins what will be `path`; `inputs` are the files that its points depend on, by path.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path, head: &Head, inputs: impl Iterator<Item = Input>) -> io::Result<WholePart> {
        let mut out = Replacement::create(path)?;
        out.write_all(MAGIC)?;
        out.write_all(&frame(&Record::Head(Box::new(head.clone()))))?;
        inputs.map(Record::Input).try_for_each(|input| out.write_all(&frame(&input)))?;
        Ok(WholePart { out, points: 0 })
    }

    /// Adds the frame of the next point.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, frame: &[u8]) -> io::Result<()> {
        self.points += 1;
        self.out.write_all(frame)
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// The system's.
    pub fn place(mut self) -> io::Result<()> {
        self.out.write_all(&frame(&Record::End(self.points)))?;
        self.out.place()
    }
}

/// Reads a part file from its beginning.
#[derive(Debug)]
pub struct PartReader {
    path: PathBuf,
    input: BufReader<File>,
    /// Where the next frame begins.
    at: u64,
    payload: Vec<u8>,
}

/// What stands at a place of the file.
#[derive(Debug)]
pub enum Next {
    /// A record.
    Record(Record),
    /// Nothing: the file ends.
    Nothing,
    /// The beginning of a frame whose rest was never written.
    Torn,
}

impl PartReader {
    /// Opens a part file. None: not even [`MAGIC`] was written.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub fn open(path: &Path) -> Result<Option<PartReader>, PartError> {
        let file = File::open(path).map_err(|source| PartError::Io { path: path.to_owned(), source })?;
        let mut reader = PartReader {
            path: path.to_owned(),
            input: BufReader::with_capacity(BUFFER, file),
            at: 0,
            payload: Vec::new(),
        };
        let mut magic = [0; MAGIC.len()];
        let read = reader.fill(&mut magic)?;
        match magic[..read] == MAGIC[..read] && read < MAGIC.len() {
            true => Ok(None),
            false if &magic == MAGIC => {
                reader.at = MAGIC.len() as u64;
                Ok(Some(reader))
            }
            false => Err(reader.damaged("this is no part file of this version of writepath")),
        }
    }

    /// The head, which every whole file has. None: it was never written in full.
    ///
    /// # Errors
    /// As [`read_next`](Self::read_next); something else stands in its place.
    pub fn head(&mut self) -> Result<Option<Head>, PartError> {
        match self.read_next()? {
            Next::Record(Record::Head(head)) => Ok(Some(*head)),
            Next::Nothing | Next::Torn => Ok(None),
            Next::Record(_) => Err(self.damaged("the head of the file is missing")),
        }
    }

    /// Where the next frame begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next record. After anything but a record there is nothing more to read.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read_next(&mut self) -> Result<Next, PartError> {
        let mut head = [0; FRAME_HEAD];
        let read = self.fill(&mut head)?;
        if read == 0 {
            return Ok(Next::Nothing);
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if read < FRAME_HEAD || (head == [0; FRAME_HEAD] && self.rest_is_zero()?) {
            return Ok(Next::Torn);
        }
        if word(8) != crc32fast::hash(&head[..8]) {
            return Err(self.damaged("the head of a frame is damaged"));
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(word(0) as usize, 0);
        let read = self.fill(&mut payload)?;
        let torn = read < payload.len();
        let sound = !torn && crc32fast::hash(&payload) == word(4);
        let record = sound.then(|| postcard::from_bytes(&payload));
        let length = (FRAME_HEAD + payload.len()) as u64;
        self.payload = payload;
        match record {
            Some(Ok(record)) => {
                self.at += length;
                Ok(Next::Record(record))
            }
            Some(Err(error)) => Err(self.damaged(&format!("a record of another form: {error}"))),
            // A crash of the machine may have kept the length of the last frame but not its content.
            None if torn || self.is_at_end()? => Ok(Next::Torn),
            None => Err(self.damaged("the content of a frame is damaged")),
        }
    }

    /// An error about the place where the next frame begins.
    pub fn damaged(&self, what: &str) -> PartError {
        PartError::Damaged { path: self.path.clone(), at: self.at, what: what.to_owned() }
    }

    /// Fills `buffer` as far as the file goes; the number of bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PartError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(PartError::Io { path: self.path.clone(), source }),
            }
        }
        Ok(filled)
    }

    fn is_at_end(&mut self) -> Result<bool, PartError> {
        let rest = self.input.fill_buf();
        rest.map(<[u8]>::is_empty).map_err(|source| PartError::Io { path: self.path.clone(), source })
    }

    /// After a crash of the machine a file may have its length, but zeros where data were not yet written.
    fn rest_is_zero(&mut self) -> Result<bool, PartError> {
        let mut bytes = [0; 4096];
        loop {
            match self.fill(&mut bytes)? {
                0 => return Ok(true),
                read if bytes[..read].iter().any(|byte| *byte != 0) => return Ok(false),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{identity, point};
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it can be written");
        file
    }

    fn records() -> Vec<Record> {
        let head = Head { identity: identity(2), shard: (1, 1) };
        let points = [0, 1].map(|index| Record::Point(Box::new(point(index))));
        [vec![Record::Head(Box::new(head))], points.to_vec()].concat()
    }

    /// The file of `records`, and where each frame ends.
    fn written() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = MAGIC.to_vec();
        let mut ends = Vec::new();
        for record in records() {
            bytes.extend(frame(&record));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// Records that are read, and what follows them.
    fn read(bytes: &[u8]) -> (usize, Result<&'static str, String>) {
        let file = file(bytes);
        let mut reader = match PartReader::open(file.path()) {
            Ok(Some(reader)) => reader,
            Ok(None) => return (0, Ok("torn")),
            Err(error) => return (0, Err(error.to_string())),
        };
        let mut number = 0;
        loop {
            match reader.read_next() {
                Ok(Next::Record(record)) => {
                    assert_eq!(record, records()[number]);
                    number += 1;
                }
                Ok(Next::Nothing) => return (number, Ok("nothing")),
                Ok(Next::Torn) => return (number, Ok("torn")),
                Err(error) => return (number, Err(error.to_string())),
            }
        }
    }

    #[test]
    fn records_come_back_and_a_torn_end_is_told_from_a_whole_one_at_every_byte() {
        let (bytes, ends) = written();
        for length in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            let clean = length == MAGIC.len() || ends.contains(&length);
            let end = if clean { "nothing" } else { "torn" };
            assert_eq!(read(&bytes[..length]), (whole, Ok(end)), "{length} bytes");
        }
        let zeros = [bytes.clone(), vec![0; 5000]].concat();
        assert_eq!(read(&zeros), (ends.len(), Ok("torn")), "the length was kept, the content not");
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is() {
        let (bytes, ends) = written();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let (whole, end) = read(&changed);
            let before = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(whole, before, "byte {at}");
            // In the content of the very last frame it may be a torn write.
            let last = at >= ends[1] + FRAME_HEAD;
            assert_eq!(end.is_err(), !last, "byte {at}: {end:?}");
        }
    }
}
