//! Programs that other people wrote against ours, one test after another.

mod crowd;
mod phones;
mod proxy;
mod refer;
