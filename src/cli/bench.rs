//! `writepath bench`: how fast the engine is on this machine.

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::flags::Format;
use super::terminal::Terminal;
use crate::bench::{self, BenchCase};

/// Measure the speed of the engine on this machine
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
}

#[derive(Debug, Serialize)]
struct BenchOutput {
    cases: Vec<CaseOutput>,
}

#[derive(Debug, Serialize)]
struct CaseOutput {
    name: &'static str,
    commands_per_s: f64,
    ns_per_command: f64,
    ratio_to_lindley: f64,
}

/// Runs the subcommand.
pub fn bench(args: &BenchArgs, terminal: &Terminal) -> Result<(), Failure> {
    let cases = bench::run_all(&mut |name| {
        if terminal.progress {
            terminal.note(&format!("measuring {name}"));
        }
    });
    match args.format {
        Format::Human => terminal.print(&bench::table(&cases)),
        Format::Json => terminal.print_bytes(json(&cases).as_bytes()),
        Format::Csv => terminal.print_bytes(csv(&cases).as_bytes()),
    }
}

fn json(cases: &[BenchCase]) -> String {
    let cases = cases
        .iter()
        .map(|case| CaseOutput {
            name: case.name,
            commands_per_s: case.commands_per_s,
            ns_per_command: case.ns_per_command,
            ratio_to_lindley: case.ratio_to_lindley,
        })
        .collect();
    serde_json::to_string_pretty(&BenchOutput { cases }).expect("plain values are always JSON") + "\n"
}

fn csv(cases: &[BenchCase]) -> String {
    let rows = cases.iter().map(|case| {
        let BenchCase { name, commands_per_s, ns_per_command, ratio_to_lindley } = case;
        format!("{name},{commands_per_s},{ns_per_command},{ratio_to_lindley}\n")
    });
    "name,commands_per_s,ns_per_command,ratio_to_lindley\n".to_owned() + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: BenchCase =
        BenchCase { name: "pipelined", commands_per_s: 2e7, ns_per_command: 50.0, ratio_to_lindley: 3.1 };

    #[test]
    fn a_case_is_printed_in_every_format() {
        assert_eq!(csv(&[CASE]).lines().nth(1), Some("pipelined,20000000,50,3.1"));
        assert!(json(&[CASE]).contains("\"ns_per_command\": 50.0,\n"), "{}", json(&[CASE]));
    }
}
