use std::path::PathBuf;

use super::*;
use crate::experiment::template::Template;
use crate::scenario::resolve::Overrides;

const SCENARIO: &str =
    "[redis]\nappendonly = true\n[[workload]]\nrate = \"100/s\"\n[run]\nduration = \"10s\"\n";

fn template(sweep: &str) -> Template {
    let text = format!("{SCENARIO}{sweep}");
    Template::new(text, "x.toml".to_owned(), PathBuf::from("."), Overrides::default())
}

fn spec(vary: &[&str]) -> DesignSpec {
    DesignSpec { vary: vary.iter().map(|text| (*text).to_owned()).collect(), ..DesignSpec::default() }
}

fn build(spec: &DesignSpec, sweep: &str) -> Design {
    spec.build(&template(sweep)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn rows(design: &Design) -> Vec<String> {
    let row = |index| design.point(index).into_iter().map(|own| own.value).collect::<Vec<_>>().join(" ");
    (0..design.len()).map(row).collect()
}

fn problems(spec: &DesignSpec, sweep: &str) -> String {
    match spec.build(&template(sweep)) {
        Err(problems) => problems.to_string(),
        Ok(design) => panic!("{} points", design.len()),
    }
}

#[test]
fn the_last_axis_of_a_grid_is_the_fastest_and_what_is_excluded_has_no_number() {
    let mut spec = spec(&["redis.appendfsync=no,everysec,always", "workload.rate=10/s..1000/s:3:log"]);
    assert_eq!(
        rows(&build(&spec, ""))[..4],
        ["no 10/s", "no 100/s", "no 1000/s", "everysec 10/s"].map(str::to_owned)
    );
    spec.exclude = vec!["redis.appendfsync=always and workload.rate>10/s".to_owned()];
    let design = build(&spec, "");
    assert_eq!(design.len(), 7);
    assert_eq!(rows(&design)[6], "always 10/s");
    assert_eq!(design.columns(), ["redis_appendfsync", "workload_rate_per_s"]);
    assert_eq!(design.cells(1), ["no", "100"]);
    assert_eq!(design.axes(), ["redis.appendfsync", "workload.rate"]);
}

#[test]
fn axes_that_move_together_are_one_digit_and_one_dimension() {
    let mut spec = spec(&["rate~connections=10/s,20/s,30/s", "redis.hz=10,100", "connections=1,2,3"]);
    let expected = ["10/s 10 1", "20/s 10 2", "30/s 10 3", "10/s 100 1", "20/s 100 2", "30/s 100 3"];
    assert_eq!(rows(&build(&spec, "")), expected);
    spec.exclude =
        vec!["rate>=20/s and connections=2".to_owned(), "redis.hz=10 and connections=3".to_owned()];
    assert_eq!(rows(&build(&spec, "")), ["10/s 10 1", "10/s 100 1", "30/s 100 3"]);
    spec.exclude.clear();
    (spec.kind, spec.points) = (Some(Kind::Lhs), Some(9));
    for row in rows(&build(&spec, "")) {
        let words: Vec<&str> = row.split(' ').collect();
        assert_eq!(words[0], format!("{}0/s", words[2]));
    }
}

#[test]
fn drawn_points_follow_the_seed_and_rules_close_the_gaps() {
    for kind in [Kind::Lhs, Kind::Sobol, Kind::Random] {
        let mut spec = spec(&["rate=10/s..1000/s:log", "redis.hz=10,100", "connections=1..64"]);
        (spec.kind, spec.points, spec.seed) = (Some(kind), Some(64), Some(7));
        let design = build(&spec, "");
        let all = rows(&design);
        assert_eq!((all.len(), design.len()), (64, 64));
        assert_eq!(all, rows(&build(&spec, "")));
        let halves = all.iter().filter(|row| row.contains(" 10 ")).count();
        // Equally likely: exactly so where the dimension is divided, within four deviations of 64 throws of a coin
        // else.
        assert!(if kind == Kind::Random { halves.abs_diff(32) <= 16 } else { halves == 32 }, "{halves}");
        spec.exclude = vec!["redis.hz=100".to_owned()];
        let left: Vec<String> = all.iter().filter(|row| row.contains(" 10 ")).cloned().collect();
        assert_eq!(rows(&build(&spec, "")), left);
        spec.seed = Some(8);
        assert_ne!(rows(&build(&spec, "")), left);
    }
}

#[test]
fn a_table_says_what_flags_say_and_flags_win() {
    let table = "[sweep]\nvary = { \"redis.appendfsync\" = [\"no\", \"always\"], rate = \"1/s..9/s:3\" }\n\
                 exclude = [\"rate=5/s\"]\nreplications = 4\n";
    let design = build(&DesignSpec::default(), table);
    // What a file has in quotes stays so, so that it means a text.
    assert_eq!(rows(&design), ["\"no\" 1/s", "\"no\" 9/s", "\"always\" 1/s", "\"always\" 9/s"]);
    assert_eq!(design.cells(0), ["no", "1"]);
    assert_eq!((design.replications(), design.kind()), (Some(4), Kind::Grid));
    let design = build(
        &spec(&["workload.rate=3/s", "redis.hz=10,20"]),
        &table.replace("exclude = [\"rate=5/s\"]\n", ""),
    );
    assert_eq!(design.axes(), ["redis.appendfsync", "workload.rate", "redis.hz"]);
    assert_eq!(rows(&design)[0], "\"no\" 3/s 10");
    let lhs = format!("{table}design = \"lhs\"\npoints = 5\nseed = 3\n");
    let design = build(&DesignSpec::default(), &lhs);
    assert_eq!((design.len(), design.kind(), design.seed()), (5, Kind::Lhs, 3));
    // A flag for a grid leaves the number of points to the table's own design.
    let grid = DesignSpec { kind: Some(Kind::Grid), ..DesignSpec::default() };
    assert_eq!(build(&grid, &lhs).len(), 4);
}

#[test]
fn every_point_of_a_sound_design_resolves_with_its_settings() {
    let spec = spec(&[
        "redis.save=\"3600 1 300 100\",\"\"",
        "model=cloud-vm,bare-metal-nvme",
        "machine.fork.per-gib=x0.5,x2",
        "workload.keys={dist=\"zipf\", s=1.1},uniform",
    ]);
    let (design, template) = (build(&spec, ""), template(""));
    assert_eq!(design.len(), 16);
    for index in 0..design.len() {
        let scenario = template.with(&design.point(index)).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(scenario.redis.save.len(), if index < 8 { 2 } else { 0 });
        let factor = if index % 4 < 2 { 0.5 } else { 2.0 };
        let (model, _) = crate::models::load(&scenario.machine.name).expect("built in");
        assert_eq!(scenario.machine.fork.per_gib, model.fork.per_gib * factor);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_each_thing_once() {
    let spec = DesignSpec {
        vary: [
            "redis.appendfsnc=no,everysec",
            "redis.appendfsync=no,allways",
            "workload.raet=1/s..9/s:3",
            "run.duration=1s..9/s:3",
            "model=cloud-wm",
            "machine.fork.per-gb=1ms,2ms",
            "rate=1/s,2/s",
            "rate=3/s",
            "dataset.keys=1,2",
            "dataset.memory=1MiB",
            "connections~clients=1,2",
        ]
        .map(str::to_owned)
        .to_vec(),
        exclude: vec!["pipeline>1".to_owned()],
        points: Some(7),
        ..DesignSpec::default()
    };
    let text = problems(&spec, "");
    for (part, times) in [
        ("did you mean \"appendfsync\"?", 1),
        ("\"allways\"", 1),
        ("did you mean \"always\"?", 0),
        ("unknown key \"raet\"", 1),
        ("is no unit of time", 1),
        ("did you mean \"cloud-vm\"?", 1),
        ("did you mean \"fork.per-gib\"?", 1),
        ("rate: varied twice", 1),
        ("dataset.memory: dataset.keys says the same thing", 1),
        ("connections~clients: \"clients\" is no axis", 1),
        ("a grid has the points its axes make", 1),
    ] {
        assert_eq!(text.matches(part).count(), times, "{part}:\n{text}");
    }
}

#[test]
fn a_value_that_is_wrong_only_in_company_is_left_to_its_point() {
    // A warm-up of 20 s needs a run longer than the scenario's 10 s, which the other axis has.
    build(&spec(&["run.warmup=0s,20s", "run.duration=10s,60s"]), "");
    // Without it no point could run.
    let text = problems(&spec(&["run.warmup=0s,20s"]), "");
    assert!(text.contains("--vary: run.warmup: the warm-up of 20.0 s"), "{text}");
    // What is wrong with the scenario is said of the scenario, once.
    let text = problems(&spec(&["redis.hz=10,20,30"]), "interval = \"0s\"\n");
    assert!(text.starts_with("x.toml:7:12: run.interval") && text.matches("interval").count() == 1, "{text}");
}

#[test]
fn a_range_of_a_million_values_is_tried_at_its_ends() {
    let design = build(&spec(&["run.seed=1..1000000:1000000"]), "");
    assert_eq!((design.len(), design.point(999_999)[0].value.as_str()), (1_000_000, "1000000"));
    // Together with a list, each of the list's values is tried with its own.
    build(&spec(&["run.duration~run.warmup=2s..30s:3", "run.warmup=1s,15s,29s"]), "");
    let text = problems(&spec(&["run.duration~run.warmup=2s..30s:3", "run.warmup=1s,17s,29s"]), "");
    assert!(text.contains("run.warmup: the warm-up of 17.0 s"), "{text}");
}

#[test]
fn designs_without_points_are_refused() {
    let vary = spec(&["redis.hz=10,20"]);
    assert!(problems(&DesignSpec::default(), "").contains("nothing is varied"));
    let exclude = DesignSpec { exclude: vec!["redis.hz>1".to_owned()], ..vary.clone() };
    assert!(problems(&exclude, "").contains("the rules exclude every point"));
    let lhs = DesignSpec { kind: Some(Kind::Lhs), ..vary.clone() };
    assert!(problems(&lhs, "").contains("how many points of lhs?"));
    let excluded = DesignSpec { points: Some(5), exclude: exclude.exclude.clone(), ..lhs.clone() };
    assert!(problems(&excluded, "").contains("the rules exclude every point"));
    let sobol = DesignSpec { kind: Some(Kind::Sobol), points: Some(70_000), ..vary };
    assert!(problems(&sobol, "").contains("expected 1 to 65536"));
    assert!(problems(&spec(&["rate=1/s..9/s"]), "").contains("how many values of the range?"));
    let table = "[sweep]\nvary = { \"redis.hz\" = \"9..1:3\" }\nexclude = [\"hz=1\"]\n";
    assert!(problems(&DesignSpec::default(), table).starts_with("x.toml:8:10: redis.hz: 9 is above 1"));
}
