//! What is done to a server that is not ours, seen from its side.

use super::fake::{Fake, Turn};
use super::guard::{Allowed, Guard, Needs};

const WRITES: [&str; 5] = ["SET", "UNLINK", "DEL", "SCRIPT", "BGSAVE"];

fn allowed() -> Allowed {
    Allowed { prefix: "wp:".to_owned(), ..Allowed::default() }
}

fn assert_nothing_written(fake: &Fake) {
    let log = fake.log("");
    let written = |words: &Vec<String>| {
        WRITES.contains(&words[0].as_str())
            || (words[0] == "CONFIG" && words[1] == "SET")
            || words[0].starts_with("FLUSH")
    };
    assert!(!log.iter().any(written), "{log:?}");
}

#[test]
fn a_refused_server_is_not_written_to() {
    let fake = Fake::usual();
    fake.set("theirs", "1");
    let error = Guard::enter(&fake.address(), &Needs::default(), &allowed()).err().expect("it is not ours");
    assert!(error.to_string().contains("1 keys that are not ours"), "{error}");
    assert_nothing_written(&fake);
    let replica = Fake::start("role:slave\n", |_| Turn::Usual);
    replica.set("wp:old", "1");
    // Not even to clean up.
    let clean = Allowed { clean: true, shared: true, ..allowed() };
    assert!(Guard::enter(&replica.address(), &Needs::default(), &clean).is_err());
    assert_nothing_written(&replica);
}

#[test]
fn keys_under_the_prefix_go_and_no_other() {
    let fake = Fake::usual();
    for key in ["a", "wp", "wp:earlier", "wq:x", "zz"] {
        fake.set(key, "1");
    }
    let shared = Allowed { shared: true, ..allowed() };
    let guard = Guard::enter(&fake.address(), &Needs::default(), &shared).expect("told so");
    assert!(guard.prefix().starts_with("wp:") && guard.prefix().len() == 8, "{}", guard.prefix());
    assert!(guard.notes.iter().any(|note| note.contains("1 keys begin with \"wp:\"")), "{:?}", guard.notes);
    for number in 0..5 {
        fake.set(&format!("{}{number}", guard.prefix()), "1");
    }
    let undone = guard.undo().expect("it is there");
    assert_eq!(undone.keys, 5);
    for key in ["a", "wp", "wp:earlier", "wq:x", "zz"] {
        assert!(fake.keys().contains(&key.to_owned()), "{key}");
    }
    let clean = Allowed { clean: true, ..shared };
    drop(Guard::enter(&fake.address(), &Needs::default(), &clean).expect("told so"));
    assert!(!fake.keys().contains(&"wp:earlier".to_owned()), "{:?}", fake.keys());
    assert!(fake.log("").iter().all(|words| !words[0].starts_with("FLUSH")));
}

#[test]
fn settings_change_only_if_allowed_and_are_put_back() {
    let fake = Fake::usual();
    let mut guard = Guard::enter(&fake.address(), &Needs::default(), &allowed()).expect("it is empty");
    let error = guard.config_set("hz", "100").expect_err("not allowed").to_string();
    assert!(error.contains("--allow-config"), "{error}");
    drop(guard);
    assert_nothing_written(&fake);
    let allowed = Allowed { config: true, ..allowed() };
    for ends in ["undone", "dropped"] {
        let mut guard = Guard::enter(&fake.address(), &Needs::default(), &allowed).expect("it is empty");
        assert_eq!(guard.config_set("hz", "100").ok(), Some(true));
        assert_eq!(guard.config_set("hz", "200").ok(), Some(true));
        assert_eq!(guard.config_set("no-such", "1").ok(), Some(false));
        assert_eq!(fake.setting("hz").as_deref(), Some("200"));
        match ends {
            "undone" => drop(guard.undo().expect("it is there")),
            _ => drop(guard),
        }
        assert_eq!(fake.setting("hz").as_deref(), Some("10"), "{ends}");
    }
}

#[test]
fn what_cannot_be_undone_is_told() {
    let fake = Fake::start("", |words| if words[0] == "SCAN" { Turn::Die } else { Turn::Usual });
    let guard = Guard::enter(&fake.address(), &Needs::default(), &allowed()).expect("it is empty");
    let prefix = guard.prefix().to_owned();
    let error = guard.undo().expect_err("it has died").to_string();
    assert!(error.contains(&format!("{prefix:?}")) && error.contains("--clean"), "{error}");
}
