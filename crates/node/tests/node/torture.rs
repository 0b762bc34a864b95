//! RFC 4475 and RFC 5118 at the whole node: every file gets the answer that the corpus' index says.

use std::fs;
use std::path::PathBuf;

use crate::rig::{Caller, Rig, Setting};
fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../sip/tests/corpus"))
}

/// A node for whose factory the messages were meant.
fn addressed() -> Rig {
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
fn outcome(statuses: &[u16]) -> String {
    match statuses {
        [] => "drop".to_owned(),
        [status] => status.to_string(),
        more => panic!("one answer or none, not {more:?}"),
    }
}

/// "normal" in the index: ordinary INVITE handling, whatever policy says, but never 400. wsinv.dat has
/// a To tag and belongs to no dialog of ours: 481 (RFC 3261 §12.2.2).
const NORMAL: [&str; 5] = ["200", "302", "404", "481", "488"];

#[test]
fn every_file_gets_the_answer_of_the_index() {
    let index = fs::read_to_string(corpus().join("index.tsv")).expect("the index");
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (folder, file, expected) = (columns[0], columns[1], columns[6]);
        let bytes = fs::read(corpus().join(folder).join(file)).expect("the file");
        let mut rig = addressed();
        let got = outcome(&rig.statuses(Caller::new("torture", 1).address, &bytes));
        let allowed =
            expected.split([' ', '/']).filter(|word| *word != "or").flat_map(|word| match word {
                "normal" => NORMAL.to_vec(),
                "-" => vec!["drop"],
                word => vec![word],
            });
        if !allowed.collect::<Vec<_>>().contains(&got.as_str()) {
            wrong.push(format!("{folder}/{file}: {got}, not {expected}"));
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
    let alive = Caller::new("alice", 1);
    let answer = rig.ask(alive.address, &alive.request("OPTIONS", crate::rig::FACTORY));
    assert_eq!(answer.status.code(), 200);
}
