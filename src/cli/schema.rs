//! `writepath schema`: JSON Schemas of what goes in and what comes out.

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::terminal::Terminal;
use crate::report::json::run_schema;
use crate::scenario::schema::json_schema;

/// Print the JSON Schema of scenario files, or of the JSON that run prints
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Whose schema
    #[arg(value_enum, default_value_t = Of::Scenario)]
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Scenario files
    Scenario,
    /// What `run --format json` prints
    Run,
}

/// Runs the subcommand.
pub fn schema(args: &SchemaArgs, terminal: &Terminal) -> Result<(), Failure> {
    let schema = match args.of {
        Of::Scenario => json_schema(),
        Of::Run => run_schema(),
    };
    terminal.print_bytes(format!("{schema:#}\n").as_bytes())
}
