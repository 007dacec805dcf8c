//! From a scenario to what is sent; what a real server cannot be asked for is refused by name.

use crate::client::key_names::KeyNames;
use crate::redis::command::CommandKind;
use crate::scenario::replicas::WaitSpec;
use crate::scenario::{Action, Scenario, Workload};
use crate::stats::estimate::SECTIONS;

use super::names::Family;
use super::{Plan, spins_by_default};

/// Longest value of a key that INCR addresses \[bytes\]: a signed 64-bit number.
const LONGEST_NUMBER: f64 = 18.0;

/// The plan of `scenario` with keys that begin with `prefix`.
///
/// # Errors
/// What a real server cannot be asked for, one sentence each, with what to do.
pub fn of(scenario: &Scenario, prefix: &str) -> Result<Plan, Vec<String>> {
    let mut problems = Vec::new();
    if scenario.cluster.is_some() {
        problems.push("[cluster]: one server is driven; take the table out".to_owned());
    }
    if !scenario.replicas.is_empty() {
        problems.push("[[replica]]: one server is driven; take the tables out".to_owned());
    }
    let mut actions = Vec::new();
    for event in &scenario.events {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match &event.action {
            Action::Bgsave => actions.push((event.at, words(&["BGSAVE"]))),
            Action::Save => actions.push((event.at, words(&["SAVE"]))),
            Action::Bgrewriteaof => actions.push((event.at, words(&["BGREWRITEAOF"]))),
            Action::ConfigSet { text, .. } => {
                let (name, value) = text.split_once(' ').unwrap_or((text, ""));
                actions.push((event.at, words(&["CONFIG", "SET", name, value.trim_matches('"')])));
            }
            other => problems.push(format!(
                "[[event]] {}: nobody can make a real server do that; take the event out",
                name(other)
            )),
        }
    }
    scenario.workloads.iter().for_each(|group| check(group, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    let run = &scenario.run;
    Ok(Plan {
        name: scenario.name.clone(),
        groups: scenario.workloads.clone(),
        dataset: scenario.dataset.clone(),
        actions,
        duration: run.duration,
        warmup: run.warmup,
        seed: run.seed,
        windows: run.windows.clone(),
        interval: run.interval,
        stall_threshold: run.stall_threshold,
        prefix: prefix.to_owned(),
        fill: scenario.dataset.prefilled,
        spin: spins_by_default(),
        sections: SECTIONS,
    })
}

/// What is simulated and has no counterpart, or differs, one sentence each.
pub fn notes(scenario: &Scenario, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let key = scenario.dataset.key_size;
    let longest = plan.prefix.len() + KeyNames::new(0, plan.dataset.keys, None).bytes();
    if longest > key as usize {
        notes.push(format!(
            "keys are {longest} bytes long instead of {key}, for the prefix {:?}",
            plan.prefix
        ));
    }
    if scenario.run.warmup_auto {
        notes.push("run.warmup = \"auto\" is found by simulating; the default is taken".to_owned());
    }
    if scenario.dataset.fragmentation > 1.0 {
        notes.push("dataset.fragmentation is the server's own".to_owned());
    }
    notes
}

fn check(group: &Workload, problems: &mut Vec<String>) {
    let name = &group.name;
    if let Some(WaitSpec { .. }) = group.wait {
        problems.push(format!("[[workload]] {name}: wait needs replicas; take it out"));
    }
    if group.pattern.as_ref().is_some_and(|pattern| pattern.released) {
        problems.push(format!(
            "[[workload]] {name}: a real server does not tell clients when a key expires; use loop = \"open\""
        ));
    }
    for (command, _) in &group.mix {
        if matches!(command.kind, CommandKind::Xreadgroup | CommandKind::Xack | CommandKind::Xdel) {
            problems.push(format!(
                "[[workload]] {name}: {command} depends on the ids of entries, which are not kept; use XADD or XTRIM"
            ));
        }
        let mut families: Vec<Family> = Family::named_by(command).collect();
        families.sort_unstable();
        families.dedup();
        // Text and counters are both strings.
        if families.len() > 1 && families != [Family::Text, Family::Counter] {
            problems
                .push(format!("[[workload]] {name}: {command} calls commands of several types on one key"));
        }
        let sets = [command.kind]
            .iter()
            .chain(&command.script)
            .any(|kind| matches!(kind, CommandKind::Set | CommandKind::Mset));
        let is_counter = Family::of(command, group) == Family::Counter;
        if sets && is_counter && group.value_size.quantile(1.0 - 1e-9) > LONGEST_NUMBER {
            problems.push(format!(
                "[[workload]] {name}: INCR needs numbers, and {command} writes longer values; set value-size = \"8B\""
            ));
        }
        if command.kind == CommandKind::Append && is_counter {
            problems.push(format!("[[workload]] {name}: INCR and APPEND on one key do not go together"));
        }
    }
}

/// As scenarios call it.
fn name(action: &Action) -> &'static str {
    match action {
        Action::Bgsave => "BGSAVE",
        Action::Save => "SAVE",
        Action::Bgrewriteaof => "BGREWRITEAOF",
        Action::ConfigSet { .. } => "CONFIG SET",
        Action::ForeignWriter { .. } => "of a foreign writer",
        Action::Freeze { .. } => "that freezes the host",
        Action::Crash { .. } => "that crashes the server",
        Action::DiskFull { .. } => "that fills the disk",
        Action::FsyncFails { .. } => "that lets fsync fail",
        Action::Replica(_) => "about replicas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::resolve::{Overrides, resolve};

    fn plan(text: &str) -> Result<Plan, Vec<String>> {
        let scenario = resolve(text, "t.toml", ".".as_ref(), &Overrides::default());
        of(&scenario.expect("a sound scenario"), "wp:")
    }

    const GROUP: &str = "[[workload]]\nloop = \"open\"\nrate = \"100/s\"\n";

    #[test]
    fn what_can_be_sent_is_planned() {
        let text = format!(
            "{GROUP}operation = \"SET\"\n[[event]]\nat = \"5s\"\ndo = \"BGSAVE\"\n[[event]]\nat = \"6s\"\n\
             do = \"CONFIG SET hz 100\"\n[run]\nduration = \"10s\"\nwarmup = \"1s\"\n"
        );
        let plan = plan(&text).expect("it can be sent");
        let words: Vec<String> = plan.actions.iter().map(|(_, words)| words.join(" ")).collect();
        assert_eq!(words, ["BGSAVE", "CONFIG SET hz 100"]);
        assert_eq!((plan.duration, plan.warmup), (10_000_000_000, 1_000_000_000));
    }

    #[test]
    fn what_cannot_is_refused_all_at_once() {
        let text = format!(
            "{GROUP}mix = {{ SET = 0.5, INCR = 0.5 }}\nvalue-size = \"100B\"\n{GROUP}operation = \"XACK\"\n\
             [[replica]]\n[[event]]\nat = \"5s\"\ndo = \"freeze\"\nfor = \"1s\"\n[run]\nduration = \"10s\"\n\
             warmup = \"1s\"\n"
        );
        let problems = plan(&text).expect_err("no real server does that").join("\n");
        for part in ["[[replica]]", "freezes the host", "INCR needs numbers", "XACK depends on the ids"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }
}
