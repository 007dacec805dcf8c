//! Lines of a configuration file: comments, quoting, `include`.
//!
//! Follows `loadServerConfigFromString` (config.c) and `sdssplitargs` (sds.c).

use std::path::{Path, PathBuf};

use super::super::files::Files;
use super::super::problem::{Problem, Problems, position};
use super::glob;

/// One directive as written, `include` already followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Name in lower case.
    pub name: String,
    /// Arguments without quotes, joined by one space.
    pub value: String,
    /// File in which it stands.
    pub file: PathBuf,
    /// Line from 1.
    pub line: usize,
    /// Column of the first argument (of the name if there is none) from 1, in characters.
    pub column: usize,
}

/// Files read at most, counted with repetition: includes may fan out without being circular.
const MAX_FILES: usize = 1000;

/// Reads a redis.conf or valkey.conf and every file it includes, in the server's order.
pub fn read(path: &Path, files: &Files) -> Result<Vec<Directive>, Problems> {
    let mut reader = Reader { contents: files.clone(), ..Reader::default() };
    reader.file(path, None);
    match reader.problems.is_empty() {
        true => Ok(reader.directives),
        false => Err(Problems(reader.problems)),
    }
}

/// Reads directives from text alone; `include` stays a directive. `file` names the text in problems.
pub fn parse(text: &str, file: &Path) -> Result<Vec<Directive>, Problems> {
    let mut directives = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        match directive(line) {
            Ok(None) => {}
            Ok(Some((name, value, column))) => {
                directives.push(Directive { name, value, file: file.to_path_buf(), line: index + 1, column })
            }
            Err(column) => problems.push(Problem {
                file: file.display().to_string(),
                line: index + 1,
                column,
                read: "unbalanced quotes".to_string(),
                remedies: vec!["close the quote, and leave a space after it".to_string()],
            }),
        }
    }
    if problems.is_empty() { Ok(directives) } else { Err(Problems(problems)) }
}

/// Name, value and column of a line, or the column of an unbalanced quote.
fn directive(line: &str) -> Result<Option<(String, String, usize)>, usize> {
    let trimmed = line.trim_matches([' ', '\t', '\r', '\n']);
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let column = |at: usize| position(line, at).1;
    let mut arguments = split(line).map_err(column)?.into_iter();
    let Some((name_at, name)) = arguments.next() else { return Ok(None) };
    let arguments: Vec<(usize, String)> = arguments.collect();
    let at = arguments.first().map_or(name_at, |argument| argument.0);
    let value: Vec<&str> = arguments.iter().map(|argument| argument.1.as_str()).collect();
    Ok(Some((name.to_ascii_lowercase(), value.join(" "), column(at))))
}

/// Splits a line as `sdssplitargs` does: (offset, argument) each, or the offset of an unbalanced quote.
///
/// Between double quotes `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and escaped characters; between single quotes only `\'`. A closing
/// quote must be followed by a space or the end of the line.
pub fn split(line: &str) -> Result<Vec<(usize, String)>, usize> {
    let bytes = line.as_bytes();
    let byte = |at: usize| bytes.get(at).copied();
    let space = |b: u8| b.is_ascii_whitespace() || b == 0x0b || b == 0;
    let mut arguments = Vec::new();
    let mut at = 0;
    loop {
        while byte(at).is_some_and(space) {
            at += 1;
        }
        let start = at;
        let mut quote: Option<(u8, usize)> = None;
        let mut argument = Vec::new();
        loop {
            match (quote, byte(at)) {
                (None, None) if at == start => return Ok(arguments),
                (None, None) => break,
                (Some((_, opened)), None) => return Err(opened),
                (Some((b'"', _)), Some(b'\\')) => {
                    let (decoded, length) = escape(&bytes[at..]);
                    argument.push(decoded);
                    at += length;
                }
                (Some((b'\'', _)), Some(b'\\')) if byte(at + 1) == Some(b'\'') => {
                    argument.push(b'\'');
                    at += 2;
                }
                (Some((mark, opened)), Some(b)) if b == mark => {
                    at += 1;
                    if byte(at).is_some_and(|next| !space(next)) {
                        return Err(opened);
                    }
                    break;
                }
                (None, Some(b)) if space(b) => break,
                (None, Some(mark @ (b'"' | b'\''))) => {
                    quote = Some((mark, at));
                    at += 1;
                }
                (_, Some(b)) => {
                    argument.push(b);
                    at += 1;
                }
            }
        }
        arguments.push((start, String::from_utf8_lossy(&argument).into_owned()));
    }
}

/// The byte that an escape sequence at the start of `rest` stands for, and the sequence's length.
fn escape(rest: &[u8]) -> (u8, usize) {
    let hex = |at: usize| rest.get(at).and_then(|&b| (b as char).to_digit(16));
    if let (Some(b'x'), Some(high), Some(low)) = (rest.get(1), hex(2), hex(3)) {
        return ((high * 16 + low) as u8, 4);
    }
    match rest.get(1) {
        Some(b'n') => (b'\n', 2),
        Some(b'r') => (b'\r', 2),
        Some(b't') => (b'\t', 2),
        Some(b'b') => (0x08, 2),
        Some(b'a') => (0x07, 2),
        Some(&other) => (other, 2),
        None => (b'\\', 1),
    }
}

#[derive(Default)]
struct Reader {
    directives: Vec<Directive>,
    problems: Vec<Problem>,
    /// Files being read, outermost first, to detect circles.
    open: Vec<PathBuf>,
    files: usize,
    contents: Files,
}

