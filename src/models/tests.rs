use std::path::Path;

use super::*;
use crate::units::parse_span;

fn shipped(name: &str) -> &'static str {
    builtin().find(|model| model.0 == name).expect("a built-in model").1
}

fn problems(text: &str) -> Vec<String> {
    match parse(text, "m.toml", "m") {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(Problem::to_string).collect(),
    }
}

#[test]
fn every_file_in_models_is_built_in_and_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("models/")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().replace(".toml", ""))
        .collect();
    files.sort();
    assert_eq!(files, builtin().map(|model| model.0).collect::<Vec<_>>());
    for name in files {
        let (model, source) = load(&name).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(model.name, name);
        assert!(!source.machine.is_empty() && source.prices.iter().all(|price| !price.source.is_empty()));
    }
    assert_eq!(descriptions().len(), BUILT_IN.len());
    assert!(load(DEFAULT).is_ok());
}

#[test]
fn every_field_of_a_cost_model_has_a_price() {
    // Fields of the inner structs stand at eight spaces in the pretty debug form.
    let (mut table, mut fields) = (String::new(), Vec::new());
    for line in format!("{:#?}", blank("b")).lines() {
        let indent = line.len() - line.trim_start().len();
        let Some((field, _)) = line.trim().split_once(": ") else { continue };
        match indent {
            4 => table = field.to_string(),
            8 => fields.push(format!("{table}.{field}").replace('_', "-").replace("classes", "class")),
            _ => {}
        }
    }
    assert_eq!(fields, price::PRICES.iter().map(|price| price.name).collect::<Vec<_>>());
}

