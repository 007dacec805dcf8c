//! From SCENARIO and its flags to a scenario that can run.

use std::io::Read;
use std::path::Path;

use super::failure::Failure;
use super::flags::ScenarioFlags;
use crate::experiment::Template;
use crate::scenario::problem::nearest;
use crate::scenario::{Scenario, builtin};

/// Reads and resolves the scenario that the flags name.
pub fn load(flags: &ScenarioFlags) -> Result<Scenario, Failure> {
    Ok(template(flags)?.resolve()?)
}

/// Reads the scenario that the flags name, for more to be laid over it.
pub fn template(flags: &ScenarioFlags) -> Result<Template, Failure> {
    let source = read(&flags.scenario)?;
    let base = Path::new(&source.file).parent().filter(|_| source.is_file).unwrap_or(Path::new(""));
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let base = base.to_owned();
    Ok(Template::new(source.text, source.file, base, flags.overrides()))
}

/// A scenario's text and where it came from.
struct Source {
    text: String,
    file: String,
    is_file: bool,
}

/// A built-in name wins over a file of that name; `./name` means the file.
fn read(name: &str) -> Result<Source, Failure> {
    if let Some(text) = builtin::get(name) {
        return Ok(Source { text: text.to_owned(), file: name.to_owned(), is_file: false });
    }
    let mut bytes = Vec::new();
    if name == "-" {
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Failure::Environment("cannot read standard input".to_owned(), error))?;
    } else if !Path::new(name).exists() {
        return Err(unknown(name));
    } else {
        bytes =
            std::fs::read(name).map_err(|error| Failure::Usage(format!("cannot read {name}: {error}")))?;
    }
    let file = if name == "-" { "stdin" } else { name };
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::Usage(format!("{file}: byte {} is not UTF-8", error.utf8_error().valid_up_to()))
    })?;
    Ok(Source { text, file: file.to_owned(), is_file: name != "-" })
}

fn unknown(name: &str) -> Failure {
    let known = builtin::all().map(|(known, _)| known);
    let suggestion =
        nearest(name, known).map_or_else(String::new, |known| format!("\n  did you mean {known}?"));
    Failure::Usage(format!(
        "no file and no built-in scenario is named {name:?}{suggestion}\n  writepath list scenarios lists the \
         built-in ones"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_neither_gives_the_nearest() {
        let Err(failure) = read("artcle") else { panic!("there is no such scenario") };
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("did you mean article?"), "{failure}");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), b"# \xff").expect("it can be written");
        let Err(failure) = read(&file.path().to_string_lossy()) else { panic!("it is no text") };
        assert!(failure.to_string().ends_with("byte 2 is not UTF-8"), "{failure}");
    }
}
