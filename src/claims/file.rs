//! `experiment.toml`: what is asked, what would settle it, and how it is run. Written before the runs.

use super::ask::{Ask, UNITS};
use super::bound::Bound;
use super::figure::{Figure, Place as Where, Prose};
use super::form::{Form, as_flag};
use super::variants::{self, Variant};
use super::verdict::Verdict;
use crate::scenario::problem::Problems;
use crate::scenario::tree::{Node, Place, Table, Value};

/// Claims are numbered from 1 to this.
pub const CLAIMS: u64 = 70;
/// Longest claim in few words.
const WORDS: usize = 62;

const KEYS: &[&str] = &[
    "question",
    "scenario",
    "set",
    "seed",
    "replications",
    "quick",
    "vary",
    "variant",
    "metrics",
    "claim",
    "predict",
    "expect",
    "finding",
];

/// An experiment as written.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of its folder.
    pub name: String,
    /// The text of its file.
    pub text: String,
    /// What it asks.
    pub question: String,
    /// Seed of all runs.
    pub seed: u64,
    /// Runs of each variant, at least 2.
    pub replications: u64,
    /// It is short enough to be checked often.
    pub quick: bool,
    /// What is run, in the order of the file.
    pub variants: Vec<Variant>,
    /// What is asked of every run, by name.
    pub metrics: Vec<(String, Ask)>,
    /// The claims it decides.
    pub claims: Vec<Claim>,
    /// What claims predict; may fail.
    pub predictions: Vec<Test>,
    /// What is believed now; must hold.
    pub expectations: Vec<Test>,
    /// What was found, in words.
    pub finding: Prose,
    /// What the simulator cannot see.
    pub unseen: String,
}

/// A claim of the article.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its number.
    pub number: u64,
    /// The claim in few words.
    pub words: String,
    /// The claim in a sentence.
    pub says: String,
    /// What the runs said when it was recorded.
    pub verdict: Verdict,
    /// What the simulator shows, in a phrase.
    pub shows: Prose,
    /// The number to look at.
    pub key: Figure,
}

/// Figures and the bound that they keep or not.
#[derive(Clone, Debug)]
pub struct Test {
    /// Number of the claim whose prediction it is; 0 of an expectation.
    pub claim: u64,
    /// The figures, one a variant.
    pub figures: Vec<Figure>,
    /// The bound.
    pub bound: Bound,
}

impl Experiment {
    /// Reads `text`, the file named `file` of the experiment `name`.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn read(name: &str, text: &str, file: &str) -> Result<Experiment, Problems> {
        let (mut form, tree) = Form::begin(text, file);
        if !form.problems.is_empty() {
            return Err(Problems(form.problems));
        }
        let top = form.top();
        form.keys(&tree, "experiment", KEYS);
        let question = form.need(&tree, "question", &top);
        let seed = form.whole(&tree, "seed", (0, u64::MAX)).unwrap_or(1);
        let replications = form.whole(&tree, "replications", (2, 10_000)).unwrap_or(10);
        let quick = form.flag(&tree, "quick");
        let variants = variants::read(&mut form, &tree);
        let mut names = Names { metrics: metrics(&mut form, &tree), variants: &variants };
        let (finding, unseen) = finding(&mut form, &tree, &mut names);
        let claims: Vec<Claim> = form
            .tables(&tree, "claim")
            .iter()
            .filter_map(|(table, place)| claim(&mut form, table, place, &mut names))
            .collect();
        let predictions = tests(&mut form, &tree, "predict", &mut names);
        let expectations = tests(&mut form, &tree, "expect", &mut names);
        // What could not be read has been named; it is not missing too.
        if form.problems.is_empty() {
            belong_together(&mut form, &claims, &predictions);
        }
        let metrics = names.metrics;
        if !form.problems.is_empty() {
            form.problems.sort();
            return Err(Problems(form.problems));
        }
        let (name, text) = (name.to_owned(), text.to_owned());
        Ok(Experiment {
            name,
            text,
            question,
            seed,
            replications,
            quick,
            variants,
            metrics,
            claims,
            predictions,
            expectations,
            finding,
            unseen,
        })
    }
}

