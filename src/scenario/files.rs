//! The files a scenario names beside itself: model files, redis.conf with its includes, INFO dumps, tables of rates.
//!
//! Each is read once, so that many scenarios made from one template see the same content whatever happens to the file
//! meanwhile, and so that it can be told afterwards what a result depends on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::problem::Problems;
use crate::cost_model::CostModel;

/// Content of files by path as it was named, and models made of it. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Files(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<PathBuf, Arc<[u8]>>,
    models: BTreeMap<String, Arc<CostModel>>,
}

impl Files {
    /// The content of `path`: as it was when it was read first.
    ///
    /// # Errors
    /// The system's, when it cannot be read.
    pub fn read(&self, path: &Path) -> io::Result<Arc<[u8]>> {
        let mut known = self.known();
        if let Some(content) = known.files.get(path) {
            return Ok(Arc::clone(content));
        }
        let content: Arc<[u8]> = std::fs::read(path)?.into();
        known.files.insert(path.to_owned(), Arc::clone(&content));
        Ok(content)
    }

    /// The model of this name or path, which `load` makes the first time: reading one takes longer than a short run.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn model(
        &self,
        name: &str,
        load: impl FnOnce() -> Result<CostModel, Problems>,
    ) -> Result<Arc<CostModel>, Problems> {
        if let Some(model) = self.known().models.get(name) {
            return Ok(Arc::clone(model));
        }
        // Not locked meanwhile: `load` reads files.
        let model = Arc::new(load()?);
        self.known().models.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of files read so far.
    pub fn count(&self) -> usize {
        self.known().files.len()
    }

    /// Every file read so far, by path.
    pub fn all(&self) -> Vec<(PathBuf, Arc<[u8]>)> {
        let known = self.known();
        known.files.iter().map(|(path, content)| (path.clone(), Arc::clone(content))).collect()
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

    #[test]
    fn a_model_is_made_once() {
        let files = Files::default();
        let make = || crate::models::load("cloud-vm").map(|loaded| loaded.0);
        let made = files.model("cloud-vm", make).expect("a built-in model");
        let again = files.clone().model("cloud-vm", || panic!("it is known")).expect("the same");
        assert_eq!(*made, *again);
        assert!(files.model("abacus", || crate::models::load("abacus").map(|loaded| loaded.0)).is_err());
    }
}
