//! `convoke call`: a phone with several calls, on a screen or by lines.

mod command;
mod keys;
mod lines;
mod screen;
mod tell;
mod ui;
mod view;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use terminal::{PhoneHandle, TrustPolicy};

use super::runtime;
use super::terminals::{own_address, setup};
use crate::cli::CallArgs;
use crate::output::Printer;
use crate::signals::Stop;
use crate::tap::Tap;

pub(crate) fn run(args: CallArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(call(args))
}

async fn call(args: CallArgs) -> anyhow::Result<ExitCode> {
    let is_seen = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    // A trace wants lines, too, and so does a capture, whose last words they are.
    let is_tapped = args.common.trace || args.common.pcap.is_some();
    let on_screen = is_seen && !args.common.json && !is_tapped && !args.lines;
    let printer = Printer::new(args.common.json)?;
    let pcap = args.common.pcap.as_deref();
    let tap = Tap::new(&args.common, &args.terminal.user, &printer).keeping(pcap)?;
    // Challenges are answered to whom we are told of at the start.
    let called = args.factory.as_ref().or(args.targets.first());
    let bind = own_address(&args.terminal, args.targets.first().or(called)).await;
    let mut setup = setup(&args.terminal, tap.is_open(), bind, called)?;
    setup.levels = on_screen;
    // Whoever names those he trusts means no others, wherever they call from.
    let trust = TrustPolicy {
        loopback: args.trust.is_empty(),
        patterns: args.trust.clone(),
        ..TrustPolicy::default()
    };
    let phone = PhoneHandle::start(setup, trust, args.factory.clone())?;
    // The end of our commands is told by who reads them.
    let stop = Stop::listen(false)?;
    if on_screen {
        ui::run(phone, stop, &args, &printer).await
    } else {
        lines::run(phone, stop, &args, &printer, tap).await
    }
}
