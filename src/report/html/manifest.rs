//! What a manifest says: what was run, with which settings, how to run it again.

use serde_json::{Map, Value, json};

use super::view::Section;

/// Settings that are shown at once: more than there are, so that a search is a convenience and paper has them all.
const SETTINGS: u64 = 500;

/// A word of a command line as a shell takes it.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+%@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// The command that was typed; none when the manifest has none.
fn command(manifest: &Map<String, Value>) -> Option<String> {
    let words: Vec<String> = strings(manifest.get("command_line")).iter().map(|own| word(own)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Flags of `run` about its output, which ask for the same of nothing else; those of the first list have a value.
const OUTPUT: [&[&str]; 2] =
    [&["--out", "--report", "--format", "--trace"], &["--force", "-q", "--quiet", "-v", "--verbose"]];

/// The command that adds blame and counterfactuals to what was run: the same scenario and settings.
pub fn why(manifest: &Map<String, Value>) -> String {
    let typed = strings(manifest.get("command_line"));
    let mut rest = typed.iter().skip(2);
    let mut words = vec!["writepath".to_owned(), "why".to_owned()];
    if typed.get(1).is_some_and(|command| command == "run") {
        while let Some(own) = rest.next() {
            let flag = own.split('=').next().unwrap_or_default();
            match flag {
                flag if OUTPUT[0].contains(&flag) && own.contains('=') => {}
                flag if OUTPUT[0].contains(&flag) => {
                    rest.next();
                }
                flag if OUTPUT[1].contains(&flag) => {}
                _ => words.push(word(own)),
            }
        }
    } else {
        words.extend(text(manifest, "scenario").map(word));
    }
    words.extend(["--out".to_owned(), "DIR".to_owned()]);
    words.join(" ")
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// Strings of a list.
fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array);
    list.map_or_else(Vec::new, |list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// How to get the same result again.
pub fn reproduce(manifest: &Map<String, Value>) -> Section {
    let together = manifest.get("scenarios").and_then(|list| list.get(0)).and_then(Value::as_object);
    let first = together.unwrap_or(manifest);
    let mut text_of = Vec::new();
    if let Some(version) = text(first, "writepath") {
        text_of.push(format!("writepath {version}; equal versions, scenarios and seeds give equal bytes."));
    }
    if let Some(seed) = first.get("seed").and_then(Value::as_u64) {
        text_of.push(format!("Seed {seed}."));
    }
    if let Some(source) = text(first, "source") {
        text_of.push(format!("Digest of the program's source: {source}."));
    }
    if text(first, "resolved").is_some() {
        text_of.push(
            "manifest.json holds the scenario as a file of its own (resolved): every setting, wherever it came from."
                .to_owned(),
        );
    }
    Section {
        id: "reproduce",
        title: "How to reproduce".to_owned(),
        text: text_of,
        commands: command(first).into_iter().collect(),
        ..Section::default()
    }
}

/// The settings with their origin, as a long table; none when the manifest has none.
pub fn settings(manifest: &Map<String, Value>) -> Option<(Section, Value)> {
    let rows: Vec<Value> = manifest
        .get("settings")?
        .as_array()?
        .iter()
        .map(|row| {
            let cell = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
            json!([cell("key"), cell("value"), cell("origin")])
        })
        .collect();
    let mut text = strings(manifest.get("notes"));
    let not = strings(manifest.get("directives_not_modelled"));
    if !not.is_empty() {
        text.push(format!("Accepted and not modelled: {}.", not.join(", ")));
    }
    let section = Section {
        id: "settings",
        title: "Settings and where they came from".to_owned(),
        text,
        lists: vec!["settings"],
        ..Section::default()
    };
    let columns = json!([{"name": "Setting"}, {"name": "Value"}, {"name": "From"}]);
    Some((section, json!({"caption": "Settings", "columns": columns, "rows": rows, "first": SETTINGS})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let manifest =
            json!({"command_line": ["writepath", "run", "--set", "redis.save=\"60 1\"", "it's", ""]});
        let manifest = manifest.as_object().expect("an object");
        assert_eq!(
            command(manifest).as_deref(),
            Some(r#"writepath run --set 'redis.save="60 1"' 'it'\''s' ''"#)
        );
        assert_eq!(command(&Map::new()), None);
    }

    #[test]
    fn the_way_to_blame_has_the_settings_of_the_run() {
        let of = |words: &[&str]| {
            why(json!({"scenario": "mine", "command_line": words}).as_object().expect("an object"))
        };
        assert_eq!(
            of(&[
                "writepath",
                "run",
                "my file.toml",
                "--rate",
                "5000/s",
                "--out",
                "a",
                "-q",
                "--report=x",
                "--seed=2"
            ]),
            "writepath why 'my file.toml' --rate 5000/s --seed=2 --out DIR"
        );
        assert_eq!(
            of(&["writepath", "run", "--set", "redis.hz=100"]),
            "writepath why --set redis.hz=100 --out DIR"
        );
        assert_eq!(of(&["python3"]), "writepath why mine --out DIR");
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let section = reproduce(&Map::new());
        assert!(section.text.is_empty() && section.commands.is_empty());
        assert!(settings(&Map::new()).is_none());
        let manifest = json!({"writepath": "0.1.0", "seed": 7, "resolved": "[run]", "notes": ["a note"],
            "settings": [{"key": "redis.hz", "value": "10", "origin": "default"}]});
        let manifest = manifest.as_object().expect("an object");
        assert_eq!(reproduce(manifest).text.len(), 3);
        let (section, list) = settings(manifest).expect("settings");
        assert_eq!(
            (section.text, &list["rows"][0]),
            (vec!["a note".to_owned()], &json!(["redis.hz", "10", "default"]))
        );
    }
}
