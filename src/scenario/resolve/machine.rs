//! `[machine]`: the model of the machine, and single prices laid over it.

use std::path::Path;

use super::super::keys::MACHINE;
use super::super::reader::{Fault, Reader, Section};
use super::super::tree::{Node, Place, Table, Value};
use super::super::{Origin, problem::Problem};
use crate::cost_model::CostModel;
use crate::models;
use crate::redis::version::Version;

/// Reads the table; none when the model could not be loaded.
pub fn read(tree: &Table, base_dir: &Path, reader: &mut Reader) -> Option<CostModel> {
    let section = Section::single(&MACHINE, tree);
    let name = reader.text(&section, "model");
    let typed = name.value?;
    let mut model = load("machine.model", &typed, &name.place, base_dir, reader)?;
    lay_prices(&section, &mut model, reader);
    Some(model)
}

/// The built-in model or the path that a model's name stands for: a path in the file counts from the file's folder,
/// one in a flag from where the user stands.
pub fn model_path(typed: &str, origin: &Origin, base_dir: &Path) -> String {
    let is_path = typed.ends_with(".toml") || typed.contains('/');
    match is_path && matches!(origin, Origin::Scenario(..)) {
        true => base_dir.join(typed).to_string_lossy().into_owned(),
        false => typed.to_owned(),
    }
}

/// Loads the model that `key` names; none with its problems reported.
pub fn load(
    key: &str,
    typed: &str,
    place: &Place,
    base_dir: &Path,
    reader: &mut Reader,
) -> Option<CostModel> {
    let path = model_path(typed, &place.origin, base_dir);
    let files = reader.files.clone();
    match files.model(&path, || models::load_with(&path, &files).map(|(model, _)| model)) {
        Ok(model) => Some((*model).clone()),
        Err(problems) => {
            for problem in problems.0 {
                // Without a position of its own, the complaint is about the name.
                reader.problems.push(if problem.line > 0 {
                    problem
                } else {
                    let Problem { read, remedies, .. } = problem;
                    place.problem(&reader.file, format!("{key}: {path:?}: {read}"), remedies)
                });
            }
            None
        }
    }
}

/// Prices that were got with one version of the server are noted where another is simulated.
pub fn note_version(model: Option<&CostModel>, version: Version, reader: &mut Reader) {
    if let Some(model) = model.filter(|model| !model.server.is_empty() && model.server != version.to_string())
    {
        let CostModel { name, server, .. } = model;
        reader.notes.push(format!("the prices of {name} were got with version {server}, not {version}"));
    }
}

fn lay_prices(section: &Section<'_>, model: &mut CostModel, reader: &mut Reader) {
    let mut prices = Vec::new();
    for entry in section.table.entries.iter().filter(|entry| entry.key != "model") {
        flatten(&entry.key, &entry.node, &mut prices);
    }
    for (dotted, node) in prices {
        let outcome = match node.plain() {
            Some(text) => models::override_price(model, &dotted, &text),
            None => Err(format!("{} is no price; write a number with its unit", node.literal())),
        };
        match outcome {
            Ok(()) => reader.record(section, &dotted, node.literal(), node.place.origin.clone()),
            Err(message) => {
                let prefix = format!("{dotted}: ");
                let fault = Fault::from_message(message.strip_prefix(&prefix).unwrap_or(&message));
                let read = format!("machine.{dotted}: {}", fault.read);
                let problem = node.place.problem(&reader.file, read, fault.remedies);
                reader.problems.push(problem);
            }
        }
    }
}

/// `fork.per-gib = …` is a table to TOML; a flag has the dotted name. The later one replaces the earlier one.
fn flatten(name: &str, node: &Node, prices: &mut Vec<(String, Node)>) {
    match &node.value {
        Value::Table(table) => {
            table
                .entries
                .iter()
                .for_each(|entry| flatten(&format!("{name}.{}", entry.key), &entry.node, prices));
        }
        _ => {
            prices.retain(|(earlier, _)| earlier != name);
            prices.push((name.to_owned(), node.clone()));
        }
    }
}
