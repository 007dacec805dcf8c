//! JSON Schema of the scenario file, from the list of keys that the reader uses.

use serde_json::{Map, Value, json};

use super::cluster::SLOTS;
use super::cluster_directives;
use super::directives::{self, DirectiveValue};
use super::keys::{ACTIONS, DISTS, Key, Kind, OPTIONAL_KEYS, POPULARITIES, TABLES, TableSpec, Variant};
use super::pattern::BUILT_IN;
use super::tree::{Node, Place};
use crate::redis::config::RedisConfig;
use crate::redis::version::{KNOWN, Version};

/// A number as quantities begin with one.
const NUMBER: &str = "[0-9][0-9_]*(\\.[0-9_]*)?([eE][+-]?[0-9]+)?";

/// JSON Schema (2020-12) of the scenario file.
pub fn json_schema() -> Value {
    let mut tables = Map::new();
    for spec in TABLES {
        let schema = table(spec);
        let schema = if spec.repeated { json!({ "type": "array", "items": schema }) } else { schema };
        tables.insert(spec.name.to_owned(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "writepath scenario",
        "description": "One run of the simulated write path. Quantities carry units: \"250us\", \"64MiB\", \"5000/s\", \"10M\".",
        "type": "object",
        "additionalProperties": false,
        "required": ["workload"],
        "properties": tables,
    })
}

fn table(spec: &TableSpec) -> Value {
    let mut properties = Map::new();
    for key in spec.keys.iter().filter(|key| !matches!(key.kind, Kind::Refused(_))) {
        properties.insert(key.name.to_owned(), property(key));
    }
    if spec.name == "redis" {
        properties.extend(directive_properties());
    }
    json!({
        "type": "object",
        "description": spec.doc,
        "additionalProperties": spec.open,
        "properties": properties,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = of_kind(key.kind);
    if let Value::Object(map) = &mut schema {
        map.insert("description".to_owned(), json!(key.doc));
        if let Some(default) = key.default {
            map.insert("default".to_owned(), default_value(key.kind, default));
        }
    }
    if key.name == "version" {
        let names: Vec<String> = KNOWN.iter().map(Version::to_string).collect();
        schema["examples"] = json!(names);
    }
    schema
}

fn default_value(kind: Kind, text: &str) -> Value {
    let number = matches!(kind, Kind::Number(..)).then(|| text.parse::<f64>().ok()).flatten();
    match number {
        Some(number) => json!(number),
        // A default's TOML literal (a word, a number, true) is JSON as well.
        None => {
            serde_json::from_str(&Node::guess(text, Place::default_value()).literal()).unwrap_or(Value::Null)
        }
    }
}

fn text(pattern: String) -> Value {
    json!({ "type": "string", "pattern": format!("^ *{pattern} *$") })
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Span(..) => text(format!("({NUMBER} *(ns|us|µs|μs|ms|s|m|min|h|d)|0)")),
        Kind::Bytes(..) => text(format!("({NUMBER} *([bB]|[kKmMgGtT]([iI]?[bB])?)|0)")),
        Kind::Count(low, high) => json!({ "anyOf": [
            { "type": "integer", "minimum": low, "maximum": high },
            text(format!("{NUMBER} *[kKMGB]?")),
        ] }),
        Kind::Number(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Rate => text(format!("{NUMBER} *[kKMGB]? */ *(s|sec|m|min|h)")),
        Kind::Bandwidth => text(format!("{NUMBER} *([bB]|[kKmMgGtT]([iI]?[bB])?) */s")),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Text | Kind::Refused(_) => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::SizeDist => with_fixed(Kind::Bytes(0, u64::MAX)),
        Kind::SpanDist => with_fixed(Kind::Span(0, u64::MAX)),
        Kind::Ttl(of_dataset) => ttl(of_dataset),
        Kind::Popularity => {
            let words: Vec<&str> =
                POPULARITIES.iter().filter(|v| v.keys.iter().all(is_optional)).map(|v| v.name).collect();
            let mut any = vec![json!({ "enum": words })];
            any.extend(POPULARITIES.iter().map(|choice| variant(choice, popularity_key)));
            json!({ "anyOf": any })
        }
        Kind::Slots => slots(),
        Kind::SlotsOrCount => {
            json!({ "anyOf": [of_kind(Kind::Count(1, SLOTS as u64)), slots()] })
        }
        Kind::Names | Kind::Texts => json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] }),
        Kind::Weights => {
            json!({ "type": "object", "additionalProperties": { "type": "number", "minimum": 0 } })
        }
        Kind::Directives | Kind::Axes => json!({ "type": "object" }),
        Kind::Schedule => pairs(of_kind(Kind::Span(0, 0)), of_kind(Kind::Rate)),
        Kind::Mix => json!({ "type": "object", "additionalProperties": of_kind(Kind::Number(0.0, 1.0)) }),
        Kind::Wait(aof) => {
            let mut properties = json!({
                "replicas": of_kind(Kind::Count(0, u32::MAX.into())),
                "timeout": of_kind(Kind::Span(0, 0)),
            });
            if aof {
                properties["local"] = json!({ "enum": [0, 1] });
            }
            json!({ "type": "object", "additionalProperties": false, "properties": properties })
        }
        Kind::Spans => json!({ "anyOf": [
            { "type": "array", "items": of_kind(Kind::Span(0, 0)) },
            { "type": "string" },
        ] }),
        Kind::Pattern => {
            let names: Vec<&str> = BUILT_IN.iter().map(|pattern| pattern.0).collect();
            let command = json!({ "type": "string" });
            let step = json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["do"],
                "properties": {
                    "name": command,
                    "do": { "anyOf": [command, { "type": "array", "items": command }] },
                    "if-nil": command,
                    "if-equals": {
                        "type": "array",
                        "prefixItems": [command, { "type": "integer" }],
                        "minItems": 2,
                        "maxItems": 2,
                    },
                },
            });
            json!({ "anyOf": [{ "enum": names }, { "type": "array", "items": step, "minItems": 1 }] })
        }
        Kind::Backoff => json!({ "anyOf": [of_kind(Kind::Span(0, 0)), {
            "type": "object",
            "additionalProperties": false,
            "required": ["kind", "base", "cap"],
            "properties": {
                "kind": { "const": "exponential" },
                "base": of_kind(Kind::Span(0, 0)),
                "cap": of_kind(Kind::Span(0, 0)),
                "jitter": { "enum": ["full", "none"] },
            },
        }] }),
        Kind::Action => {
            let words: Vec<&str> =
                ACTIONS.iter().map(|a| a.name).filter(|name| *name != "CONFIG SET").collect();
            json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "^CONFIG SET [^ ]+ " }] })
        }
    }
}

