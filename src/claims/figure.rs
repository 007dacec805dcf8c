//! A figure: one metric at one variant, or that over another, as experiments and their findings name it.
//!
//! `p99 @ 7.2`, `p99 @ 6.2 over 7.2` (the same metric at another variant), `p99 @ 6.2 over p50 @ 7.2`.

use std::fmt;

/// A metric at a variant, over another one or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What is looked at.
    pub of: Place,
    /// What it is divided by, replication by replication.
    pub over: Option<Place>,
}

/// A metric at a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its metric, by name.
    pub metric: String,
    /// The variant.
    pub variant: String,
}

impl Figure {
    /// Reads `METRIC @ VARIANT [over [METRIC @] VARIANT]`.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(text: &str) -> Result<Figure, String> {
        let usage =
            || format!("{text:?} is no figure\n  write METRIC @ VARIANT, or METRIC @ VARIANT over VARIANT");
        let (of, over) = match text.split_once(" over ") {
            Some((of, over)) => (of, Some(over)),
            None => (text, None),
        };
        let (metric, variant) = of.split_once('@').ok_or_else(usage)?;
        let place = |metric: &str, variant: &str| Place {
            metric: metric.trim().to_owned(),
            variant: variant.trim().to_owned(),
        };
        let of = place(metric, variant);
        let over = over.map(|over| match over.split_once('@') {
            Some((metric, variant)) => place(metric, variant),
            None => place(&of.metric, over),
        });
        let is_whole = |place: &Place| !place.metric.is_empty() && !place.variant.is_empty();
        let whole = is_whole(&of) && over.as_ref().is_none_or(is_whole);
        if whole { Ok(Figure { of, over }) } else { Err(usage()) }
    }

    /// The metrics and variants it rests on.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.of).chain(&self.over)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {}", self.of.metric, self.of.variant)?;
        match &self.over {
            None => Ok(()),
            Some(over) if over.metric == self.of.metric => write!(f, " over {}", over.variant),
            Some(over) => write!(f, " over {} @ {}", over.metric, over.variant),
        }
    }
}

/// A text with figures in braces.
#[derive(Clone, Debug, Default)]
pub struct Prose(pub Vec<Piece>);

/// A part of such a text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// A figure, with its interval or without.
    Figure(Figure, bool),
}

impl Prose {
    /// Reads a text with `{FIGURE}` for its value and `{FIGURE ±}` for its value with the interval.
    ///
    /// # Errors
    /// The offset in bytes of the figure that is none, and why.
    pub fn parse(text: &str) -> Result<Prose, (usize, String)> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let offset = text.len() - rest.len() + start;
            pieces.push(Piece::Text(rest[..start].to_owned()));
            let inner = &rest[start + 1..];
            let end = inner.find('}').ok_or((offset, "a brace is never closed".to_owned()))?;
            let body = inner[..end].trim();
            let (body, interval) = match body.strip_suffix('±') {
                Some(body) => (body.trim_end(), true),
                None => (body, false),
            };
            let figure = Figure::parse(&one_line(body)).map_err(|error| (offset, error))?;
            pieces.push(Piece::Figure(figure, interval));
            rest = &inner[end + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Prose(pieces))
    }

    /// Its figures.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Figure(figure, _) => Some(figure),
            Piece::Text(_) => None,
        })
    }

    /// The text with `show` in the place of each figure, the second argument being whether its interval is wanted.
    pub fn fill(&self, show: impl Fn(&Figure, bool) -> String) -> String {
        let one = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Figure(figure, interval) => show(figure, *interval),
        };
        self.0.iter().map(one).collect()
    }
}

/// A text without its line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_print_what_was_read() {
        for text in ["p99 @ 7.2", "p99 @ 6.2, 5000/s over 7.2", "p99 @ a over p50 @ b"] {
            assert_eq!(Figure::parse(text).expect("a figure").to_string(), text);
        }
        assert_eq!(Figure::parse("p99 @ a over p99 @ b").expect("a figure").to_string(), "p99 @ a over b");
        for text in ["p99", "@ a", "p99 @", "p99 @ a over ", ""] {
            assert!(Figure::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prose_is_filled_and_a_bad_figure_found_at_its_place() {
        let prose = Prose::parse("took {p99 @ a}, not {p50 @\n b ±}.").expect("sound");
        let filled = prose.fill(|figure, interval| format!("<{figure} {interval}>"));
        assert_eq!(filled, "took <p99 @ a false>, not <p50 @ b true>.");
        assert_eq!(prose.figures().count(), 2);
        assert_eq!(Prose::parse("ab {p99}").expect_err("no variant").0, 3);
        assert_eq!(Prose::parse("ab {p99 @ a").expect_err("open").0, 3);
    }
}
