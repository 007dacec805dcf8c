//! Real redis.conf and valkey.conf files: `lines.rs` reads them, `apply.rs` takes settings of the model over,
//! `names.rs` knows the others, `value.rs` reads values.

mod apply;
mod glob;
mod lines;
mod names;
pub(super) mod value;

pub use apply::{Applied, apply, changeable, modelled};
pub use lines::{Directive, parse, read, split};
pub use names::canonical;

use super::problem::{Problem, Problems, nearest};
use crate::redis::config::RedisConfig;

/// What became of a file's directives: used; not modelled, with the reason; irrelevant or at rest; unknown; and the
/// wrong values of modelled settings (none: nothing wrong).
pub type AppliedAll<'d> = (
    Vec<&'d Directive>,
    Vec<(&'d Directive, &'static str)>,
    Vec<&'d Directive>,
    Vec<&'d Directive>,
    Problems,
);

/// Takes the directives of a configuration file over into `config`, which must already carry its version.
///
/// A file's first `save` replaces the default save points and later ones add to it. Before 6.2 a server started with
/// a file has no default save points at all (`main` in server.c; redis issue #8318).
pub fn apply_all<'d>(config: &mut RedisConfig, directives: &'d [Directive]) -> AppliedAll<'d> {
    let (mut used, mut not_modelled, mut irrelevant, mut unknown) = (vec![], vec![], vec![], vec![]);
    let mut problems = Vec::new();
    let mut save_seen = false;
    if !config.version.has(6, 2) {
        config.save.clear();
    }
    for directive in directives {
        if directive.name == "save" && !save_seen {
            config.save.clear();
            save_seen = true;
        }
        match apply(config, &directive.name, &directive.value) {
            Applied::Used => used.push(directive),
            Applied::NotModelled(reason) => not_modelled.push((directive, reason)),
            Applied::Irrelevant => irrelevant.push(directive),
            Applied::Unknown => unknown.push(directive),
            Applied::Wrong(expected) => problems.push(Problem {
                file: directive.file.display().to_string(),
                line: directive.line,
                column: directive.column,
                read: format!("{}: {:?} is no value for it", directive.name, directive.value),
                remedies: vec![expected],
            }),
        }
    }
    (used, not_modelled, irrelevant, unknown, Problems(problems))
}

/// Whether some version has a directive of that name.
pub fn is_known(name: &str) -> bool {
    modelled().chain(names::known()).any(|known| known == name)
}

/// The known directive most like a misspelt one.
pub fn suggestion(name: &str) -> Option<&'static str> {
    nearest(&name.to_ascii_lowercase(), modelled().chain(names::known()))
}

#[cfg(test)]
mod tests;
