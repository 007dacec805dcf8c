//! A lesson as one HTML page: no script, no other file, light and dark, fit to be printed.

use super::page::{Bar, Drawn, Page};

const STYLE: &str = "\
:root { color-scheme: light dark; background: Canvas; color: CanvasText; --bar: #0072b2; --line: #8885; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 small { font-size: 1rem; font-weight: normal; display: block; opacity: .8; }
h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
code { font-size: .9em; overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: bold; }
ol.choices { list-style: lower-alpha; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: normal; width: 30%; padding: .2rem .5rem .2rem 0; }
td.value { text-align: right; width: 7rem; padding-right: .8rem; font-variant-numeric: tabular-nums; }
.bar { display: block; height: 1em; min-width: 1px; background: var(--bar); print-color-adjust: exact; }
figure { margin: 1rem 0; }
figure svg { max-width: 100%; height: auto; }
dt { margin-top: .8rem; }
footer { margin-top: 3rem; font-size: .85rem; opacity: .8; }
@media print { details > summary { display: none; } body { max-width: none; } }";

/// The page.
///
/// # Errors
/// When a picture has nothing to draw.
pub fn page(page: &Page<'_>) -> Result<String, String> {
    let file = &page.lesson.file;
    let (title, name) = (escape(&file.title), page.lesson.name);
    let number = format!("Lesson {} of {}", page.lesson.number, page.lessons);
    let mut body = format!("<h1><small>{number}</small>{title}</h1>\n");
    body.push_str(&paragraphs(&file.question));
    body.push_str(&choices(page));
    body.push_str(&format!(
        "<details>\n<summary>Answer</summary>\n<p>{}</p>\n</details>\n",
        escape(&page.answer())
    ));
    for drawn in &page.pictures {
        body.push_str(&picture(drawn)?);
    }
    body.push_str(&section("What to notice", &paragraphs(&page.notice.join("\n\n"))));
    let runs = file.run.iter().map(|run| entry(&run.command(), &run.label)).collect::<String>();
    body.push_str(&section("What was run", &format!("<dl>\n{runs}</dl>\n")));
    let knobs = file.knob.iter().map(|knob| entry(&knob.command, &knob.shows)).collect::<String>();
    body.push_str(&section("Try", &format!("<dl>\n{knobs}</dl>\n")));
    let how = format!("<p><code>writepath lesson {name} --answer VALUE</code> checks the answer.</p>\n");
    body.push_str(&section("Exercise", &(paragraphs(&file.exercise.text) + &how)));
    let claims = file.claims.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    body.push_str(&format!(
        "<footer>Claims of the article: {claims}. Made by writepath {} with <code>writepath lesson {name} --html \
         FILE</code>, seed 1.</footer>\n",
        env!("CARGO_PKG_VERSION")
    ));
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    ))
}

fn section(name: &str, inner: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{inner}</section>\n", escape(name))
}

fn choices(page: &Page<'_>) -> String {
    let choices = &page.lesson.file.choice;
    if choices.is_empty() {
        return String::new();
    }
    let items = choices.iter().map(|choice| format!("<li>{}</li>\n", escape(&choice.text)));
    format!("<ol class=\"choices\">\n{}</ol>\n", items.collect::<String>())
}

fn entry(command: &str, about: &str) -> String {
    format!("<dt><code>{}</code></dt>\n<dd>{}</dd>\n", escape(command), escape(about))
}

/// A picture: bars as a table that is one for everybody, lines as a figure with its range in words.
fn picture(drawn: &Drawn) -> Result<String, String> {
    match drawn {
        Drawn::Bars { title, bars, logarithmic } => {
            let row = |bar: &Bar| {
                format!(
                    "<tr><th scope=\"row\">{}</th><td class=\"value\">{}</td><td><span class=\"bar\" \
                     style=\"width:{:.1}%\"></span></td></tr>\n",
                    escape(&bar.label),
                    escape(&bar.shown),
                    100.0 * bar.share
                )
            };
            let rows = bars.iter().map(row).collect::<String>();
            let note = if *logarithmic { "<p>Bars are logarithmic.</p>\n" } else { "" };
            Ok(section(title, &format!("<table>\n{rows}</table>\n{note}")))
        }
        Drawn::Time { title, .. } => {
            let svg = drawn.svg()?.unwrap_or_default();
            let label = format!("{title}: {}", drawn.alt());
            let open = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(&label));
            // Only its element: what stands before it is of a file of its own.
            let svg = svg.find("<svg ").map_or("", |at| &svg[at + 5..]);
            Ok(section(title, &format!("<figure>\n{open}{svg}\n</figure>\n")))
        }
    }
}

fn paragraphs(text: &str) -> String {
    let paragraph = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("<p>{}</p>\n", escape(&words))
    };
    text.trim().split("\n\n").map(paragraph).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
        assert_eq!(paragraphs("one\ntwo\n\n<b>"), "<p>one two</p>\n<p>&lt;b&gt;</p>\n");
        assert!(entry("writepath run \"x\"", "<i>").contains("&lt;i&gt;"));
    }
}
