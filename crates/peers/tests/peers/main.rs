//! Programs that other people wrote against ours, one test after another.

mod crowd;
mod doors;
mod flows;
mod linphone;
mod overload;
mod phones;
mod proxy;
mod refer;
mod stage;
