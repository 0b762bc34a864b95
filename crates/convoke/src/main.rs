//! Convoke: administers conferencing resources. Server, terminal and tools in one binary.

mod cli;
mod commands;
mod ladder;
mod message;
mod output;
mod password;
mod pcap;
mod signals;
mod tap;
mod trace;
mod writer;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::output::complain;

/// A fifth of what a redirection costs was allocating and freeing with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages. They make nothing faster here, and take a dozen megabytes more; a kernel that knows
    // no such switch gives them.
    let _ = nix::sys::prctl::set_thp_disable(true);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::explain(&error),
    };
    output::log_to_stderr();
    let done = match cli.command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::PrintConfig(args) => commands::check::print(&args),
        Command::Call(args) => commands::call::run(args),
        Command::Conference(args) => commands::conference::run(args),
        Command::Answer(args) => commands::answer::run(args),
        Command::Watch(args) => commands::watch::run(args),
        Command::Status(args) => commands::status::run(&args),
        Command::Ctl(args) => commands::ctl::run(&args),
        Command::Load(args) => commands::load::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Holds(args) => commands::holds::run(&args),
        Command::Capacity(args) => commands::capacity::run(&args),
        Command::Calibrate(args) => commands::calibrate::run(&args),
        Command::Reserve(args) => commands::reserve::run(&args),
        Command::Drain(args) => commands::drain::drain(&args),
        Command::Undrain(args) => commands::drain::undrain(&args),
        Command::Token(args) => commands::token::run(&args),
        Command::User(args) => commands::user::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