/// What figures may name. Metrics that are used and not listed are added.
struct Names<'a> {
    metrics: Vec<(String, Ask)>,
    variants: &'a [Variant],
}

impl Names<'_> {
    /// Whether the figure names things that exist; its unit.
    fn check(&mut self, figure: &Figure) -> Result<(), String> {
        for place in figure.places() {
            if !self.variants.iter().any(|variant| variant.name == place.variant) {
                let known: Vec<&str> = self.variants.iter().map(|variant| variant.name.as_str()).collect();
                return Err(format!(
                    "no variant is called {:?}\nthere are: {}",
                    place.variant,
                    known.join("; ")
                ));
            }
            if !self.metrics.iter().any(|known| known.0 == place.metric) {
                let ask = Ask::parse(&place.metric)?;
                self.metrics.push((place.metric.clone(), ask));
            }
        }
        Ok(())
    }

    fn ask(&self, metric: &str) -> Option<&Ask> {
        self.metrics.iter().find(|known| known.0 == metric).map(|known| &known.1)
    }
}

/// `[metrics]`: names for what is asked.
fn metrics(form: &mut Form, tree: &Table) -> Vec<(String, Ask)> {
    let mut found = Vec::new();
    for (name, node) in form.entries(tree, "metrics") {
        let (of, unit) = match &node.value {
            Value::Table(table) => {
                form.keys(table, "metrics", &["of", "unit"]);
                (form.need(table, "of", &node.place), form.text(table, "unit"))
            }
            _ => (as_flag(node), None),
        };
        let unit = unit.map(|unit| match UNITS.iter().find(|known| known.0 == unit) {
            Some(known) => known.1,
            None => {
                let known: Vec<&str> = UNITS.iter().map(|known| known.0).collect();
                form.fault(
                    &node.place,
                    &format!("{unit:?} is no unit\nexpected one of: {}", known.join(", ")),
                );
                UNITS[0].1
            }
        });
        match Ask::parse(&of) {
            Ok(ask) => found.push((name.to_owned(), ask.in_unit(unit))),
            Err(error) => form.fault(&node.place, &format!("{name}: {error}")),
        }
    }
    found
}

fn claim(form: &mut Form, table: &Table, place: &Place, names: &mut Names<'_>) -> Option<Claim> {
    form.keys(table, "claim", &["number", "words", "says", "verdict", "shows", "key"]);
    let number = form.whole(table, "number", (1, CLAIMS));
    if table.get("number").is_none() {
        form.fault(place, "number is missing");
    }
    let words = form.need(table, "words", place);
    if words.chars().count() > WORDS {
        form.fault(place, &format!("words: {} characters\nat most {WORDS}", words.chars().count()));
    }
    let says = form.need(table, "says", place);
    let verdict = form.need(table, "verdict", place);
    let verdict = Verdict::parse(&verdict).map_err(|error| form.fault(place, &error)).ok();
    let shows = prose(form, table, "shows", place, names);
    let key = form.need(table, "key", place);
    let key = Figure::parse(&key).and_then(|figure| names.check(&figure).map(|()| figure));
    let key = key.map_err(|error| form.fault(place, &format!("key: {error}"))).ok();
    Some(Claim { number: number?, words, says, verdict: verdict?, shows, key: key? })
}

/// `[finding]`: what was found, and what the simulator cannot see.
fn finding(form: &mut Form, tree: &Table, names: &mut Names<'_>) -> (Prose, String) {
    let top = form.top();
    let Some(Node { value: Value::Table(table), place }) = tree.get("finding") else {
        form.fault(&top, "finding is missing\nwrite [finding] with text and unseen");
        return (Prose::default(), String::new());
    };
    form.keys(table, "finding", &["text", "unseen"]);
    (prose(form, table, "text", place, names), form.need(table, "unseen", place))
}

/// A text with figures.
fn prose(form: &mut Form, table: &Table, key: &str, place: &Place, names: &mut Names<'_>) -> Prose {
    let text = form.need(table, key, place);
    let place = table.get(key).map_or_else(|| place.clone(), |node| node.place.clone());
    match Prose::parse(&text) {
        Ok(prose) => {
            for figure in prose.figures() {
                if let Err(error) = names.check(figure) {
                    let at = text.find(&figure.of.metric).unwrap_or(0);
                    form.fault(&below(&place, &text, at), &format!("{key}: {error}"));
                }
            }
            prose
        }
        Err((offset, error)) => {
            form.fault(&below(&place, &text, offset), &format!("{key}: {error}"));
            Prose::default()
        }
    }
}

