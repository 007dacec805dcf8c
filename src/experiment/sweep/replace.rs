//! A file that is whole or absent: written under a temporary name, which it loses when it is on disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Write buffer.
const BUFFER: usize = 1 << 18;

/// A file being written in the place of another, or of none.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    placed: bool,
}

impl Replacement {
    /// Begins to write what will be `path`. The temporary name is always the same: what a killed process leaves is
    /// written over by the next.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path) -> io::Result<Replacement> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let out = BufWriter::with_capacity(BUFFER, File::create(&temporary)?);
        Ok(Replacement { path: path.to_owned(), temporary, out, placed: false })
    }

    /// The file's own name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, once it is on disk.
    ///
    /// # Errors
    /// The system's; an older file of the name is as it was.
    pub fn place(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.placed = true;
        sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes names in a folder durable, where a folder can be opened.
///
/// # Errors
/// The system's.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    match cfg!(unix) {
        true => File::open(dir)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_when_it_is_placed_and_not_before() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = dir.path().join("table.csv");
        fs::write(&path, "old").expect("it can be written");
        let mut dropped = Replacement::create(&path).expect("it can be written");
        dropped.write_all(b"half").expect("it can be written");
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
        let mut placed = Replacement::create(&path).expect("it can be written");
        placed.write_all(b"new").expect("it can be written");
        placed.place().expect("it can be renamed");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "new");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }
}
