//! The two lists beside the experiments: claims that no simulator decides, and what real servers showed.

use super::file::CLAIMS;
use super::form::Form;
use crate::scenario::problem::Problems;

/// A claim that is not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Its number.
    pub number: u64,
    /// The claim in few words.
    pub words: String,
    /// The claim in a sentence.
    pub says: String,
    /// Why it is not decided here.
    pub reason: String,
}

/// What a real server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Claims it is about.
    pub claims: Vec<u64>,
    /// What was seen.
    pub shows: String,
    /// Which server, when, and by what.
    pub source: String,
}

/// Reads `undecided.toml`.
///
/// # Errors
/// Every mistake with its place.
pub fn undecided(text: &str, file: &str) -> Result<Vec<Undecided>, Problems> {
    let (mut form, tree) = Form::begin(text, file);
    form.keys(&tree, "the list", &["claim"]);
    let mut found = Vec::new();
    for (table, place) in form.tables(&tree, "claim") {
        form.keys(table, "claim", &["number", "words", "says", "reason"]);
        let number = form.whole(table, "number", (1, CLAIMS));
        if table.get("number").is_none() {
            form.fault(&place, "number is missing");
        }
        let mut text = |key: &str| form.need(table, key, &place);
        let (words, says, reason) = (text("words"), text("says"), text("reason"));
        found.extend(number.map(|number| Undecided { number, words, says, reason }));
    }
    done(form, found)
}

/// Reads `real-servers.toml`.
///
/// # Errors
/// Every mistake with its place.
pub fn facts(text: &str, file: &str) -> Result<Vec<Fact>, Problems> {
    let (mut form, tree) = Form::begin(text, file);
    form.keys(&tree, "the list", &["fact"]);
    let mut found = Vec::new();
    for (table, place) in form.tables(&tree, "fact") {
        form.keys(table, "fact", &["claims", "shows", "source"]);
        let claims = form.texts(table, "claims").unwrap_or_default();
        let numbers: Vec<u64> = claims.iter().filter_map(|text| text.parse().ok()).collect();
        let sound = |number: &u64| (1..=CLAIMS).contains(number);
        if numbers.len() != claims.len() || numbers.is_empty() || !numbers.iter().all(sound) {
            form.fault(&place, &format!("claims: {claims:?}\nexpected numbers from 1 to {CLAIMS}"));
        }
        let mut text = |key: &str| form.need(table, key, &place);
        let (shows, source) = (text("shows"), text("source"));
        found.push(Fact { claims: numbers, shows, source });
    }
    done(form, found)
}

fn done<T>(mut form: Form, found: Vec<T>) -> Result<Vec<T>, Problems> {
    form.problems.sort();
    if form.problems.is_empty() { Ok(found) } else { Err(Problems(form.problems)) }
}
