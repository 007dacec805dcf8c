use super::super::record::tests::{identity, point};
use super::*;

fn head(points: u64) -> Head {
    Head { identity: identity(points), shard: (1, 1) }
}

fn open(dir: &Path, head: &Head) -> Result<Journal, JournalError> {
    match Journal::open(dir, head, &Files::default())? {
        Found::Journal(journal) => Ok(*journal),
        Found::Whole(_) => panic!("it is whole"),
    }
}

#[test]
fn who_waits_for_another_process_finds_what_it_has_finished() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut first = open(dir.path(), &head(1)).expect("a journal");
    let other = std::thread::spawn(move || {
        first.add(point(0), &Files::default()).expect("it is added");
        std::thread::sleep(PATIENCE / 20);
        first.finish().expect("it is finished");
        first.remove().expect("it goes away");
    });
    let found = Journal::open(dir.path(), &head(1), &Files::default());
    assert!(matches!(found, Ok(Found::Whole(_))), "{:?}", found.err());
    other.join().expect("it ends well");
}

#[test]
fn points_of_any_order_and_any_number_of_crashes_give_one_file() {
    let mut files = Vec::new();
    for order in [[0, 1, 2, 3], [3, 1, 2, 0]] {
        let dir = tempfile::TempDir::new().expect("a folder");
        for (done, &index) in order[..2].iter().enumerate() {
            let mut journal = open(dir.path(), &head(4)).expect("a journal");
            assert_eq!(journal.len(), done as u64);
            assert_eq!(journal.indices(), order[..done]);
            journal.add(point(index), &Files::default()).expect("it is added");
            // The first crash: half a frame, longer than the next whole one, and no goodbye.
            let long = Point { sojourn: vec![7; 10_000], ..point(9) };
            let half = &part::frame(&Record::Point(Box::new(long)))[..5000 * (1 - done)];
            journal.file.write_all(half).expect("it can be written");
        }
        let mut journal = open(dir.path(), &head(4)).expect("a journal");
        let mut before = order[..2].to_vec();
        before.sort_unstable();
        assert_eq!(journal.indices(), before);
        for &index in &order[2..] {
            journal.add(point(index), &Files::default()).expect("it is added");
        }
        journal.finish().expect("it is finished");
        journal.remove().expect("it goes away");
        assert!(matches!(Journal::open(dir.path(), &head(4), &Files::default()), Ok(Found::Whole(None))));
        let names: Vec<_> =
            fs::read_dir(dir.path()).expect("a folder").map(|e| e.expect("one").path()).collect();
        assert_eq!(names.len(), 1);
        files.push(fs::read(&names[0]).expect("the file"));
    }
    assert_eq!(files[0], files[1]);
}

#[test]
fn what_has_changed_is_refused_and_named() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let model = dir.path().join("own.toml");
    fs::write(&model, "one").expect("it can be written");
    let files = Files::default();
    files.read(&model).expect("it is there");
    open(dir.path(), &head(4)).expect("a journal").add(point(2), &files).expect("it is added");
    let told = open(dir.path(), &head(5)).expect_err("another sweep").to_string();
    assert!(told.contains("points: 4 became 5"), "{told}");
    assert_eq!(open(dir.path(), &head(4)).expect("the same").len(), 1);
    fs::write(&model, "two").expect("it can be written");
    let told = open(dir.path(), &head(4)).expect_err("another model").to_string();
    assert!(told.contains("content of ") && told.contains("own.toml"), "{told}");
    fs::remove_file(&model).expect("it is there");
    assert!(open(dir.path(), &head(4)).is_err());
}

#[test]
fn two_processes_cannot_make_one_shard() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let first = open(dir.path(), &head(4)).expect("a journal");
    assert!(matches!(open(dir.path(), &head(4)), Err(JournalError::Taken(_))));
    drop(first);
    assert!(open(dir.path(), &head(4)).is_ok());
}
