//! The command that replays a run, and the one line a broken invariant prints.

use std::cell::RefCell;
use std::io::Write;
use std::panic;

use crate::scenario::Scenario;

thread_local! {
    /// What this thread is simulating, for the panic hook.
    static RUNNING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Arguments of the program after its name.
pub fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Tells the panic hook which run it would be about.
pub fn running(scenario: &Scenario) {
    let seed = scenario.run.seed;
    set(format!("scenario {}, seed {seed}; replay: {}", scenario.name, command(&arguments(), seed)));
}

/// Tells the panic hook which point of a sweep this thread simulates.
pub fn running_point(index: u64, scenario: &Scenario) {
    let seed = scenario.run.seed;
    set(format!(
        "point {index} of scenario {}, seed {seed}; replay: {}",
        scenario.name,
        command(&arguments(), seed)
    ));
}

fn set(line: String) {
    RUNNING.with_borrow_mut(|running| *running = Some(line));
}

/// The command line again, with its seed.
fn command(arguments: &[String], seed: u64) -> String {
    let mut words = vec!["writepath".to_owned()];
    words.extend(arguments.iter().map(|argument| quote(argument)));
    if !arguments.iter().any(|argument| argument == "--seed" || argument.starts_with("--seed=")) {
        words.push(format!("--seed {seed}"));
    }
    words.join(" ")
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A broken invariant prints one line; with RUST_BACKTRACE set, the usual report follows. The exit code is 101.
pub fn install_panic_hook() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        let running = RUNNING.with_borrow(Clone::clone);
        let running = running.map_or_else(String::new, |running| format!("; {running}"));
        let message = message.replace('\n', " ");
        let _ = writeln!(std::io::stderr(), "writepath: broken invariant: {message}{place}{running}");
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(info);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let words = |text: &[&str]| text.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        assert_eq!(
            command(&words(&["run", "it's.toml", "--rate", "20k/s"]), 7),
            r"writepath run 'it'\''s.toml' --rate 20k/s --seed 7"
        );
        assert_eq!(command(&words(&["run", "--seed=3"]), 3), "writepath run --seed=3");
    }
}
