//! `reflector [echo|fan|redirect] [PERCENT]`: the floor programs. It prints the address to call, and ends when it is ended.

#![expect(clippy::print_stdout, reason = "a program of one line: its address")]

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use load::redirector::Redirector;
use load::reflector::{Reflect, Reflector};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let reflect = match words.next().as_deref() {
        Some("fan") => Reflect::Fan,
        Some("echo") | None => Reflect::Echo,
        Some("redirect") => return redirect(),
        Some(_) => {
            let usage = "write echo or fan, and how many percent to drop, or redirect";
            return Err(io::Error::other(usage));
        }
    };
    let drop_percent = words.next().map_or(Ok(0), |percent| percent.parse());
    let drop_percent = drop_percent.map_err(io::Error::other)?;
    // As many legs as the system lets us have.
    load::reflector::open_all_files()?;
    let mut reflector = Reflector::new(Ipv4Addr::LOCALHOST.into(), reflect, drop_percent)?;
    announce(reflector.address()?)?;
    reflector.run()
}

fn redirect() -> io::Result<()> {
    let mut redirector = Redirector::new(Ipv4Addr::LOCALHOST.into())?;
    announce(redirector.address()?)?;
    redirector.run()
}

/// Says where it is called, at once, also into a pipe.
fn announce(address: SocketAddr) -> io::Result<()> {
    println!("{address}");
    io::stdout().flush()
}
