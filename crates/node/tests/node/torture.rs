//! RFC 4475 and RFC 5118 at the whole node: every file gets the answer that the corpus' index says.

use std::fs;
use std::path::PathBuf;

use crate::rig::{Caller, Rig, Setting};
fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../sip/tests/corpus"))
}

/// A node for whose factory the messages were meant.
pub(crate) fn addressed() -> Rig {
    let mut setting = Setting::default();
    let factory = &mut setting.factory;
    for user in ["user", "UserB", "vivekg", "sips:user@example.com"] {
        factory.users.push(user.to_owned());
    }
    for host in ["example.com", "example.net", "chair-dnrc.example.com", "[2001:db8::10]"] {
        factory.hosts.push(host.to_owned());
    }
    Rig::with(setting)
}

/// What came back: the status, or nothing.
pub(crate) fn outcome(statuses: &[u16]) -> String {
    match statuses {
        [] => "drop".to_owned(),
        [status] => status.to_string(),
        more => panic!("one answer or none, not {more:?}"),
    }
}

/// "normal" in the index: ordinary INVITE handling, whatever policy says, but never 400. wsinv.dat has
/// a To tag and belongs to no dialog of ours: 481 (RFC 3261 §12.2.2).
const NORMAL: [&str; 5] = ["200", "302", "404", "481", "488"];

/// Every file of the corpus: its name, what the index expects, its bytes.
pub(crate) fn files() -> Vec<(String, String, Vec<u8>)> {
    let index = fs::read_to_string(corpus().join("index.tsv")).expect("the index");
    let file = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let bytes = fs::read(corpus().join(columns[0]).join(columns[1])).expect("the file");
        (format!("{}/{}", columns[0], columns[1]), columns[6].to_owned(), bytes)
    };
    index.lines().skip(1).map(file).collect()
}

/// The outcomes that an entry of the index allows.
pub(crate) fn allowed(expected: &str) -> Vec<&str> {
    let words = expected.split([' ', '/']).filter(|word| *word != "or");
    let outcomes = words.flat_map(|word| match word {
        "normal" => NORMAL.to_vec(),
        "-" => vec!["drop"],
        word => vec![word],
    });
    outcomes.collect()
}

/// T01, T02
#[test]
fn every_file_gets_the_answer_of_the_index() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, expected, bytes) in files() {
        let mut rig = addressed();
        let got = outcome(&rig.statuses(Caller::new("torture", 1).address, &bytes));
        if !allowed(&expected).contains(&got.as_str()) {
            wrong.push(format!("{name}: {got}, not {expected}"));
        }
        count += 1;
    }
    println!("torture: {count} files, {} wrong", wrong.len());
    assert_eq!((count, wrong), (61, vec![]));
}

#[test]
fn no_file_cut_at_any_byte_stops_the_node() {
    let mut rig = addressed();
    for folder in ["valid", "invalid"] {
        for entry in fs::read_dir(corpus().join(folder)).expect("the folder") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("the file");
            for end in 0..bytes.len() {
                let answers = rig.statuses(Caller::new("torture", 2).address, &bytes[..end]);
                assert!(answers.len() <= 1);
            }
        }
    }
    let mut alive = Caller::new("alice", 1);
    alive.address.set_ip([127, 0, 0, 2].into());
    let answer = rig.ask(alive.address, &alive.request("OPTIONS", crate::rig::FACTORY));
    assert_eq!(answer.status.code(), 200);
}
