//! What a lesson computes from its runs: sums and ratios of numbers with units, and conditions on them.
//!
//! ```text
//! condition   sum < sum <= sum …, several joined by `and`
//! sum         product + product - …
//! product     factor * factor / …
//! factor      12ms  64MiB  5000/s  5%  42  NAME  RUN.KEY.KEY  -factor  (sum)  FUNCTION(sum, …)
//! FUNCTION    max min sum mean count of all numbers inside; abs sqrt exp of one, and share to show it in per cent
//! ```
//!
//! A minus between names has spaces around it, since keys have dashes in them.

use super::value::Value;

/// What names mean: one number, or several where a path has a `*`.
pub type Names<'a> = &'a dyn Fn(&str) -> Result<Vec<Value>, String>;

/// The number that `text` stands for.
///
/// # Errors
/// What is wrong with the text, or with a name in it.
pub fn number(text: &str, names: Names<'_>) -> Result<Value, String> {
    let mut reader = Reader::new(text, names)?;
    let value = reader.sum().and_then(|values| one(&values));
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| format!("{text}: {error}"))
}

/// Whether the condition `text` holds.
///
/// # Errors
/// As [`number`].
pub fn holds(text: &str, names: Names<'_>) -> Result<bool, String> {
    let mut reader = Reader::new(text, names)?;
    let holds = reader.condition();
    holds.and_then(|holds| reader.end().map(|()| holds)).map_err(|error| format!("{text}: {error}"))
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    next: usize,
    names: Names<'a>,
}

fn one(values: &[Value]) -> Result<Value, String> {
    match values {
        [value] => Ok(*value),
        _ => Err(format!("{} numbers where one is needed", values.len())),
    }
}

/// Words, numbers with their units, and signs.
fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '<' | '>' | '=' if rest[1..].starts_with('=') => 2,
            '+' | '-' | '*' | '/' | '(' | ')' | ',' | '<' | '>' => 1,
            digit if digit.is_ascii_digit() => quantity(rest),
            letter if letter.is_alphabetic() => word(rest),
            other => return Err(format!("{text}: {other:?} has no meaning here")),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Length of the number at the start, its unit included: a slash belongs to it when `s` follows.
fn quantity(text: &str) -> usize {
    let end =
        text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '%' | '_'))).unwrap_or(text.len());
    let per = text[end..].strip_prefix("/s").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    end + if per { 2 } else { 0 }
}

/// Length of the name at the start: a dash belongs to it between two letters or digits.
fn word(text: &str) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let dash = c == '-' && text[at + 1..].starts_with(|next: char| next.is_alphanumeric());
        let star = c == '*' && text[..at].ends_with('.');
        if !(c.is_alphanumeric() || matches!(c, '.' | '_') || dash || star) {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, names: Names<'a>) -> Result<Self, String> {
        Ok(Reader { tokens: tokens(text)?, next: 0, names })
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.next).copied().unwrap_or("")
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.peek() == token;
        self.next += usize::from(is_next);
        is_next
    }

    fn end(&self) -> Result<(), String> {
        match self.peek() {
            "" => Ok(()),
            other => Err(format!("{other:?} is not expected here")),
        }
    }

    fn condition(&mut self) -> Result<bool, String> {
        let mut holds = true;
        loop {
            let mut left = self.sum().and_then(|values| one(&values))?;
            let mut compared = false;
            while let Some(sign) = ["<", "<=", ">", ">=", "=="].into_iter().find(|sign| self.take(sign)) {
                let right = self.sum().and_then(|values| one(&values))?;
                // The subtraction is there for its check of dimensions.
                left.with(right, |a, b| a - b)?;
                holds &= compares(left.number, sign, right.number);
                (left, compared) = (right, true);
            }
            if !compared {
                return Err("a comparison is needed".to_owned());
            }
            if !self.take("and") {
                return Ok(holds);
            }
        }
    }

    fn sum(&mut self) -> Result<Vec<Value>, String> {
        let mut sum = self.product()?;
        loop {
            let sign = match self.peek() {
                "+" => 1.0,
                "-" => -1.0,
                _ => return Ok(sum),
            };
            self.next += 1;
            let (left, right) = (one(&sum)?, one(&self.product()?)?);
            sum = vec![left.with(right, |a, b| a + sign * b)?];
        }
    }

    fn product(&mut self) -> Result<Vec<Value>, String> {
        let mut product = self.factor()?;
        loop {
            let divide = match self.peek() {
                "*" => false,
                "/" => true,
                _ => return Ok(product),
            };
            self.next += 1;
            let (left, right) = (one(&product)?, one(&self.factor()?)?);
            product = vec![if divide { left.over(right)? } else { left.times(right) }];
        }
    }

    fn factor(&mut self) -> Result<Vec<Value>, String> {
        let token = self.peek();
        self.next += 1;
        match token.chars().next() {
            None => Err("something is missing at the end".to_owned()),
            Some('-') => Ok(vec![Value::count(-1.0).times(one(&self.factor()?)?)]),
            Some('(') => {
                let inner = self.sum()?;
                if self.take(")") { Ok(inner) } else { Err("a ) is missing".to_owned()) }
            }
            Some(digit) if digit.is_ascii_digit() => Ok(vec![Value::parse(token)?]),
            Some(letter) if letter.is_alphabetic() && self.take("(") => self.call(token).map(|one| vec![one]),
            Some(letter) if letter.is_alphabetic() => (self.names)(token),
            Some(_) => Err(format!("{token:?} is not expected here")),
        }
    }

    /// A function, its bracket already open.
    fn call(&mut self, function: &str) -> Result<Value, String> {
        let mut values = self.sum()?;
        while self.take(",") {
            values.extend(self.sum()?);
        }
        if !self.take(")") {
            return Err("a ) is missing".to_owned());
        }
        let fold = |of: fn(f64, f64) -> f64| {
            let (first, rest) = values.split_first().ok_or(format!("{function} of nothing"))?;
            rest.iter().try_fold(*first, |folded, value| folded.with(*value, of))
        };
        match function {
            "count" => Ok(Value::count(values.len() as f64)),
            "max" => fold(f64::max),
            "min" => fold(f64::min),
            "sum" => fold(|a, b| a + b),
            "mean" => fold(|a, b| a + b)?.over(Value::count(values.len() as f64)),
            "abs" => one(&values).map(|value| value.alike(value.number.abs())),
            "share" => one(&values)?.as_share(),
            "sqrt" => one(&values)?.plain(f64::sqrt),
            "exp" => one(&values)?.plain(libm::exp),
            _ => Err(format!("there is no function {function}")),
        }
    }
}

