//! Passwords: from a terminal without showing them, from standard input, from a file.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use sip::digest::Password;

use crate::commands::end_at_once;

/// Longest password, in bytes: more is a file that somebody named by mistake.
const BYTES_MAX: u64 = 1_024;

/// Asks for a new password, twice. Ctrl-C ends the process, with the terminal as it was.
pub(crate) async fn ask(about: &str) -> anyhow::Result<Password> {
    if !io::stdin().is_terminal() {
        bail!("standard input is no terminal: pipe the password in with --password-stdin");
    }
    let silence = Silence::begin()?;
    let about = about.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let first = prompt(&format!("Password for {about}: "))?;
        let second = prompt("The same again: ")?;
        anyhow::Ok((first, second))
    });
    let (first, second) = tokio::select! {
        asked = asked => asked??,
        _ = tokio::signal::ctrl_c() => {
            drop(silence);
            end_at_once();
        }
    };
    drop(silence);
    if first != second {
        bail!("the two are not the same: nothing is changed");
    }
    checked(first)
}

/// The first line of standard input.
pub(crate) fn from_stdin() -> anyhow::Result<Password> {
    let line = first_line(io::stdin().lock()).context("standard input")?;
    checked(line).context("standard input")
}

/// The first line of a file.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<Password> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    first_line(io::BufReader::new(file)).and_then(checked).with_context(|| name)
}

fn prompt(text: &str) -> anyhow::Result<String> {
    let mut out = io::stderr().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("cannot ask for the password")?;
    let line = first_line(io::stdin().lock());
    // The line's end was not shown either.
    let _ = writeln!(out);
    line
}

fn first_line(source: impl io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    source.take(BYTES_MAX + 1).read_line(&mut line).context("the password cannot be read")?;
    if line.len() as u64 > BYTES_MAX {
        bail!("a password has no more than {BYTES_MAX} bytes");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn checked(line: String) -> anyhow::Result<Password> {
    if line.is_empty() {
        bail!("the password is empty");
    }
    Ok(Password::new(line))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("cannot ask the terminal")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent).context("cannot hide the password")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing more.
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> anyhow::Result<Password> {
        first_line(text).and_then(checked)
    }

    #[test]
    fn the_first_line_is_the_password_and_all_of_it() {
        assert_eq!(read(b" pass word \r\nmore\n").expect("good"), Password::new(" pass word "));
        assert_eq!(read(b"no end").expect("good"), Password::new("no end"));
        for bad in [&b""[..], b"\nsecond", b"\xff\n", &[b'a'; 1_025]] {
            assert!(read(bad).is_err());
        }
    }
}
