//! `reflector [echo|fan] [PERCENT]`: the floor program. It prints the address to call, and ends when it is ended.

#![expect(clippy::print_stdout, reason = "a program of one line: its address")]

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use load::reflector::{Reflect, Reflector};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let reflect = match words.next().as_deref() {
        Some("fan") => Reflect::Fan,
        Some("echo") | None => Reflect::Echo,
        Some(_) => return Err(io::Error::other("write echo or fan, and how many percent to drop")),
    };
    let drop_percent = words.next().map_or(Ok(0), |percent| percent.parse());
    let drop_percent = drop_percent.map_err(io::Error::other)?;
    // As many legs as the system lets us have.
    load::reflector::open_all_files()?;
    let mut reflector = Reflector::new(Ipv4Addr::LOCALHOST.into(), reflect, drop_percent)?;
    println!("{}", reflector.address()?);
    io::stdout().flush()?;
    reflector.run()
}