fn compares(left: f64, sign: &str, right: f64) -> bool {
    match sign {
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Result<Vec<Value>, String> {
        match name {
            "fork" => Ok(vec![Value::parse("120ms")?]),
            "run.busy_ns.aof-write" => Ok(vec![Value::parse("3ms")?]),
            "run.children.*.fork_ns" => ["1ms", "2ms", "6ms"].into_iter().map(Value::parse).collect(),
            "run.nothing.*" => Ok(Vec::new()),
            _ => Err(format!("nothing is named {name}")),
        }
    }

    fn shown(text: &str) -> Result<String, String> {
        number(text, &names).map(Value::show)
    }

    #[test]
    fn products_bind_more_than_sums_and_units_are_kept() {
        let cases = [
            ("fork", "120 ms"),
            ("fork / 40ms", "3"),
            ("1 + 2 * 3 - 4 / 2", "5"),
            ("(1 + 2) * 3", "9"),
            ("-2 * -3", "6"),
            ("5000/s * fork", "600"),
            ("10/2", "5"),
            ("run.busy_ns.aof-write - 1ms", "2.00 ms"),
            ("max(run.children.*.fork_ns) - min(run.children.*.fork_ns)", "5.00 ms"),
            ("mean(run.children.*.fork_ns, 3ms)", "3.00 ms"),
            ("sum(run.children.*.fork_ns) * count(run.children.*.fork_ns)", "27.0 ms"),
            ("count(run.nothing.*)", "0"),
            ("abs(1ms - fork) / 1ms", "119"),
            ("sqrt(16) + exp(0)", "5"),
            ("share(1 / 8)", "12.5 %"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn conditions_chain_and_join() {
        for (text, expected) in [
            ("fork > 100ms", true),
            ("100ms < fork < 110ms", false),
            ("100ms < fork <= 120ms and 1 == 1", true),
            ("1 >= 1 and 2 < 1", false),
        ] {
            assert_eq!(holds(text, &names), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, error) in [
            ("fork + 1", "do not go together"),
            ("fork / 0", "division by 0"),
            ("spoon", "nothing is named spoon"),
            ("run.children.*.fork_ns", "3 numbers where one"),
            ("max(run.nothing.*)", "max of nothing"),
            ("(1", "a ) is missing"),
            ("1 +", "missing at the end"),
            ("1 2", "\"2\" is not expected"),
            ("1 ? 2", "'?' has no meaning"),
            ("sin(1)", "no function sin"),
            ("sqrt(fork)", "plain number is needed"),
        ] {
            assert!(shown(text).is_err_and(|found| found.contains(error)), "{text}: {:?}", shown(text));
        }
        assert!(holds("fork", &names).is_err_and(|error| error.contains("comparison")));
        assert!(holds("fork < 5", &names).is_err());
    }
}
