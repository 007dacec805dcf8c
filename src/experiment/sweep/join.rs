//! Part files back in the order of points: each point once, from one sweep, holding one record a file in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};

use super::part::{Next, PartError, PartReader};
use super::record::{Identity, Input, Point, Record};
use super::shard::Shard;

/// Why part files do not make a sweep.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// One of them cannot be used.
    #[error(transparent)]
    Part(#[from] PartError),
    /// Two are of different sweeps.
    #[error("{} and {} are of different sweeps:\n  {}", one.display(), other.display(), differences.join("\n  "))]
    Different {
        /// A file.
        one: PathBuf,
        /// Another file.
        other: PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
    /// A point is in two files.
    #[error("point {index} is in {} and in {}", one.display(), other.display())]
    Twice {
        /// The point.
        index: u64,
        /// A file that has it.
        one: PathBuf,
        /// Another file that has it.
        other: PathBuf,
    },
    /// Points are in no file.
    #[error("{number} of the points are missing: {}", ranges(gaps))]
    Missing {
        /// How many.
        number: u64,
        /// First and last of the first ranges of them.
        gaps: Vec<(u64, u64)>,
    },
}

/// Ranges that a message shows.
const RANGES_SHOWN: usize = 5;

fn ranges(ranges: &[(u64, u64)]) -> String {
    let shown = ranges.iter().take(RANGES_SHOWN).map(|&(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first} to {last}"),
    });
    let more = if ranges.len() > RANGES_SHOWN { ", …" } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

/// The points of several part files in order.
#[derive(Debug)]
pub struct Joined {
    identity: Identity,
    inputs: BTreeMap<String, (String, usize)>,
    parts: Vec<Source>,
    /// The next point of each file: (index, file).
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// The points that are wanted: all, or those of one shard.
    shard: Shard,
    /// Points handed over.
    row: u64,
    /// File of the last point.
    last: usize,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    reader: PartReader,
    point: Option<Box<Point>>,
    /// Index of the last point read.
    last: Option<u64>,
    read: u64,
}

impl Joined {
    /// Opens whole part files, at least one.
    ///
    /// # Errors
    /// One cannot be read or is damaged; they are of different sweeps.
    pub fn open(paths: &[PathBuf]) -> Result<Joined, JoinError> {
        let mut identity: Option<Identity> = None;
        let mut parts = Vec::new();
        for path in paths {
            let (head, source) = Source::open(path)?;
            match &identity {
                None => identity = Some(head),
                Some(first) => same(first, &head, &paths[0], path)?,
            }
            parts.push(source);
        }
        let identity = identity.expect("at least one file");
        let (inputs, heads) = (BTreeMap::new(), BinaryHeap::new());
        let mut joined = Joined { identity, inputs, parts, heads, shard: Shard::WHOLE, row: 0, last: 0 };
        (0..paths.len()).try_for_each(|part| joined.advance(part))?;
        Ok(joined)
    }

    /// Opens the whole part file of one shard for its own points.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn of_shard(path: &Path, shard: Shard) -> Result<Joined, JoinError> {
        Ok(Joined { shard, ..Joined::open(&[path.to_owned()])? })
    }

    /// The sweep they are of.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The files that points depend on.
    pub fn inputs(&self) -> Vec<Input> {
        let input = |(path, digest): (&String, &(String, usize))| Input {
            path: path.clone(),
            sha256: digest.0.clone(),
        };
        self.inputs.iter().map(input).collect()
    }

    /// The next point; none after the last.
    ///
    /// # Errors
    /// A file is damaged; a point is missing or there twice.
    pub fn next_point(&mut self) -> Result<Option<Box<Point>>, JoinError> {
        let wanted = (self.row < self.shard.points(self.identity.points)).then(|| self.shard.index(self.row));
        let part = match (self.heads.pop(), wanted) {
            (None, None) => return Ok(None),
            (Some(Reverse((index, part))), Some(wanted)) if index == wanted => part,
            (Some(Reverse((index, part))), wanted) if wanted.is_none_or(|wanted| index < wanted) => {
                let path = |part: usize| self.parts[part].path.clone();
                return Err(JoinError::Twice { index, one: path(self.last), other: path(part) });
            }
            (head, _) => {
                self.heads.extend(head);
                return Err(self.missing());
            }
        };
        let point = self.parts[part].point.take();
        (self.row, self.last) = (self.row + 1, part);
        self.advance(part)?;
        Ok(point)
    }

    /// Reads the next point of a file, and the inputs before it.
    fn advance(&mut self, part: usize) -> Result<(), JoinError> {
        let points = self.identity.points;
        loop {
            let source = &mut self.parts[part];
            match source.reader.read_next()? {
                Next::Record(Record::Point(point)) => {
                    if point.index >= points || source.last >= Some(point.index) {
                        return Err(source.reader.damaged("points are not in order").into());
                    }
                    (source.last, source.read) = (Some(point.index), source.read + 1);
                    self.heads.push(Reverse((point.index, part)));
                    source.point = Some(point);
                    return Ok(());
                }
                Next::Record(Record::Input(input)) => self.input(input, part)?,
                Next::Record(Record::End(count)) if count == source.read => return Ok(()),
                Next::Record(_) => {
                    return Err(source.reader.damaged("a record that has no place here").into());
                }
                Next::Nothing | Next::Torn => {
                    return Err(source.reader.damaged("the file is cut off").into());
                }
            }
        }
    }

    fn input(&mut self, input: Input, part: usize) -> Result<(), JoinError> {
        let known = self.inputs.entry(input.path.clone()).or_insert_with(|| (input.sha256.clone(), part));
        if known.0 == input.sha256 {
            return Ok(());
        }
        let path = |part: usize| self.parts[part].path.clone();
        let differences = vec![format!("content of {}", input.path)];
        Err(JoinError::Different { one: path(known.1), other: path(part), differences })
    }

    /// All points from the next one on that are in no file.
    fn missing(&mut self) -> JoinError {
        let (mut number, mut gaps) = (0, Vec::<(u64, u64)>::new());
        let rows = self.shard.points(self.identity.points);
        while self.row < rows {
            let wanted = self.shard.index(self.row);
            match self.heads.peek() {
                Some(&Reverse((index, part))) if index <= wanted => {
                    self.heads.pop();
                    self.row += u64::from(index == wanted);
                    if let Err(error) = self.advance(part) {
                        return error;
                    }
                }
                _ => {
                    number += 1;
                    self.row += 1;
                    let shown = gaps.len() <= RANGES_SHOWN;
                    match gaps.last_mut() {
                        Some(gap) if gap.1 + 1 == wanted => gap.1 = wanted,
                        _ if shown => gaps.push((wanted, wanted)),
                        _ => {}
                    }
                }
            }
        }
        JoinError::Missing { number, gaps }
    }
}

