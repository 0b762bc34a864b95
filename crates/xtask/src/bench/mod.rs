//! `cargo xtask bench`: what the hot paths cost.
//!
//! Instructions are counted, not seconds: the same on a busy machine as on an idle one, so that CI can refuse what costs
//! more. `--full` measures whole programs by the clock and writes `docs/BENCHMARKS.md`.

mod count;
mod full;
mod page;
mod programs;

use std::path::Path;

pub(crate) use full::Extent;

/// Counts instructions and compares them with what is recorded; with `accept` records them.
pub(crate) fn instructions(root: &Path, accept: bool) -> anyhow::Result<()> {
    count::run(root, accept)
}

/// Measures whole programs, each so often, and writes the page.
pub(crate) fn full(root: &Path, extent: Extent, repetitions: u32) -> anyhow::Result<()> {
    full::can_pin()?;
    full::run(root, extent, repetitions)
}

/// Writes the page from what was measured last.
pub(crate) fn page(root: &Path) -> anyhow::Result<()> {
    page::write(root)
}