impl Reader {
    /// Reads `path`, included by the directive `from` if any.
    fn file(&mut self, path: &Path, from: Option<&Directive>) {
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        self.files += 1;
        if self.open.contains(&identity) {
            return self.problem(path, from, format!("include {}: the file includes itself", path.display()));
        }
        if self.files > MAX_FILES {
            // One problem is enough; the rest of a fan-out is skipped in silence.
            if self.files == MAX_FILES + 1 {
                self.problem(path, from, format!("more than {MAX_FILES} files are included"));
            }
            return;
        }
        let text = match self.contents.read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if from.is_none() => {
                return self.problem(path, None, format!("cannot be read: {error}"));
            }
            Err(error) => return self.problem(path, from, format!("include {}: {error}", path.display())),
        };
        let directives = match parse(&text, path) {
            Ok(directives) => directives,
            Err(Problems(problems)) => return self.problems.extend(problems),
        };
        self.open.push(identity);
        for directive in directives {
            match directive.name == "include" {
                true => self.include(path, &directive),
                false => self.directives.push(directive),
            }
        }
        self.open.pop();
    }

    /// Follows one include: relative to the working directory like the server, else to the including file's folder.
    fn include(&mut self, path: &Path, directive: &Directive) {
        let wanted = Path::new(&directive.value);
        let beside = path.parent().unwrap_or(Path::new("")).join(wanted);
        if glob::is_pattern(&directive.value) {
            let mut found = glob::expand(wanted);
            if found.is_empty() {
                found = glob::expand(&beside);
            }
            // A pattern without matches includes nothing, as in the server.
            return found.iter().for_each(|file| self.file(file, Some(directive)));
        }
        let file = if wanted.exists() { wanted } else { beside.as_path() };
        self.file(file, Some(directive));
    }

    fn problem(&mut self, path: &Path, from: Option<&Directive>, read: String) {
        let (file, line, column) =
            from.map_or((path, 0, 0), |from| (from.file.as_path(), from.line, from.column));
        self.problems.push(Problem {
            file: file.display().to_string(),
            line,
            column,
            read,
            remedies: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, usize> {
        split(line).map(|words| words.into_iter().map(|word| word.1).collect())
    }

    #[test]
    fn lines_are_split_as_the_server_splits_them() {
        assert_eq!(
            words(" save  3600 1\t300 100 \r"),
            Ok(["save", "3600", "1", "300", "100"].map(String::from).to_vec())
        );
        assert_eq!(words(r#"save """#), Ok(vec!["save".into(), String::new()]));
        assert_eq!(
            words(r#"a "x\x41\n\"y" 'it\'s \n'"#),
            Ok(vec!["a".into(), "xA\n\"y".into(), r"it's \n".into()])
        );
        assert_eq!(words(r#"a"b c" d"#), Ok(vec!["ab c".into(), "d".into()]));
        assert_eq!(words(r#"a "b"#), Err(2));
        assert_eq!(words(r#"a "b"c"#), Err(2));
        assert_eq!(words("a 'b\\"), Err(2));
        assert_eq!(words("a \"b\\"), Err(2));
    }

    #[test]
    fn names_are_lowered_and_columns_point_at_the_value() {
        let found = parse("# c\n\n  AppendOnly   yes\nsave \"\"\n", Path::new("r.conf")).expect("directives");
        assert_eq!((found[0].name.as_str(), found[0].value.as_str()), ("appendonly", "yes"));
        assert_eq!((found[0].line, found[0].column), (3, 16));
        assert_eq!((found[1].name.as_str(), found[1].value.as_str(), found[1].column), ("save", "", 6));
        let error = parse("a b\nhz \"10\n", Path::new("r.conf")).expect_err("a problem").to_string();
        assert!(error.starts_with("r.conf:2:4: unbalanced quotes"), "{error}");
    }

    #[test]
    fn includes_are_followed_and_circles_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        std::fs::create_dir(folder.path().join("conf.d")).expect("a folder");
        write("main.conf", "hz 10\ninclude conf.d/*.conf\ninclude none/*.conf\nhz 12\n");
        write("conf.d/b.conf", "hz 11\n");
        write("conf.d/a.conf", "appendonly yes\n");
        write("conf.d/c.txt", "hz 99\n");
        let found = read(&folder.path().join("main.conf"), &Files::default()).expect("directives");
        let values: Vec<&str> = found.iter().map(|directive| directive.value.as_str()).collect();
        assert_eq!(values, ["10", "yes", "11", "12"]);
        write("circle.conf", "include again.conf\n");
        write("again.conf", "hz 10\ninclude circle.conf\n");
        let error =
            read(&folder.path().join("circle.conf"), &Files::default()).expect_err("a circle").to_string();
        assert!(error.contains("again.conf:2:9: include") && error.contains("includes itself"), "{error}");
        write("gone.conf", "include nowhere.conf\n");
        let error =
            read(&folder.path().join("gone.conf"), &Files::default()).expect_err("no such file").to_string();
        assert!(error.contains("gone.conf:1:9: include"), "{error}");
        assert!(read(&folder.path().join("absent.conf"), &Files::default()).is_err());
    }

    #[test]
    fn includes_that_fan_out_are_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        for level in 0..12 {
            let line = format!("include l{}.conf\n", level + 1).repeat(4);
            std::fs::write(folder.path().join(format!("l{level}.conf")), line).expect("a file");
        }
        std::fs::write(folder.path().join("l12.conf"), "hz 10\n").expect("a file");
        let error =
            read(&folder.path().join("l0.conf"), &Files::default()).expect_err("too many").to_string();
        assert!(error.contains("more than 1000 files"), "{error}");
    }
}
