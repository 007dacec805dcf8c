//! A result folder as one page of HTML that needs nothing else: no network, no file beside it.
//!
//! Rust decides what is on the page (`view.rs`): words, tables and the data of charts. `templates/` lays it out, and
//! `assets/` draws the charts from the data, which stands in the page as JSON. Equal files give equal bytes.

pub mod files;
mod hlog;
mod manifest;
mod run;
mod summary;
mod sweep;
mod tables;
mod timeline;
mod view;
mod why;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value as TemplateValue, context};

use files::{Files, Kind, Unreadable};
use view::Page;

/// The first bytes of every page: what may be written over.
pub const MARK: &str = "<!doctype html>\n<!-- a report of writepath -->\n";

const PAGE: &str = include_str!("templates/page.html");
const STYLE: &str = include_str!("assets/page.css");
const CHART_STYLE: &str = include_str!("assets/uPlot.min.css");
const CHART_LIBRARY: &str = include_str!("assets/uPlot.iife.min.js");
/// The page's own scripts, in the order in which they run.
const SCRIPTS: [&str; 5] = [
    include_str!("assets/base.js"),
    include_str!("assets/lists.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/run.js"),
    include_str!("assets/sweep.js"),
];

/// The page of a folder of this kind.
///
/// # Errors
/// A file is missing or damaged.
pub fn page(files: &Files, kind: Kind) -> Result<String, Unreadable> {
    let page = match kind {
        Kind::Run | Kind::Load => run::page(files, kind)?,
        Kind::Sweep => sweep::page(files)?,
        Kind::Validation | Kind::Tables => tables::page(files, kind)?,
    };
    Ok(render(&page))
}

fn render(page: &Page) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only white space differs from the usual"));
    environment.add_template("page.html", PAGE).expect("the template is part of the program");
    let template = environment.get_template("page.html").expect("it has just been added");
    // uPlot draws; a page of tables alone does without it.
    let has_chart = page.sections.iter().any(|section| section.chart.is_some());
    let trusted = |text: String| TemplateValue::from_safe_string(text);
    let rendered = template.render(context! {
        page => TemplateValue::from(Serde(page)),
        version => env!("CARGO_PKG_VERSION"),
        style => trusted(if has_chart { format!("{CHART_STYLE}\n{STYLE}") } else { STYLE.to_owned() }),
        library => trusted(if has_chart { CHART_LIBRARY.to_owned() } else { String::new() }),
        script => trusted(SCRIPTS.concat()),
        data => trusted(embedded(&page.data)),
    });
    format!("{MARK}{}\n", rendered.expect("the template names what the page has"))
}

/// JSON that may stand inside a script element: no `<`, so that nothing in it can end the element or open a comment.
fn embedded(data: &serde_json::Map<String, serde_json::Value>) -> String {
    let text = serde_json::to_string(data).expect("plain values are always JSON");
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests;
