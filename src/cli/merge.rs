//! `writepath merge`: shards of a sweep into the files of one.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::flags::Format;
use super::sweep::print;
use super::sweep_folder::{self, join_failure, write_tables};
use super::terminal::Terminal;
use crate::experiment::sweep::journal::PartPaths;
use crate::experiment::sweep::{Joined, Shard};

/// Join the shards of a sweep: each point once, the same files as from one machine
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MergeArgs {
    /// Folders that sweep --shard wrote; several shards may be in one
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Write the merged sweep into this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: PathBuf,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
    /// Write into a folder that holds other files or an older merge
    #[arg(long, help_heading = "Output")]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  writepath merge parts --out result             all shards wrote into one folder
  writepath merge node1 node2 node3 --out result

Files that were merged stay as they are. Points that are missing or there twice, shards of different sweeps, of
another build of the program or with other input files, and damaged files are named; nothing is written then.";

/// Runs the subcommand.
pub fn merge(args: &MergeArgs, terminal: &Terminal) -> Result<(), Failure> {
    let (mut whole, mut open) = (Vec::new(), Vec::new());
    for dir in &args.dirs {
        let (found, unfinished) = sweep_folder::parts(dir)?;
        if found.is_empty() && unfinished.is_empty() {
            return Err(Failure::Usage(format!(
                "{}: holds no part of a sweep\n  name folders that writepath sweep --out wrote",
                dir.display()
            )));
        }
        whole.extend(found);
        open.extend(unfinished);
    }
    if !open.is_empty() {
        let names: Vec<String> = open.iter().map(|path| format!("\n  {}", path.display())).collect();
        return Err(Failure::Usage(format!(
            "not finished:{}\n  run these shards again with --resume",
            names.concat()
        )));
    }
    if args.dirs.iter().any(|dir| same_folder(dir, &args.out)) {
        return Err(Failure::Usage(format!(
            "--out {}: is one of the folders to merge\n  name another folder",
            args.out.display()
        )));
    }
    let points = Joined::open(&whole).map_err(join_failure)?;
    let prepared = sweep_folder::prepare(&args.out, Shard::WHOLE, args.force)?;
    if prepared.begun && !args.force {
        return Err(Failure::Usage(format!(
            "--out {}: holds a sweep already\n  name another folder, or add --force to replace it",
            args.out.display()
        )));
    }
    write_tables(&args.out, points, true)?;
    let merged = PartPaths::new(&args.out, (1, 1)).whole;
    let points = Joined::open(&[merged]).map_err(join_failure)?;
    print(points, args.format, Some(&args.out), Shard::WHOLE, terminal)
}

/// Whether two names are one folder.
fn same_folder(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
