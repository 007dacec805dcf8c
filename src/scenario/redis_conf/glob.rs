//! Patterns of `include` (`*`, `?`, `[a-z]`), as glob(3) without braces and tildes.

use std::path::{Component, Path, PathBuf};

/// Whether a path holds a pattern.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Existing paths that match `pattern`, sorted.
pub fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        found = match component {
            Component::Normal(_) if is_pattern(&text) => {
                found.iter().flat_map(|folder| children(folder, &text)).collect()
            }
            _ => found.iter().map(|folder| folder.join(component)).collect(),
        };
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

fn children(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let pattern: Vec<char> = pattern.chars().collect();
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| {
            let name: Vec<char> = name.to_string_lossy().chars().collect();
            // Hidden files match only a pattern that begins with a dot itself.
            (name.first() != Some(&'.') || pattern.first() == Some(&'.')) && matches(&pattern, &name)
        })
        .map(|name| folder.join(name))
        .collect()
}

/// Whether `name` matches; on a mismatch only the last `*` takes one more character, so time is at most the product.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], name[n]),
            Some(&c) => (c == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(length), _) => (p, n) = (p + length, n + 1),
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Length of the class at the start of `pattern` if `c` is in it. A class without an end is a plain bracket.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    let Some(end) = (first + 1..pattern.len()).find(|&at| pattern[at] == ']') else {
        return (c == '[').then_some(1);
    };
    let members = &pattern[first..end];
    let mut at = 0;
    let mut inside = false;
    while at < members.len() {
        match members.get(at + 1..at + 3) {
            Some(&['-', last]) => {
                inside |= (members[at]..=last).contains(&c);
                at += 3;
            }
            _ => {
                inside |= members[at] == c;
                at += 1;
            }
        }
    }
    (inside != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        assert!(
            check("*.conf", "a.conf") && check("a?c", "abc") && check("[a-c]x", "bx") && check("[!a]", "b")
        );
        assert!(check("a*b*c", "aXbYbZc") && check("*", "") && check("[", "[") && check("[]]", "]"));
        assert!(
            !check("*.conf", "a.confx") && !check("[a-c]", "d") && !check("?", "") && !check("[!a]", "a")
        );
        let name = "a".repeat(200);
        assert!(!check(&("*a".repeat(40) + "b"), &name));
    }
}
