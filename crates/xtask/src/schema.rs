//! The HTTP interface, driven by its own description: Schemathesis makes requests out of docs/openapi.json, right ones and wrong
//! ones, and holds every answer to what is written there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::run::{self, Call};

/// The version that the arguments below are for.
const WANTED: &str = "schemathesis==4.32.5";

/// Bounded, and the same each time. A stream of events has no end to wait for, and a server that drains refuses what is to be
/// tried. A 503 that is described is no fault, one that is not is found by what holds each status to the description; what
/// is right by its shape may still be wrong, as a reservation for yesterday; and a repeated idempotency key answers what it made
/// once, whether or not that is over.
const TRIES: [&str; 13] = [
    "--no-color",
    "--seed",
    "7",
    "--max-examples",
    "15",
    "--phases",
    "examples,coverage,fuzzing,stateful",
    "--exclude-operation-id",
    "readEvents",
    "--exclude-operation-id",
    "drain",
    "--exclude-checks",
    "ensure_resource_availability,ignored_auth,not_a_server_error,positive_data_acceptance",
];

/// How far the links of the description are followed, from what makes something to what ends it.
const SETTINGS: (&str, &str) = ("schemathesis.toml", "[phases.stateful]\nmax-steps = 15\n");

/// The example of whom to call may be called. Nobody is: from a socket on loopback nothing gets there.
const SERVED: (&str, &str) = ("convoke.toml", "[dial_out]\nallow = [\"192.0.2.7\"]\n");

/// A server of our own, ended with this.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs Schemathesis by `pip` into a folder of its own below `target` when it is not there yet, starts a server, and tries.
pub(crate) fn schema(root: &Path) -> anyhow::Result<()> {
    let scratch = root.join("target").join("schemathesis");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let python = text(&scratch.join("bin").join("python"));
    let name = WANTED.split('=').next().unwrap_or_default();
    if !run::works(&Call::new(&python, &["-c", &format!("import {name}")])) {
        run::command(root, &Call::new("python3", &["-m", "venv", &text(&scratch)]))?;
        run::command(root, &Call::new(&python, &["-m", "pip", "install", "--quiet", WANTED]))?;
    }
    run::command(root, &Call::cargo(&["build", "--locked", "--quiet", "--bin", "convoke"]))?;
    let state = scratch.join("state");
    // What another run has left there would be in the way of this one, or be tried again beside what is tried each time.
    for left in [&state, &scratch.join(".hypothesis"), &scratch.join(".schemathesis")] {
        let _ = std::fs::remove_dir_all(left);
    }
    for (name, content) in [SETTINGS, SERVED] {
        std::fs::write(scratch.join(name), content)
            .with_context(|| format!("cannot write {name}"))?;
    }
    let (_served, admin) = serve(root, &text(&scratch.join(SERVED.0)), &text(&state))?;
    let program = text(&scratch.join("bin").join("schemathesis"));
    let url = format!("http://{admin}/v1/openapi.json");
    // What it leaves behind, it leaves there.
    run::command(&scratch, &Call::new(&program, &["run", &url]).with_args(&TRIES))
}

/// A server that lets us do everything, and where that is asked for.
fn serve(root: &Path, config: &str, state: &str) -> anyhow::Result<(Served, String)> {
    let mut child = Command::new(root.join("target/debug/convoke"))
        .args(["serve", "--config", config, "--json", "--with-parent", "--admin-open"])
        .args(["--state-dir", state])
        .args(["--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start convoke")?;
    let out = child.stdout.take();
    let served = Served(child);
    let mut line = String::new();
    BufReader::new(out.context("its output is ours")?).read_line(&mut line)?;
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    match told["admin"].as_str() {
        Some(admin) => Ok((served, admin.to_owned())),
        None => bail!("convoke did not start: {line}"),
    }
}
