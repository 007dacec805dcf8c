//! What the runs say of a claim.

use super::bound::Kept;

/// What the runs say of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything it predicts is so.
    Supported,
    /// Nothing it predicts is so.
    Refuted,
    /// Some of it is so: on what that depends.
    DependsOn(String),
    /// Intervals are too wide, or figures are missing.
    Open,
}

impl Verdict {
    /// Reads `supported`, `refuted` or `depends on …`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Verdict, String> {
        match (text, text.strip_prefix("depends on ")) {
            ("supported", _) => Ok(Verdict::Supported),
            ("refuted", _) => Ok(Verdict::Refuted),
            (_, Some(on)) if !on.trim().is_empty() => Ok(Verdict::DependsOn(on.trim().to_owned())),
            _ => Err(format!("verdict: {text:?}\nexpected supported, refuted, or depends on WHAT")),
        }
    }

    /// What follows from predictions that are kept or not. On what it depends the one who asks must say, as `recorded`.
    pub fn of(kept: &[Kept], recorded: &Verdict) -> Verdict {
        let is = |what: Kept| kept.iter().filter(|own| **own == what).count();
        match (is(Kept::Yes), is(Kept::No), kept.len()) {
            (yes, no, all) if yes + no < all || all == 0 => Verdict::Open,
            (_, 0, _) => Verdict::Supported,
            (0, ..) => Verdict::Refuted,
            _ => match recorded {
                Verdict::DependsOn(on) => Verdict::DependsOn(on.clone()),
                _ => Verdict::DependsOn("the variant".to_owned()),
            },
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Verdict::DependsOn(on) => format!("depends on {on}"),
            other => other.kind().to_owned(),
        }
    }

    /// In a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Refuted => "refuted",
            Verdict::DependsOn(_) => "depends",
            Verdict::Open => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kept::{Missing, No, Open, Yes};

    #[test]
    fn a_verdict_follows_from_all_predictions() {
        let of = |kept: &[Kept]| Verdict::of(kept, &Verdict::DependsOn("hz".to_owned())).text();
        assert_eq!(of(&[Yes, Yes]), "supported");
        assert_eq!(of(&[No, No]), "refuted");
        assert_eq!(of(&[Yes, No]), "depends on hz");
        assert_eq!(of(&[Yes, Open]), "open");
        assert_eq!(of(&[No, Missing]), "open");
        assert_eq!(of(&[]), "open");
        assert_eq!(Verdict::of(&[Yes, No], &Verdict::Refuted).text(), "depends on the variant");
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["supported", "refuted", "depends on the version"] {
            assert_eq!(Verdict::parse(text).expect("a verdict").text(), text);
        }
        assert!(Verdict::parse("depends on ").is_err() && Verdict::parse("open").is_err());
    }
}
