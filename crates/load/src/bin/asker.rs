//! `asker ADDRESS USER SECONDS [PID]`: asks a factory on this machine for conferences as fast as it answers; prints JSON.

#![expect(clippy::print_stdout, reason = "a program of one line: its report")]

use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::other("write ADDRESS USER SECONDS and maybe PID");
    let [address, user, seconds, pid @ ..] = words.as_slice() else { return Err(usage()) };
    let address = address.parse().map_err(io::Error::other)?;
    let seconds = seconds.parse().map_err(io::Error::other)?;
    let pid = pid.first().map(|pid| pid.parse()).transpose().map_err(io::Error::other)?;
    let asked = load::asker::ask(address, user, Duration::from_secs(seconds), pid)?;
    println!("{}", serde_json::to_string(&asked).map_err(io::Error::other)?);
    Ok(())
}
