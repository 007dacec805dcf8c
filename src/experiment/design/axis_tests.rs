use super::*;

fn axis(text: &str) -> Axis {
    Axis::parse(text, Place::flag("--vary")).unwrap_or_else(|fault| panic!("{text}: {}", fault.read))
}

fn texts(axis: &Axis) -> Vec<String> {
    let levels = match &axis.values {
        Values::List(levels) => levels.clone(),
        Values::Range(range) => range.levels(range.points.expect("a number of values")),
    };
    levels.into_iter().map(|level| level.text).collect()
}

#[test]
fn lists_are_split_outside_of_quotes_and_brackets() {
    assert_eq!(texts(&axis("redis.appendfsync=no, everysec")), ["no", "everysec"]);
    assert_eq!(texts(&axis("redis.save=\"3600 1 300 100\",\"\"")), ["\"3600 1 300 100\"", "\"\""]);
    assert_eq!(
        texts(&axis("workload.keys={dist = \"zipf\", s = 1.1},single")),
        ["{dist = \"zipf\", s = 1.1}", "single"]
    );
    // A flag takes the text itself.
    assert_eq!(texts(&axis("model=\"a,b.toml\",cloud-vm")), ["a,b.toml", "cloud-vm"]);
    assert_eq!(texts(&axis("redis-conf=../a.conf")), ["../a.conf"]);
}

#[test]
fn ranges_hold_both_ends_and_keep_the_unit() {
    assert_eq!(texts(&axis("workload.rate=1k/s..4k/s:4")), ["1000/s", "2000/s", "3000/s", "4000/s"]);
    assert_eq!(texts(&axis("rate=1/s..1000/s:4:log")), ["1/s", "10/s", "100/s", "1000/s"]);
    assert_eq!(texts(&axis("run.duration=1s..3s:3")), ["1s", "2s", "3s"]);
    assert_eq!(texts(&axis("dataset.memory=1GiB..3GiB:3")), ["1GiB", "2GiB", "3GiB"]);
    assert_eq!(texts(&axis("redis.maxmemory=1mb..3mb:3")), ["1048576", "2097152", "3145728"]);
    assert_eq!(texts(&axis("machine.fork.per-gib=x0.5..x2:3:log")), ["x0.5", "x1", "x2"]);
    // Seven at equal distances are five whole numbers.
    assert_eq!(texts(&axis("redis.hz=1..5:7")), ["1", "2", "3", "4", "5"]);
    // The middle of 1 and 10 in ratio is the root of 10, to six digits.
    assert_eq!(texts(&axis("rate=1/s..10/s:3:log"))[1], "3.16228/s");
}

#[test]
fn shares_of_an_axis_are_spread_evenly() {
    let count = |axis: &Axis, value: &str| {
        (0..3000).filter(|index| axis.at(*index as f64 / 3000.0).text == value).count()
    };
    let list = axis("redis.appendfsync=no,everysec,always");
    for value in ["no", "everysec", "always"] {
        assert_eq!(count(&list, value), 1000);
    }
    // The ends of a range of whole numbers are as likely as what is between.
    let whole = axis("workload.connections=1..3");
    for value in ["1", "2", "3"] {
        assert_eq!(count(&whole, value), 1000);
    }
    let range = axis("rate=100/s..1000/s");
    assert_eq!(range.at(0.0).number, Some(100.0));
    assert_eq!(range.at(0.5).number, Some(550.0));
    let log = axis("rate=100/s..10000/s:log");
    assert_eq!(log.at(0.5).number, Some(1000.0));
}

#[test]
fn columns_carry_the_unit_and_cells_are_in_base_units() {
    for (text, column, cell) in [
        ("workload.rate=60k/min", "workload_rate_per_s", "1000"),
        ("value-size=1KiB", "value_size_bytes", "1024"),
        ("machine.fork.per-gib=12ms", "machine_fork_per_gib_ns", "12000000"),
        ("redis.save=\"900 1\"", "redis_save", "900 1"),
        ("redis.hz=10", "redis_hz", "10"),
        ("workload.connections=10,many", "workload_connections", "10"),
    ] {
        let axis = axis(text);
        assert_eq!((axis.column().as_str(), axis.at(0.0).cell(axis.is_numeric()).as_str()), (column, cell));
    }
}

#[test]
fn what_is_no_axis_is_refused_with_a_remedy() {
    for (text, read) in [
        ("workload.rate", "has no \"=\""),
        ("=1", "has no setting"),
        ("rate~=1/s", "has no setting"),
        ("rate=", "no values"),
        ("rate=1/s,,2/s", "an empty value"),
        ("rate=1/s,1/s", "stands twice"),
        ("rate=1k/s,1000/s", "stands twice"),
        ("rate=10/s..1/s:3", "10/s is above 1/s"),
        ("rate=1/s..1/s:3", "is one value"),
        ("rate=0/s..1/s:3:log", "equal ratios from 0/s"),
        ("rate=1/s..9/s:1", "1 of a range"),
        ("rate=1/s..9/s:1000001", "1000001 values"),
        ("rate=1/s..9/s:3:cubic", "\"cubic\" behind a range"),
        ("rate=1/s..9/s:3:4", "\"4\" behind a range"),
        ("rate=1..9:3", "has no unit"),
        ("rate=1/s,2/s..9/s:3", "a range in a list"),
        ("run.duration=1/s..9/s:3", "no unit of time"),
        ("redis.save=\"900 1", "not closed"),
    ] {
        let fault = Axis::parse(text, Place::flag("--vary")).expect_err(text);
        assert!(fault.read.contains(read) && !fault.remedies.is_empty(), "{text}: {}", fault.read);
    }
}
