//! `writepath show`: a built-in file itself, or a scenario as resolved.

use clap::Args;

use super::failure::Failure;
use super::flags::ScenarioFlags;
use super::input;
use super::terminal::Terminal;
use crate::models;
use crate::scenario::builtin;
use crate::scenario::problem::nearest;
use crate::scenario::show::resolved_toml;
use crate::sim;

/// Print a built-in scenario or model, or a scenario as resolved
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Print every setting with its origin, the offered load and what closed forms predict
    #[arg(long)]
    resolved: bool,
    #[command(flatten)]
    scenario: ScenarioFlags,
}

/// Runs the subcommand.
pub fn show(args: &ShowArgs, terminal: &Terminal) -> Result<(), Failure> {
    if args.resolved {
        return resolved(&args.scenario, terminal);
    }
    if args.scenario.change_something() {
        return Err(Failure::Usage(
            "flags that change the scenario go with --resolved; without it the file itself is printed"
                .to_owned(),
        ));
    }
    let name = args.scenario.scenario.as_str();
    let model = || models::builtin().find(|model| model.0 == name).map(|model| model.1);
    let text = builtin::get(name).or_else(model).ok_or_else(|| unknown(name))?;
    terminal.print_bytes(text.as_bytes())
}

/// The resolved scenario as a file; predictions follow as comments, so that it stays one.
fn resolved(flags: &ScenarioFlags, terminal: &Terminal) -> Result<(), Failure> {
    let scenario = input::load(flags)?;
    let mut text = resolved_toml(&scenario);
    let predicted = sim::predict(&scenario);
    let width = predicted.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    if !predicted.is_empty() {
        text.push_str("\n# predicted by closed forms\n");
    }
    for (name, value) in &predicted {
        text.push_str(&format!("# {name:<width$}  {value}\n"));
    }
    for note in &scenario.notes {
        text.push_str(&format!("# note: {note}\n"));
    }
    terminal.print_bytes(text.as_bytes())
}

fn unknown(name: &str) -> Failure {
    let known = builtin::all().chain(models::builtin()).map(|known| known.0);
    let suggestion =
        nearest(name, known).map_or_else(String::new, |known| format!("\n  did you mean {known}?"));
    Failure::Usage(format!(
        "nothing built in is named {name:?}{suggestion}\n  writepath list shows what is built in"
    ))
}
