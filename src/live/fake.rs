//! A server for tests: enough of Redis to be driven, one command at a time, with delays and faults as told.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use redis::{Parser, Value};

use super::address::Address;

/// What the server does with a command instead of executing it.
pub enum Turn {
    /// Nothing else: it is executed.
    Usual,
    /// It is executed after everybody has waited.
    After(Duration),
    /// This is the answer.
    Answer(String),
    /// The server dies.
    Die,
}

type Told = Box<dyn FnMut(&[String]) -> Turn + Send>;

struct State {
    told: Told,
    info: String,
    keys: BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
    log: Vec<Vec<String>>,
    dead: bool,
}

/// A running server; its threads end with their connections.
pub struct Fake {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// A server whose INFO says `info` beside the usual, and that does what it is `told` for each command.
    pub fn start(info: &str, told: impl FnMut(&[String]) -> Turn + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(Mutex::new(State {
            told: Box::new(told),
            info: info.to_owned(),
            keys: BTreeMap::new(),
            settings: BTreeMap::from([("hz".to_owned(), "10".to_owned())]),
            log: Vec::new(),
            dead: false,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                if shared.lock().expect("no test panics inside").dead {
                    return;
                }
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Fake { port, state }
    }

    /// A server that only does its work.
    pub fn usual() -> Self {
        Fake::start("", |_| Turn::Usual)
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        Address::local(self.port)
    }

    /// Sets a key.
    pub fn set(&self, key: &str, value: &str) {
        self.state.lock().expect("no test panics inside").keys.insert(key.to_owned(), value.to_owned());
    }

    /// Names of all keys.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().expect("no test panics inside").keys.keys().cloned().collect()
    }

    /// A setting's value.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.state.lock().expect("no test panics inside").settings.get(name).cloned()
    }

    /// Every command so far whose name is `name`; all for the empty name.
    pub fn log(&self, name: &str) -> Vec<Vec<String>> {
        let state = self.state.lock().expect("no test panics inside");
        state.log.iter().filter(|words| name.is_empty() || words[0] == name).cloned().collect()
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<State>) {
    let _ = stream.set_nodelay(true);
    let Ok(mut reader) = stream.try_clone() else { return };
    let mut parser = Parser::new();
    while let Ok(Value::Array(words)) = parser.parse_value(&mut reader) {
        let words: Vec<String> = words
            .into_iter()
            .map(|word| match word {
                Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        // One at a time, like the main thread of a server: a wait holds everybody back.
        let mut state = shared.lock().expect("no test panics inside");
        state.log.push(words.clone());
        let turn = if state.dead { Turn::Die } else { (state.told)(&words) };
        let answer = match turn {
            Turn::Die => {
                state.dead = true;
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            Turn::Answer(answer) => answer,
            Turn::After(wait) => {
                thread::sleep(wait);
                state.execute(&words)
            }
            Turn::Usual => state.execute(&words),
        };
        drop(state);
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

impl State {
    fn execute(&mut self, words: &[String]) -> String {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        match word(0) {
            "PING" => "+PONG\r\n".to_owned(),
            "INFO" => bulk(&self.info_text()),
            "SET" => {
                self.keys.insert(word(1).to_owned(), word(2).to_owned());
                "+OK\r\n".to_owned()
            }
            "GET" => self.keys.get(word(1)).map_or("$-1\r\n".to_owned(), |value| bulk(value)),
            "INCR" => {
                let value = self.keys.entry(word(1).to_owned()).or_insert("0".to_owned());
                let next = value.parse::<i64>().unwrap_or(0) + 1;
                *value = next.to_string();
                format!(":{next}\r\n")
            }
            "UNLINK" => {
                let removed = words[1..].iter().filter(|key| self.keys.remove(*key).is_some()).count();
                format!(":{removed}\r\n")
            }
            // One key a page, so that more than one is needed.
            "SCAN" => {
                // From the end, so that keys which go do not move those still to come.
                let cursor: usize = word(1).parse().unwrap_or(0);
                let place = if cursor == 0 { self.keys.len() } else { cursor };
                let prefix = word(3).trim_end_matches('*');
                let key = place.checked_sub(1).and_then(|index| self.keys.keys().nth(index));
                let key = key.filter(|key| key.starts_with(prefix)).cloned();
                let next = place.saturating_sub(1);
                let keys = key.map_or("*0\r\n".to_owned(), |key| format!("*1\r\n{}", bulk(&key)));
                format!("*2\r\n{}{keys}", bulk(&next.to_string()))
            }
            "CONFIG" if word(1) == "GET" => match self.settings.get(word(2)) {
                Some(value) => format!("*2\r\n{}{}", bulk(word(2)), bulk(value)),
                None => "*0\r\n".to_owned(),
            },
            "CONFIG" => {
                self.settings.insert(word(2).to_owned(), word(3).to_owned());
                "+OK\r\n".to_owned()
            }
            "SCRIPT" => bulk("0123456789012345678901234567890123456789"),
            other => format!("-ERR unknown command '{other}'\r\n"),
        }
    }

    fn info_text(&self) -> String {
        let keyspace = match self.keys.len() {
            0 => String::new(),
            keys => format!("db0:keys={keys},expires=0,avg_ttl=0\r\n"),
        };
        format!(
            "{}redis_version:7.0.15\r\nrole:master\r\nloading:0\r\nconnected_clients:1\r\nused_memory:1000000\r\n\
             used_cpu_user_main_thread:1.5\r\nused_cpu_sys_main_thread:0.5\r\ncluster_enabled:0\r\n{keyspace}",
            self.info.replace('\n', "\r\n")
        )
    }
}