/// Hash slots: a number, ranges as text, or a list of both.
fn slots() -> Value {
    let one = json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": SLOTS - 1 },
        { "type": "string", "pattern": "^[-0-9, ]*$" },
    ] });
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// A quantity, or a table that says how it is distributed.
fn with_fixed(quantity: Kind) -> Value {
    let key = |name: &str| match name {
        "scv" => of_kind(Kind::Number(1e-9, 1e6)),
        "values" => pairs(of_kind(quantity), of_kind(Kind::Number(0.0, 1.0))),
        _ => of_kind(quantity),
    };
    let mut any = vec![of_kind(quantity)];
    any.extend(DISTS.iter().map(|choice| variant(choice, key)));
    json!({ "anyOf": any })
}

/// A length of time, or a table that says how it is distributed and where deadlines fall.
fn ttl(of_dataset: bool) -> Value {
    let mut schema = with_fixed(Kind::Span(0, u64::MAX));
    for table in schema["anyOf"].as_array_mut().into_iter().flatten().skip(1) {
        table["properties"]["jitter"] = of_kind(Kind::Span(0, u64::MAX));
        table["properties"]["align"] = of_kind(Kind::Span(0, u64::MAX));
        if of_dataset {
            table["properties"]["age"] = json!({ "enum": ["new", "spread"] });
        }
    }
    schema
}

fn popularity_key(name: &str) -> Value {
    match name {
        "s" => of_kind(Kind::Number(1e-6, 10.0)),
        "share" => of_kind(Kind::Number(0.0, 1.0)),
        _ => of_kind(Kind::Count(1, u64::MAX)),
    }
}

fn variant(choice: &Variant, key: impl Fn(&str) -> Value) -> Value {
    let mut properties = Map::new();
    properties.insert("dist".to_owned(), json!({ "const": choice.name }));
    properties.extend(choice.keys.iter().map(|name| ((*name).to_owned(), key(name))));
    let needed = choice.keys.iter().filter(|name| !is_optional(name)).copied();
    let required: Vec<&str> = std::iter::once("dist").chain(needed).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn is_optional(name: &&str) -> bool {
    OPTIONAL_KEYS.contains(name)
}

fn pairs(first: Value, second: Value) -> Value {
    let pair = json!({ "type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2 });
    json!({ "type": "array", "items": pair })
}

/// The modelled directives, with the type their value has in a scenario.
fn directive_properties() -> Map<String, Value> {
    let defaults = RedisConfig::defaults(Version::redis(7, 2));
    let schema = |(name, value): (&str, DirectiveValue)| {
        let schema = match value {
            DirectiveValue::Bool(_) => json!({ "anyOf": [{ "type": "boolean" }, { "enum": ["yes", "no"] }] }),
            DirectiveValue::Number(_) => json!({ "type": ["integer", "string"] }),
            DirectiveValue::Text(_) if name == "appendfsync" => {
                json!({ "anyOf": [{ "enum": ["always", "everysec", "no"] }, { "const": false }] })
            }
            DirectiveValue::Text(_) => json!({ "type": ["string", "integer"] }),
        };
        (name.to_owned(), schema)
    };
    directives::of(&defaults).into_iter().chain(cluster_directives::all()).map(schema).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To renew the file: `UPDATE_RECORDED=1 cargo test --lib schema`.
    #[test]
    fn the_committed_schema_is_the_current_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/scenario.schema.json");
        let current = format!("{:#}\n", json_schema());
        if std::env::var_os("UPDATE_RECORDED").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), current);
    }
}
