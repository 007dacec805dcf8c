//! The files a scenario names beside itself: model files, redis.conf with its includes, INFO dumps, tables of rates.
//!
//! Each is read once, so that many scenarios made from one template see the same content whatever happens to the file
//! meanwhile, and so that it can be told afterwards what a result depends on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Content of files by path as it was named. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<BTreeMap<PathBuf, Arc<[u8]>>>>);

impl Files {
    /// The content of `path`: as it was when it was read first.
    ///
    /// # Errors
    /// The system's, when it cannot be read.
    pub fn read(&self, path: &Path) -> io::Result<Arc<[u8]>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = known.get(path) {
            return Ok(Arc::clone(content));
        }
        let content: Arc<[u8]> = std::fs::read(path)?.into();
        known.insert(path.to_owned(), Arc::clone(&content));
        Ok(content)
    }

    /// Number of files read so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Every file read so far, by path.
    pub fn all(&self) -> Vec<(PathBuf, Arc<[u8]>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(path, content)| (path.clone(), Arc::clone(content))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_and_clones_share_what_was_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "first").expect("it can be written");
        let files = Files::default();
        assert_eq!(&*files.clone().read(file.path()).expect("it is there"), b"first");
        std::fs::write(file.path(), "second").expect("it can be written");
        assert_eq!(&*files.read(file.path()).expect("it is known"), b"first");
        assert!(files.read(Path::new("no/such/file")).is_err());
        assert_eq!(files.all(), [(file.path().to_owned(), b"first"[..].into())]);
        assert_eq!(files.count(), 1);
    }
}