impl Source {
    fn open(path: &Path) -> Result<(Identity, Source), JoinError> {
        let damaged = |what: &str| PartError::Damaged { path: path.to_owned(), at: 0, what: what.to_owned() };
        let mut reader = PartReader::open(path)?.ok_or_else(|| damaged("the file is cut off"))?;
        let head = reader.head()?.ok_or_else(|| reader.damaged("the file is cut off"))?;
        Ok((head.identity, Source { path: path.to_owned(), reader, point: None, last: None, read: 0 }))
    }
}

fn same(first: &Identity, other: &Identity, one: &Path, other_path: &Path) -> Result<(), JoinError> {
    let differences = other.differences(first);
    match differences.is_empty() {
        true => Ok(()),
        false => Err(JoinError::Different { one: one.to_owned(), other: other_path.to_owned(), differences }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::part::{WholePart, frame};
    use super::super::record::Head;
    use super::super::record::tests::{identity, point};
    use super::*;

    /// A whole file with these points of a sweep of ten.
    fn part(dir: &Path, name: &str, points: &[u64], input: &str) -> PathBuf {
        let path = dir.join(name);
        let head = Head { identity: identity(10), shard: (1, 1) };
        let input = Input { path: "own.toml".to_owned(), sha256: input.to_owned() };
        let mut part = WholePart::create(&path, &head, [input].into_iter()).expect("a file");
        for &index in points {
            part.add(&frame(&Record::Point(Box::new(point(index))))).expect("it is added");
        }
        part.place().expect("it is written");
        path
    }

    /// The points in order, or what is said of them.
    fn joined(paths: &[PathBuf]) -> Result<Vec<u64>, String> {
        let mut joined = Joined::open(paths).map_err(|error| error.to_string())?;
        let mut indices = Vec::new();
        loop {
            match joined.next_point() {
                Ok(Some(found)) => {
                    assert_eq!(*found, point(found.index));
                    indices.push(found.index);
                }
                Ok(None) => return Ok(indices),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn points_come_in_order_from_any_number_of_files() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let a = part(dir.path(), "a", &[0, 4, 5, 9], "x");
        let b = part(dir.path(), "b", &[1, 2, 8], "x");
        let (c, empty) = (part(dir.path(), "c", &[3, 6, 7], "x"), part(dir.path(), "d", &[], "x"));
        assert_eq!(joined(&[c, a, empty, b]), Ok((0..10).collect()));
    }

    #[test]
    fn what_does_not_make_a_sweep_is_named() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let a = part(dir.path(), "a", &[0, 4, 5, 9], "x");
        let b = part(dir.path(), "b", &[1, 2, 8], "x");
        assert_eq!(
            joined(&[a.clone(), b.clone()]),
            Err("3 of the points are missing: 3, 6 to 7".to_owned()),
            "those in the middle"
        );
        let first = part(dir.path(), "c", &[0, 1], "x");
        assert_eq!(
            joined(&[first]),
            Err("8 of the points are missing: 2 to 9".to_owned()),
            "those at the end"
        );
        let twice = joined(&[a.clone(), b.clone(), part(dir.path(), "d", &[3, 4, 6, 7], "x")]);
        assert!(twice.expect_err("4").starts_with("point 4 is in "), "twice");
        let last = joined(&[a.clone(), b, part(dir.path(), "e", &[3, 6, 7, 9], "x")]);
        assert!(last.expect_err("9").starts_with("point 9 is in "), "the last one twice");
        let other = joined(&[a, part(dir.path(), "f", &[1, 2], "y")]).expect_err("another model");
        assert!(other.contains("different sweeps") && other.contains("content of own.toml"), "{other}");
    }

    #[test]
    fn a_file_without_its_end_or_out_of_order_is_damaged() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = part(dir.path(), "a", &(0..10).collect::<Vec<_>>(), "x");
        let whole = fs::read(&path).expect("a file");
        // Exactly between two frames nothing else would tell.
        let end = frame(&Record::End(10)).len();
        fs::write(&path, &whole[..whole.len() - end]).expect("written");
        assert!(joined(std::slice::from_ref(&path)).expect_err("cut").contains("the file is cut off"));
        fs::write(&path, [&whole[..whole.len() - end], &frame(&Record::End(9))].concat()).expect("written");
        assert!(joined(&[path]).expect_err("another number").contains("no place here"));
        let mixed = part(dir.path(), "b", &[1, 0], "x");
        assert!(joined(&[mixed]).expect_err("mixed").contains("not in order"));
    }

    #[test]
    fn a_shard_stands_by_itself() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let shard = Shard::new(2, 3).expect("a shard");
        let own: Vec<u64> = shard.indices(10).collect();
        let path = part(dir.path(), "a", &own, "x");
        let mut joined = Joined::of_shard(&path, shard).expect("a file");
        let mut found = Vec::new();
        while let Some(point) = joined.next_point().expect("its points") {
            found.push(point.index);
        }
        assert_eq!(found, own);
    }
}
