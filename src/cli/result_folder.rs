//! `--out DIR`: a folder that is whole or absent.
//!
//! Files are written into a temporary folder beside it, which then takes its name. A folder that holds anything but a
//! result is left alone; with `--force` the files are put beside the others, one by one, the manifest last.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::failure::Failure;
use super::interrupt::Interrupt;

/// The file that says what a result is; its presence means the others are complete.
pub const MANIFEST: &str = "manifest.json";
/// The page that `report` makes of the others, unless told of another place.
pub const REPORT: &str = "report.html";
/// Files of a result folder.
///
/// `patterns.csv` is there when some group runs operations of several steps.
const FILES: &[&str] = &[
    "summary.csv",
    "timeline.csv",
    "events.csv",
    "histogram.hgrm",
    "histogram.hlog",
    "intervals.hlog",
    "result.json",
    REPORT,
    "info.txt",
    "replicas.csv",
    "patterns.csv",
    "blame.csv",
    "nodes.csv",
    "migrations.csv",
    "cluster_info.txt",
    "uncertainty.csv",
    "sensitivity.csv",
    "sensitivity.json",
    "why.json",
    "comparison.csv",
    "replications.csv",
    "estimates.csv",
    "size.csv",
    "curve.csv",
    "points.csv",
    "validation.csv",
    "validation.json",
    MANIFEST,
];

/// Where results will go, checked before the run.
#[derive(Debug)]
pub struct ResultFolder {
    dir: PathBuf,
    temporary: TempDir,
    /// Dropped after what is in them.
    _above: NewFolders,
    /// Put the files into the existing folder, beside what else is there.
    in_place: bool,
}

impl ResultFolder {
    /// Checks that results may and can go to `dir`, before anything is simulated.
    pub fn prepare(dir: &Path, force: bool) -> Result<Self, Failure> {
        let cannot = |error| Failure::Environment(format!("cannot write {}", dir.display()), error);
        let mut in_place = false;
        let mut target = dir.to_owned();
        if dir.exists() {
            if !dir.is_dir() {
                return Err(Failure::Usage(format!("--out {}: is a file; name a folder", dir.display())));
            }
            target = dir.canonicalize().map_err(cannot)?;
            let other = other_content(dir).map_err(cannot)?;
            if let (Some(other), false) = (&other, force) {
                return Err(Failure::Usage(format!(
                    "--out {}: holds other files ({other}); name another folder, or add --force to write beside them",
                    dir.display()
                )));
            }
            let is_current = std::env::current_dir().is_ok_and(|current| current == target);
            in_place = other.is_some() || is_current;
        }
        let parent =
            target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = if in_place { &target } else { parent };
        let above = NewFolders::create(beside).map_err(cannot)?;
        let temporary = temporary_folder(beside).map_err(cannot)?;
        Ok(ResultFolder { dir: target, temporary, _above: above, in_place })
    }

    /// Writes all files, or none.
    pub fn write(self, files: &[(&str, Vec<u8>)], interrupt: &Interrupt) -> Result<(), Failure> {
        let shown = self.dir.display().to_string();
        let cannot = |error| Failure::Environment(format!("cannot write {shown}"), error);
        for (name, bytes) in files {
            debug_assert!(FILES.contains(name), "{name} is a file of a result folder");
            let written = File::create(self.temporary.path().join(name)).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(|error| Failure::Environment(format!("cannot write {shown}/{name}"), error))?;
        }
        if interrupt.requested() {
            return Err(Failure::Interrupted);
        }
        let placed = if self.in_place { self.place_files(files) } else { self.place_folder() };
        placed.map_err(cannot)
    }

    /// Gives the temporary folder its name; an older result makes way, and comes back if that fails.
    fn place_folder(self) -> io::Result<()> {
        let parent = self.temporary.path().parent().unwrap_or(Path::new("."));
        let old = temporary_folder(parent)?;
        let aside = old.path().join("result");
        let exists = self.dir.exists();
        if exists {
            fs::rename(&self.dir, &aside)?;
        }
        let placed = fs::rename(self.temporary.path(), &self.dir);
        if placed.is_err() && exists {
            fs::rename(&aside, &self.dir)?;
        }
        placed
    }

    /// Moves the files over; without its manifest a folder is no result, so that goes first and comes last. A page of the older
    /// result goes too.
    fn place_files(self, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
        for name in [MANIFEST, REPORT] {
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let (manifest, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.0 == MANIFEST);
        others
            .into_iter()
            .chain(manifest)
            .try_for_each(|(name, _)| fs::rename(self.temporary.path().join(name), self.dir.join(name)))
    }
}

/// Folders made for a result, deepest first; those that stay empty go away again.
#[derive(Debug)]
pub struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    /// Makes `dir` and what is missing above it.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let missing = dir.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        let folders = NewFolders(missing);
        fs::create_dir_all(dir)?;
        Ok(folders)
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// The name of something in `dir` that is no file of a result.
fn other_content(dir: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !FILES.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A new folder with the usual rights; it goes away unless it is renamed.
fn temporary_folder(parent: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writepath-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<(&'static str, Vec<u8>)> {
        FILES.iter().map(|&name| (name, text.as_bytes().to_vec())).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_result_is_written_whole_and_replaced_whole() {
        let parent = TempDir::new().expect("a folder");
        let dir = parent.path().join("deep/result");
        for text in ["first", "second"] {
            let folder = ResultFolder::prepare(&dir, false).expect("it may be written");
            folder.write(&files(text), &Interrupt::default()).expect("it can be written");
            assert_eq!(fs::read_to_string(dir.join("info.txt")).expect("a file"), text);
        }
        assert_eq!(names(dir.parent().expect("a parent")), ["result"]);
        assert_eq!(names(&dir).len(), FILES.len());
    }

    #[test]
    fn other_content_is_kept() {
        let parent = TempDir::new().expect("a folder");
        fs::write(parent.path().join("thesis.tex"), "years of work").expect("it can be written");
        let refused = ResultFolder::prepare(parent.path(), false).expect_err("it holds other files");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("thesis.tex"), "{refused}");
        let folder = ResultFolder::prepare(parent.path(), true).expect("forced");
        folder.write(&files("text"), &Interrupt::default()).expect("it can be written");
        assert_eq!(fs::read_to_string(parent.path().join("thesis.tex")).expect("a file"), "years of work");
        assert_eq!(names(parent.path()).len(), FILES.len() + 1);
    }

    #[test]
    fn nothing_is_left_when_the_run_is_not_finished() {
        let parent = TempDir::new().expect("a folder");
        let folder =
            ResultFolder::prepare(&parent.path().join("deep/down/result"), false).expect("it may be written");
        assert_eq!(names(parent.path()), ["deep"]);
        drop(folder);
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert_eq!(ResultFolder::prepare(file.path(), true).expect_err("it is a file").exit_code(), 2);
        let below = file.path().join("result");
        assert_eq!(ResultFolder::prepare(&below, false).expect_err("below a file").exit_code(), 3);
    }
}