#[test]
fn values_survive_printing_and_overriding() {
    for (name, _) in builtin() {
        let (model, _) = load(name).expect("a model");
        let mut copy = blank(name);
        for (price, value) in values(&model) {
            override_price(&mut copy, price, &value).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(copy, model);
    }
}

/// CPU of a real server (7.0.15) per SET of 100 B from 50 connections, P commands a write, medians of three.
#[test]
fn measured_sums_of_the_two_core_vm_hold() {
    let (model, _) = load("two-core-vm").expect("a model");
    let cpu = &model.cpu;
    let set = cpu.set as f64 + cpu.per_kib * 100.0 / 1024.0;
    let round = (cpu.read + cpu.write + cpu.turn) as f64;
    for (pipeline, measured, spread) in [(1.0, 9_880.0, 0.10), (16.0, 1_910.0, 0.15), (64.0, 1_400.0, 0.15)] {
        let priced = set + round / pipeline;
        assert!((priced / measured - 1.0).abs() < spread, "P = {pipeline}: {priced} ns, measured {measured}");
    }
}

/// (section, name, value and range as typed, source) of each price of a model that has one value in a unit of time.
fn spans(model: &str) -> Vec<(String, String, [f64; 3], String)> {
    let table: toml::Table = shipped(model).parse().unwrap();
    let mut found = Vec::new();
    for (section, prices) in &table {
        for (name, price) in prices.as_table().into_iter().flatten() {
            let span = |text: Option<&toml::Value>| parse_span(text?.as_str()?).ok().map(|span| span as f64);
            let value = span(price.get("value"));
            let [low, high] = [0, 1].map(|end| span(price.get("range").and_then(|range| range.get(end))));
            let source = price.get("source").and_then(toml::Value::as_str).unwrap_or("");
            if let (Some(value), Some(low), Some(high)) = (value, low, high) {
                found.push((section.clone(), name.clone(), [value, low, high], source.to_owned()));
            }
        }
    }
    found
}

#[test]
fn derived_prices_are_what_they_say_they_are_derived_from() {
    let measured = spans("two-core-vm");
    let mut checked = 0;
    for model in ["cloud-vm", "vm-thp", "bare-metal-nvme", "hdd-raid", "xen-2012"] {
        for (section, name, values, source) in spans(model) {
            let Some(rest) = source.strip_prefix("derived: ") else { continue };
            let Some((factor, _)) = rest.split_once(" x two-core-vm") else { continue };
            let factor: f64 = factor.parse().unwrap();
            let (.., base, _) =
                measured.iter().find(|price| (&price.0, &price.1) == (&section, &name)).unwrap();
            for (value, base) in values.iter().zip(base) {
                // Times are whole nanoseconds.
                assert!((value - factor * base).abs() <= 1.0 + 0.001 * value, "{model}: {section}.{name}");
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_place() {
    let text = shipped("two-core-vm")
        .replace("turn = { value = \"2.1us\"", "turn = { value = \"1.9\"")
        .replace("per-gib = { value = \"17.5ms\"", "per-gb = { value = \"17.5ms\"")
        .replace("bandwidth = { value = \"1.3GiB/s\"", "bandwidth = { value = \"0MiB/s\"")
        .replace("ping = { value = \"0.2us\"", "ping = { value = \"4us\"")
        .replace("[client]", "[clients]");
    let found = problems(&text);
    let has = |wanted: &str| assert!(found.iter().any(|p| p.contains(wanted)), "{wanted} in {found:#?}");
    has("cpu.turn: \"1.9\" has no unit");
    has("fork.per-gb: unknown key\n  did you mean \"per-gib\"?");
    has("fork.per-gib: missing price\n  expected a span per GiB such as \"10ms\", from 0ns to 2s");
    has("disk.bandwidth: 0B/s is outside its own range");
    has("cpu.ping: 4us is outside its own range");
    has("clients: unknown key\n  did you mean \"client\"?");
    assert!(found.iter().all(|p| p.starts_with("m.toml:") && !p.starts_with("m.toml:0")), "{found:#?}");
    let line = text.lines().position(|line| line.starts_with("turn")).expect("the line") + 1;
    has(&format!("m.toml:{line}:18: cpu.turn"));
}

#[test]
fn an_empty_file_lacks_every_price() {
    assert_eq!(problems("").len(), price::PRICES.len() + 3);
    assert!(problems("[cpu").iter().all(|p| p.starts_with("m.toml:1:")));
}

#[test]
fn prices_without_source_or_range_are_refused() {
    let text = shipped("cloud-vm");
    let bare =
        text.replacen("cores = { value = 4, range = [4, 4], source = \"the instance\" }", "cores = 4", 1);
    assert!(problems(&bare).iter().any(|p| p.contains("machine.cores: a price needs its source")));
    let bare = text.replacen("value = 4, range = [4, 4], source = \"the instance\"", "value = 4", 1);
    let found = problems(&bare);
    assert!(found.iter().any(|p| p.contains("machine.cores: missing source")), "{found:?}");
    assert!(found.iter().any(|p| p.contains("machine.cores.range: missing")), "{found:?}");
}

#[test]
fn overrides_are_checked() {
    let (mut model, _) = load("cloud-vm").expect("a model");
    assert_eq!(override_price(&mut model, "fork.per-gib", "12ms"), Ok(()));
    assert_eq!(model.fork.per_gib, 12e6);
    assert_eq!(override_price(&mut model, "noise.class", "none"), Ok(()));
    assert!(model.noise.classes.is_empty());
    assert_eq!(override_price(&mut model, "disk.fdatasync", "1ms"), Ok(()));
    assert_eq!(model.disk.fdatasync, Dist::Fixed(1e6));
    let mut error = |name, value| override_price(&mut model, name, value).expect_err("an error");
    assert!(error("fork.per-gb", "12ms").contains("did you mean \"fork.per-gib\""));
    assert!(error("fork.per-gib", "12").contains("expected a span per GiB"));
    assert!(error("disk.bandwidth", "0B/s").contains("outside 100KiB/s to 1TiB/s"));
    assert!(error("machine.cores", "0").contains("outside 1 to 4096"));
    assert!(error("cpu.set", "-1us").contains("not a number from 0 up"));
}

#[test]
fn an_unknown_model_is_named_with_a_suggestion() {
    let text = load("cloud-wm").expect_err("no such model").to_string();
    assert!(text.contains("did you mean \"cloud-vm\"?") && text.contains("hdd-raid"), "{text}");
    assert!(load("no/such.toml").expect_err("no such file").to_string().contains("cannot be read"));
}
