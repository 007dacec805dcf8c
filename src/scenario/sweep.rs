//! `[sweep]`: what a sweep of the scenario varies. Its axes and rules are read as text here; what they mean is the
//! business of `experiment::design`.

use super::keys::SWEEP;
use super::reader::{Fault, Reader, Section};
use super::tree::{Node, Place, Table, Value};
use super::values::text;

/// The table as read.
#[derive(Clone, Debug)]
pub struct SweepTable {
    /// Settings and their values, in the order of the file.
    pub vary: Vec<AxisText>,
    /// `grid`, `lhs`, `sobol` or `random`.
    pub design: Option<String>,
    /// Number of points.
    pub points: Option<(u64, Place)>,
    /// Points to leave out.
    pub exclude: Vec<(String, Place)>,
    /// Seed of the points.
    pub seed: Option<u64>,
    /// Runs of each point, ≥ 1.
    pub replications: Option<u64>,
}

/// An axis as typed.
#[derive(Clone, Debug)]
pub struct AxisText {
    /// The setting.
    pub key: String,
    /// Its values.
    pub values: ValuesText,
    /// Where they stand.
    pub place: Place,
}

/// Values as typed.
#[derive(Clone, Debug)]
pub enum ValuesText {
    /// As a flag gives them: `1000/s..100000/s:9:log`, or a list with commas.
    Flag(String),
    /// A list, each as a flag would write it.
    List(Vec<String>),
}

/// Reads the table; none when there is none.
pub fn read(tree: &Table, reader: &mut Reader) -> Option<SweepTable> {
    tree.get(SWEEP.name)?;
    let section = Section::single(&SWEEP, tree);
    let vary = reader.read(&section, "vary", axes).value.unwrap_or_default();
    let design = reader.choice(&section, "design");
    let points = reader.whole(&section, "points");
    let exclude = reader.read(&section, "exclude", texts).value.unwrap_or_default();
    let seed = reader.whole(&section, "seed");
    let replications = reader.whole(&section, "replications").value;
    Some(SweepTable {
        vary,
        design: design.value.filter(|_| design.given),
        points: points.value.map(|number| (number, points.place)),
        exclude,
        seed: seed.value.filter(|_| seed.given),
        replications,
    })
}

fn axes(node: &Node) -> Result<Vec<AxisText>, Fault> {
    let Value::Table(table) = &node.value else {
        let remedy = "write vary = { \"redis.hz\" = [10, 100], rate = \"1k/s..9k/s:9\" }";
        return Err(Fault::new(format!("{} is no table", node.literal()), remedy));
    };
    let mut found = Vec::new();
    flatten("", table, &mut found);
    Ok(found)
}

/// A dotted key without quotes makes tables, which settings never are.
fn flatten(prefix: &str, table: &Table, found: &mut Vec<AxisText>) {
    for entry in &table.entries {
        let key = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        let values = match &entry.node.value {
            Value::Table(inner) => {
                flatten(&key, inner, found);
                continue;
            }
            Value::List(nodes) => ValuesText::List(nodes.iter().map(Node::literal).collect()),
            Value::Text(text) => ValuesText::Flag(text.clone()),
            _ => ValuesText::List(vec![entry.node.literal()]),
        };
        found.push(AxisText { key, values, place: entry.place.clone() });
    }
}

fn texts(node: &Node) -> Result<Vec<(String, Place)>, Fault> {
    let one = |node: &Node| Ok((text(node).map_err(|fault| fault.at(&node.place))?, node.place.clone()));
    match &node.value {
        Value::List(nodes) => nodes.iter().map(one).collect(),
        _ => Ok(vec![one(node)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    #[test]
    fn axes_keep_their_order_and_place_however_keys_are_quoted() {
        let file = "[sweep]\nvary.workload.rate = \"1/s..9/s:9\"\nvary.\"redis.hz\" = [10, 100]\nexclude = \"x=1\"\n";
        let mut reader = Reader::default();
        let table = read(&parse(file, "x.toml").expect("TOML"), &mut reader).expect("a table");
        assert!(reader.problems.is_empty(), "{:?}", reader.problems);
        let keys: Vec<&str> = table.vary.iter().map(|axis| axis.key.as_str()).collect();
        assert_eq!(keys, ["workload.rate", "redis.hz"]);
        assert!(matches!(&table.vary[0].values, ValuesText::Flag(text) if text == "1/s..9/s:9"));
        assert!(matches!(&table.vary[1].values, ValuesText::List(items) if items == &["10", "100"]));
        assert_eq!(table.vary[1].place.column, 6);
        assert_eq!((table.exclude.len(), table.design, table.seed), (1, None, None));
    }

    #[test]
    fn other_shapes_are_refused_at_their_place() {
        let file = "[sweep]\nvary = 1\nexclude = [\"a=1\", 2]\ndesign = \"latin\"\npoints = 0\n";
        let mut reader = Reader { file: "x.toml".to_owned(), ..Reader::default() };
        read(&parse(file, "x.toml").expect("TOML"), &mut reader);
        let text: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
        let text = text.join("\n");
        for part in [
            "x.toml:2:8: sweep.vary: 1 is no table",
            "x.toml:3:19: sweep.exclude",
            "sweep.design",
            "sweep.points",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