/// The place of the byte `offset` of a text that begins at `place`; a text of several lines begins a line below.
fn below(place: &Place, text: &str, offset: usize) -> Place {
    let mut place = place.clone();
    if text.contains('\n')
        && let crate::scenario::Origin::Scenario(_, line) = &mut place.origin
    {
        *line += 1 + text[..offset].matches('\n').count();
        place.column = 1 + text[..offset].chars().rev().take_while(|c| *c != '\n').count();
    }
    place
}

/// `[[predict]]` or `[[expect]]`.
fn tests(form: &mut Form, tree: &Table, key: &str, names: &mut Names<'_>) -> Vec<Test> {
    let is_prediction = key == "predict";
    let mut found = Vec::new();
    for (table, place) in form.tables(tree, key) {
        let mut known = vec!["metric", "at", "over", "at-least", "at-most", "between", "is"];
        known.extend(is_prediction.then_some("claim"));
        form.keys(table, key, &known);
        let claim = form.whole(table, "claim", (1, CLAIMS));
        if is_prediction && table.get("claim").is_none() {
            form.fault(&place, "claim is missing");
        }
        let metric = form.need(table, "metric", &place);
        let all = || names.variants.iter().map(|variant| variant.name.clone()).collect();
        let at: Vec<String> = form.texts(table, "at").unwrap_or_else(all);
        let over = form.text(table, "over");
        let figures = at.iter().map(|variant| figure(&metric, variant, over.as_deref()));
        let figures: Result<Vec<Figure>, String> =
            figures.map(|figure| figure.and_then(|own| names.check(&own).map(|()| own))).collect();
        let figures = match figures {
            Ok(figures) => figures,
            Err(error) => {
                form.fault(&place, &format!("{key}: {error}"));
                continue;
            }
        };
        let Some(unit) = names.ask(&metric).map(|ask| ask.unit) else { continue };
        let ends = ends(form, table);
        match Bound::new(ends.0.as_deref(), ends.1.as_deref(), unit, over.is_some()) {
            Ok(bound) => found.push(Test { claim: claim.unwrap_or(0), figures, bound }),
            Err(error) => form.fault(&place, &format!("{key}: {error}")),
        }
    }
    found
}

fn figure(metric: &str, variant: &str, over: Option<&str>) -> Result<Figure, String> {
    let of = Where { metric: metric.to_owned(), variant: variant.to_owned() };
    let Some(over) = over else { return Ok(Figure { of, over: None }) };
    let over = match over.contains('@') {
        true => Figure::parse(over)?.of,
        false => Where { metric: metric.to_owned(), variant: over.to_owned() },
    };
    Ok(Figure { of, over: Some(over) })
}

/// The ends of a bound as typed.
fn ends(form: &mut Form, table: &Table) -> (Option<String>, Option<String>) {
    if let Some(exact) = form.text(table, "is") {
        return (Some(exact.clone()), Some(exact));
    }
    match form.texts(table, "between") {
        Some(pair) if pair.len() == 2 => (Some(pair[0].clone()), Some(pair[1].clone())),
        _ => (form.text(table, "at-least"), form.text(table, "at-most")),
    }
}

/// Every claim is predicted of, and every prediction is of a claim of this file.
fn belong_together(form: &mut Form, claims: &[Claim], predictions: &[Test]) {
    let top = form.top();
    if claims.is_empty() {
        form.fault(&top, "no claim is decided\nwrite [[claim]] with its number");
    }
    for claim in claims.iter().filter(|claim| !predictions.iter().any(|test| test.claim == claim.number)) {
        form.fault(&top, &format!("claim {} predicts nothing\nwrite [[predict]] claim = {0}", claim.number));
    }
    for test in predictions.iter().filter(|test| !claims.iter().any(|claim| claim.number == test.claim)) {
        form.fault(&top, &format!("a prediction is of claim {}, which is not in this file", test.claim));
    }
}
