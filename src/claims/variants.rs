//! The variants of an experiment: a scenario each, with what is laid over it.

use std::path::PathBuf;

use super::form::{Form, as_flag};
use crate::experiment::{Assignment, Template};
use crate::scenario::problem::Problems;
use crate::scenario::resolve::Overrides;
use crate::scenario::tree::{Node, Place, Table, Value};
use crate::scenario::{Scenario, builtin};

/// A variant.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Name of a built-in scenario, or its text.
    pub scenario: String,
    /// What is laid over it, the last of a key counting.
    pub set: Vec<Assignment>,
    /// Where it is written.
    place: Place,
}

impl Variant {
    /// The text of its scenario.
    pub fn text(&self) -> &str {
        builtin::get(&self.scenario).unwrap_or(&self.scenario)
    }

    /// The scenario as it is run under `seed`.
    ///
    /// # Errors
    /// Every problem of the scenario and of what is laid over it.
    pub fn resolve(&self, overrides: &Overrides, file: &str, seed: u64) -> Result<Scenario, Problems> {
        let is_builtin = builtin::get(&self.scenario).is_some();
        let name = if is_builtin { self.scenario.clone() } else { "own.toml".to_owned() };
        let template = Template::new(self.text().to_owned(), name, PathBuf::from("."), overrides.clone());
        let mut scenario = template.with(&self.set).map_err(|problems| {
            let named = |problem: crate::scenario::problem::Problem| {
                let read = format!("variant {:?}: {problem}", self.name);
                self.place.problem(file, read, Vec::new())
            };
            Problems(problems.0.into_iter().map(named).collect())
        })?;
        scenario.run.seed = seed;
        Ok(scenario)
    }
}

/// Reads `scenario`, `set`, `[vary]` and `[[variant]]`: every variant under every combination of what varies.
pub fn read(form: &mut Form, tree: &Table) -> Vec<Variant> {
    let top = form.top();
    let scenario = form.text(tree, "scenario").map(|text| known(form, tree, text));
    let common = assignments(form, tree, "set");
    let axes: Vec<(String, Vec<Node>)> = form
        .entries(tree, "vary")
        .into_iter()
        .map(|(key, node)| match &node.value {
            Value::List(nodes) => (key.to_owned(), nodes.clone()),
            _ => (key.to_owned(), vec![node.clone()]),
        })
        .collect();
    let mut own = Vec::new();
    for (table, place) in form.tables(tree, "variant") {
        form.keys(table, "variant", &["name", "scenario", "set"]);
        let name = form.need(table, "name", &place);
        let scenario = form.text(table, "scenario").map(|text| known(form, table, text)).or(scenario.clone());
        let set = [common.clone(), assignments(form, table, "set")].concat();
        own.push((name, scenario, set, place));
    }
    if own.is_empty() {
        own.push((String::new(), scenario, common, top.clone()));
    }
    let mut variants = Vec::new();
    for (name, scenario, set, place) in own {
        let Some(scenario) = scenario else {
            form.fault(&place, "scenario is missing\nwrite scenario = NAME, or the text of one");
            continue;
        };
        for point in combinations(&axes) {
            let values = point.iter().map(|own| own.value.clone());
            let parts: Vec<String> =
                std::iter::once(name.clone()).filter(|name| !name.is_empty()).chain(values).collect();
            let name = if parts.is_empty() { "as it is".to_owned() } else { parts.join(", ") };
            let set = [set.clone(), point].concat();
            variants.push(Variant { name, scenario: scenario.clone(), set, place: place.clone() });
        }
    }
    check_names(form, &variants);
    variants
}

/// Names are distinct and can stand in a figure.
fn check_names(form: &mut Form, variants: &[Variant]) {
    for (index, variant) in variants.iter().enumerate() {
        if variants[..index].iter().any(|other| other.name == variant.name) {
            form.fault(&variant.place, &format!("two variants are called {:?}", variant.name));
        }
        let in_the_way = ["@", " over ", "±", "}", "\n"].iter().find(|part| variant.name.contains(**part));
        if let Some(part) = in_the_way {
            form.fault(&variant.place, &format!("variant {:?}: a name cannot hold {part:?}", variant.name));
        }
    }
}

/// A scenario by name, or a text of several lines that is one.
fn known(form: &mut Form, table: &Table, text: String) -> String {
    if builtin::get(&text).is_none() && !text.contains('\n') {
        let place = table.get("scenario").map_or_else(|| form.top(), |node| node.place.clone());
        let near = crate::scenario::problem::nearest(&text, builtin::all().map(|known| known.0));
        let near = near.map_or_else(String::new, |near| format!("\ndid you mean {near}?"));
        form.fault(&place, &format!("no built-in scenario is named {text:?}{near}"));
    }
    text
}

fn assignments(form: &mut Form, table: &Table, key: &str) -> Vec<Assignment> {
    let assignment = |(key, node): (&str, &Node)| Assignment { key: key.to_owned(), value: as_flag(node) };
    form.entries(table, key).into_iter().map(assignment).collect()
}

/// Every combination of a value of each axis; the last axis changes fastest.
fn combinations(axes: &[(String, Vec<Node>)]) -> Vec<Vec<Assignment>> {
    axes.iter().fold(vec![Vec::new()], |points, (key, values)| {
        let with = |point: &Vec<Assignment>, value: &Node| {
            let own = Assignment { key: key.clone(), value: as_flag(value) };
            [point.clone(), vec![own]].concat()
        };
        points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect()
    })
}
