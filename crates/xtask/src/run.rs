//! Programs of others, run with no standard input and their output shown while it comes.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail};

/// A program with its arguments and the variables that it gets on top of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    program: String,
    args: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

impl Call {
    /// A call of `program`; the words of `args` are its arguments.
    pub(crate) fn new(program: &str, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: program.to_owned(), args, variables: Vec::new() }
    }

    /// A call of the cargo that runs us.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        Self::new("cargo", args)
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn with_args<S: AsRef<str>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub(crate) fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// The line that a person types to do the same by hand.
    pub(crate) fn line(&self) -> String {
        let variables =
            self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program).chain(&self.args).map(|word| quoted(word));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    fn command(&self) -> Command {
        // The cargo that runs us knows the toolchain; `cargo` on the path may be another one.
        let program = match (self.program.as_str(), std::env::var_os("CARGO")) {
            ("cargo", Some(cargo)) => cargo,
            (program, _) => program.into(),
        };
        let mut command = Command::new(program);
        command.args(&self.args).stdin(Stdio::null());
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }
}

/// Puts a word in quotes where a shell would split or expand it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Runs a call in `root` with our own output and says how it ended.
pub(crate) fn command(root: &Path, call: &Call) -> anyhow::Result<()> {
    let status = call
        .command()
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot start: {}", call.line()))?;
    if !status.success() {
        bail!("{status}: {}", call.line());
    }
    Ok(())
}

/// Runs a call in `root` and gives all that it said.
pub(crate) fn output(root: &Path, call: &Call) -> anyhow::Result<String> {
    let output = call.command().current_dir(root).output();
    let output = output.with_context(|| format!("cannot start: {}", call.line()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() {
        bail!("{}: {}\n{said}", output.status, call.line());
    }
    Ok(said)
}

/// True if the program can be started and ends well; it is asked for nothing but that, as in `cargo nextest --version`.
pub(crate) fn works(call: &Call) -> bool {
    let quiet = call.command().stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// Runs a call in `root`, shows each line of its output when it comes and hands it to `on_line` without
/// colours; true if it ended well.
pub(crate) fn watched(
    root: &Path,
    call: &Call,
    mut on_line: impl FnMut(&str),
) -> anyhow::Result<bool> {
    let mut command = call.command();
    command.current_dir(root).stdout(Stdio::piped()).stderr(Stdio::piped());
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn().with_context(|| format!("cannot start: {}", call.line()))?;
    let (sender, lines) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|out| forward(out, sender.clone())),
        child.stderr.take().map(|err| forward(err, sender.clone())),
    ];
    drop(sender);
    for line in lines {
        println!("{line}");
        on_line(&without_colours(&line));
    }
    for reader in readers.into_iter().flatten() {
        // A reader only reads and sends: it cannot panic.
        let _ = reader.join();
    }
    Ok(child.wait()?.success())
}

/// Sends each line of `from`, whatever its bytes are, until it ends.
fn forward(from: impl Read + Send + 'static, to: mpsc::Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            if to.send(text).is_err() {
                return;
            }
        }
    })
}

/// The line without ANSI colour sequences, so that it can be read by a program.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A sequence ends with its first letter: ESC [ 3 2 m
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out_and_the_rest_stays() {
        assert_eq!(without_colours("\u{1b}[32;1m   Summary\u{1b}[0m [ 1s]"), "   Summary [ 1s]");
        assert_eq!(without_colours("3 passed"), "3 passed");
    }

    #[test]
    fn a_line_can_be_typed_again() {
        let call = Call::cargo(&["nextest", "run", "-E", "not binary(torture)"])
            .with_variable("RUSTDOCFLAGS", "-D warnings");
        let line = "RUSTDOCFLAGS='-D warnings' cargo nextest run -E 'not binary(torture)'";
        assert_eq!(call.line(), line);
    }

    #[test]
    fn output_of_both_kinds_is_seen_and_the_end_told() {
        let script = "echo out; echo err >&2; read x || echo no input; exit 3";
        let mut lines = Vec::new();
        let call = Call::new("sh", &["-c", script]);
        let good = watched(Path::new("."), &call, |line| lines.push(line.to_owned())).expect("sh");
        lines.sort();
        assert_eq!((good, lines), (false, vec!["err".into(), "no input".into(), "out".into()]));
    }
}
