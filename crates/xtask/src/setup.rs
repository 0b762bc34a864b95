//! What the tests need and Rust does not bring: installed if it is missing, and said.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::bail;

use crate::run::{self, Call};

/// Debian packages: the program that shows that one is there, its package, what it is for.
const PACKAGES: [(&str, &str, &str); 5] = [
    ("sipp", "sip-tester", "SIPp, which plays any SIP dialogue that it is given"),
    ("baresip", "baresip-core", "baresip, a phone without a screen"),
    ("linphone-daemon", "linphone-cli", "linphone, a phone with a conference factory of its own"),
    ("kamailio", "kamailio", "kamailio, a proxy and registrar"),
    ("valgrind", "valgrind", "valgrind, which counts instructions"),
];

/// A machine that was just started may be updating itself.
const WAITS: &str = "DPkg::Lock::Timeout=600";

/// A mirror may be away for a moment.
const RETRIES: &str = "Acquire::Retries=3";

/// Where programs lie that are not for everybody's path.
const MORE_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Python, with what makes folders for its packages: for programs that pip installs below `target`.
fn venv() -> anyhow::Result<()> {
    if run::works(&Call::new("python3", &["-c", "import ensurepip, venv"])) {
        println!("python3-venv (folders for programs in Python) is there");
        return Ok(());
    }
    println!("python3-venv (folders for programs in Python) is missing: installing it");
    let install =
        ["apt-get", "install", "-y", "--no-install-recommends", "-o", WAITS, "-o", RETRIES];
    run::command(Path::new("."), &as_root(&install).with_args(&["python3-venv"]))
}

/// Installs what is missing; does nothing, not even ask the package index, if all is there.
pub(crate) fn setup() -> anyhow::Result<()> {
    components()?;
    venv()?;
    let missing: Vec<_> = PACKAGES.into_iter().filter(|(program, ..)| !on_path(program)).collect();
    for (program, package, purpose) in PACKAGES {
        let state = if on_path(program) { "is there" } else { "is missing: installing it" };
        println!("{package} ({purpose}) {state}");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    if !on_path("apt-get") {
        bail!("no apt-get here: install what your system calls {} and try again", names.join(", "));
    }
    // A stale index asks for versions that the mirror has dropped; a failure to renew it may still be harmless.
    if let Err(error) =
        run::command(Path::new("."), &as_root(&["apt-get", "update", "-o", RETRIES]))
    {
        println!("{error:#}; going on with the index that is there");
    }
    let install =
        ["apt-get", "install", "-y", "--no-install-recommends", "-o", WAITS, "-o", RETRIES];
    run::command(Path::new("."), &as_root(&install).with_args(&names))?;
    if names.contains(&"kamailio") && Path::new("/run/systemd/system").is_dir() {
        // Debian starts it as a service, on the port that `convoke serve` and every phone wants.
        run::command(Path::new("."), &as_root(&["systemctl", "disable", "--now", "kamailio"]))?;
    }
    match missing.iter().find(|(program, ..)| !on_path(program)) {
        None => Ok(()),
        Some((program, package, _)) => {
            bail!("{package} is installed, yet {program} is not on the path")
        }
    }
}

/// rustfmt and clippy, which a minimal toolchain leaves out.
fn components() -> anyhow::Result<()> {
    for (name, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if run::works(&Call::cargo(&[command, "--version"])) {
            continue;
        }
        println!("{name} is missing: installing it");
        run::command(Path::new("."), &Call::new("rustup", &["component", "add", name]))?;
    }
    Ok(())
}

/// The call with the rights to install: through sudo unless we are root; it may ask for a password only where somebody
/// can answer.
fn as_root(words: &[&str]) -> Call {
    let sudo: &[&str] = match (is_root(), std::io::stdout().is_terminal()) {
        (true, _) => &[],
        (false, true) => &["sudo"],
        (false, false) => &["sudo", "-n"],
    };
    let words: Vec<&str> = sudo
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive"])
        .chain(words)
        .copied()
        .collect();
    Call::new(words[0], &words[1..])
}

fn is_root() -> bool {
    std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// True if a folder of the path holds the program, or one of those that only root's path has.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = MORE_FOLDERS.into_iter().map(Into::into);
    std::env::split_paths(&path).chain(more).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_only_if_it_is_there() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }

    #[test]
    fn nothing_is_asked_where_nobody_answers() {
        let line = as_root(&["apt-get", "update"]).line();
        assert!(line.ends_with("env DEBIAN_FRONTEND=noninteractive apt-get update"), "{line}");
    }
}
