//! The asker against the floor program of 302s, as processes on loopback.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn whoever_asks_the_floor_is_redirected() {
    let mut floor = Command::new(env!("CARGO_BIN_EXE_reflector"))
        .arg("redirect")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut address = String::new();
    let out = floor.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut address).expect("its address");
    let address = address.trim().parse().expect("an address");
    let asked = load::asker::ask(address, "conference", Duration::from_secs(1), Some(floor.id()));
    floor.kill().expect("it was there");
    floor.wait().expect("its end");
    let asked = asked.expect("a report");
    assert_eq!(asked.answers.keys().collect::<Vec<_>>(), [&302], "{asked:#?}");
    assert!(asked.redirects_per_cpu_second.is_some(), "{asked:#?}");
}
