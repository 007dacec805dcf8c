//! `writepath report`: a result folder as one page of HTML, and `--report FILE` of `run`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::plot;
use super::result_folder::REPORT;
use super::terminal::Terminal;
use crate::report::html::files::{Files, MANIFEST, Unreadable};
use crate::report::html::{self, MARK};
use crate::units::format_bytes;

/// Make one self-contained HTML page of a result folder
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// What run, load, sweep, validate, compare, size or sensitivity wrote with --out
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The page; - for standard output [default: report.html in DIR]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write over a file that is no report
    #[arg(long, help_heading = "Output")]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  writepath report result                   result/report.html
  writepath report result -o page.html      another place
  writepath report result -o - | less       the page itself
  writepath run article --report page.html  a run and its page, without a folder";

/// `--report` of a command that has just made the files of a result.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportFlag {
    /// Write the result as one HTML page as well; an older report is replaced
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl ReportFlag {
    /// Where the page goes, looked at before anything is simulated; none when no page is asked for.
    ///
    /// # Errors
    /// It cannot be written there, or something else would be lost.
    pub fn target(&self) -> Result<Option<Target>, Failure> {
        if self.report.as_deref() == Some(Path::new("-")) {
            let text = "--report -: standard output has the answer; name a file";
            return Err(Failure::Usage(text.to_owned()));
        }
        self.report.as_deref().map(|path| Target::new(path, false, "--report")).transpose()
    }

    /// Fails if a page is asked for: of many replications there is none.
    pub fn refuse(&self) -> Result<(), Failure> {
        let text = "--report: runs of many replications have no page of their own\n  write their tables with --out DIR, \
                    then writepath report DIR";
        self.report.as_ref().map_or(Ok(()), |_| Err(Failure::Usage(text.to_owned())))
    }
}

/// Runs the subcommand.
pub fn report(args: &ReportArgs, terminal: &Terminal) -> Result<(), Failure> {
    let files = read(&args.dir)?;
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    let path = args.out.clone().unwrap_or_else(|| args.dir.join(REPORT));
    let target = if to_stdout { None } else { Some(Target::new(&path, args.force, "-o")?) };
    let page = page(&files, &|file| args.dir.join(file).display().to_string())?;
    match target {
        None => terminal.print_bytes(page.as_bytes()),
        Some(target) => {
            target.place(page.as_bytes())?;
            let size = format_bytes(page.len() as u64);
            if terminal.quiet { Ok(()) } else { terminal.print(&format!("{}: {size}\n", path.display())) }
        }
    }
}

/// A file that a page may be written to.
pub struct Target {
    path: PathBuf,
}

impl Target {
    /// Looks at the place that `flag` names: what is there must be a page like this one, or `force` given.
    fn new(path: &Path, force: bool, flag: &str) -> Result<Target, Failure> {
        let shown = path.display();
        if path.is_dir() {
            return Err(Failure::Usage(format!("{flag} {shown}: is a folder; name a file")));
        }
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MARK.len() as u64).read_to_end(&mut head));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::Environment(format!("cannot read {shown}"), error)),
            Ok(_) if head == MARK.as_bytes() || head.is_empty() || force => {}
            Ok(_) => {
                let remedy =
                    if flag == "-o" { "name another file, or add --force" } else { "name another file" };
                return Err(Failure::Usage(format!("{flag} {shown}: is no report of writepath\n  {remedy}")));
            }
        }
        Ok(Target { path: path.to_owned() })
    }

    /// Writes the page of `files`.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, files: &[(&str, Vec<u8>)]) -> Result<(), Failure> {
        let mut own = Files::default();
        files.iter().for_each(|(name, bytes)| own.add(name, bytes.clone()));
        self.place(page(&own, &str::to_owned)?.as_bytes())
    }

    fn place(&self, bytes: &[u8]) -> Result<(), Failure> {
        plot::write(&self.path, bytes)
    }
}

/// The page of `files`; `place` names a file of them in a message.
fn page(files: &Files, place: &dyn Fn(&str) -> String) -> Result<String, Failure> {
    let fault = |fault: Unreadable| Failure::Usage(format!("{}{}", place(&fault.file), fault.what));
    let kind = files.kind().map_err(fault)?;
    html::page(files, kind).map_err(fault)
}

/// The files of a result folder.
fn read(dir: &Path) -> Result<Files, Failure> {
    let shown = dir.display();
    let entries = fs::read_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            Failure::Usage(format!("{shown} is a file\n  name the folder that it is in"))
        }
        _ => Failure::Usage(format!("cannot read {shown}: {error}")),
    })?;
    let mut files = Files::default();
    for name in Files::names() {
        let path = dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => files.add(name, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::Environment(format!("cannot read {}", path.display()), error)),
        }
    }
    let whole = "name a folder that a command of writepath wrote with --out, whole";
    if files.get(MANIFEST).is_some() {
        return match files.has_tables() {
            true => Ok(files),
            false => Err(Failure::Usage(format!(
                "{shown} has no table of a result that a page could show\n  {whole}"
            ))),
        };
    }
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let remedy = match names.any(|name| name.starts_with("part-")) {
        true => {
            "it holds parts of a sweep: go on with writepath sweep --resume, or join shards by writepath merge"
        }
        false => whole,
    };
    Err(Failure::Usage(format!("{shown} has no {MANIFEST}: it is no result, or not a whole one\n  {remedy}")))
}
