//! What a voice is worth after the mixer, judged by a program that knows speech.

use std::path::Path;

use anyhow::Context as _;

use crate::run::{self, Call};

/// Builds the mixer's example, and scores what comes out of it. The judge is the Python package `pesq`, which `pip` builds
/// into a folder of its own below `target` when it is not there yet: it needs Debian's `python3-venv`, `python3-dev` and a C
/// compiler, and pip's index.
pub(crate) fn quality(root: &Path) -> anyhow::Result<()> {
    let scratch = root.join("target").join("quality");
    std::fs::create_dir_all(&scratch)
        .with_context(|| format!("cannot make {}", scratch.display()))?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let home = scratch.join("python");
    let python = text(&home.join("bin").join("python"));
    if !run::works(&Call::new(&python, &["-c", "import pesq, scipy"])) {
        run::command(root, &Call::new("python3", &["-m", "venv", &text(&home)]))?;
        let install = ["-m", "pip", "install", "--quiet", "numpy", "scipy", "pesq"];
        run::command(root, &Call::new(&python, &install))?;
    }
    run::command(
        root,
        &Call::cargo(&["build", "--locked", "--quiet", "-p", "mix", "--example", "through"]),
    )?;
    let judge = root.join("crates/xtask/quality/judge.py");
    let speech = root.join("crates/convoke/speech");
    let through = root.join("target/debug/examples/through");
    let words = [&judge, &speech, &through, &scratch].map(|path| text(path));
    run::command(root, &Call::new(&python, &[]).with_args(&words))
}
