//! By lines: commands on standard input, news on standard output.

use std::io::BufRead as _;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use terminal::{PhoneCommand, PhoneHandle, PhoneNews};
use tokio::sync::mpsc;

use super::command::{Asked, HELP, read};
use super::tell::{Told, told_of};
use crate::cli::CallArgs;
use crate::commands::end_at_once;
use crate::commands::reach::tell_registration;
use crate::commands::terminals::{greet, part, show};
use crate::output::{Printer, Tone, harmless};
use crate::signals::Stop;
use crate::tap::Tap;

/// Lines that were read and wait to be done. Reading waits when there are more: nothing is lost.
const LINES_MAX: usize = 64;

/// The longest line that is read; a longer one is not a command.
const LINE_BYTES_MAX: u64 = 4_096;

pub(super) async fn run(
    mut phone: PhoneHandle,
    mut stop: Stop,
    args: &CallArgs,
    printer: &Printer,
    mut tap: Tap,
) -> anyhow::Result<ExitCode> {
    greet(printer, &args.terminal.user, phone.local(), "  `help` lists the commands");
    for target in &args.targets {
        phone.command(PhoneCommand::Call(target.clone())).await;
    }
    let mut lines = Some(read_lines()?);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            event = phone.next_event() => match event {
                Some(event) => show(printer, &mut tap, event, tell),
                None => break,
            },
            line = next_line(&mut lines) => match line {
                Some(line) => match read(&line) {
                    Ok(Asked::Phone(command)) => phone.command(command).await,
                    Ok(Asked::Quit) => {
                        is_stopping = true;
                        phone.stop();
                    }
                    Ok(Asked::Help) => help(printer),
                    Ok(Asked::Nothing) => {}
                    Err(why) => {
                        let fields = json!({ "line": harmless(&line), "why": why });
                        printer.event(Tone::Bad, "no", &why, "not-understood", fields);
                    }
                },
                // The calls go on: a program may have no more to say.
                None => {
                    lines = None;
                    if args.common.with_parent {
                        is_stopping = true;
                        phone.stop();
                    }
                }
            },
            () = stop.told() => {
                if is_stopping {
                    end_at_once();
                }
                is_stopping = true;
                phone.stop();
            }
        }
    }
    tap.finish(printer);
    Ok(part(printer, &args.terminal, phone.finish(), ExitCode::SUCCESS))
}

async fn next_line(lines: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// A thread reads: nothing else can wait for a terminal and for a pipe. It ends with the process.
fn read_lines() -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::Builder::new()
        .name("commands".to_owned())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let mut limited = std::io::Read::take(&mut input, LINE_BYTES_MAX);
                match limited.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                if sender.blocking_send(text).is_err() {
                    break;
                }
            }
        })
        .context("cannot read standard input")?;
    Ok(receiver)
}

fn help(printer: &Printer) {
    let commands: Vec<&str> = HELP.iter().map(|(command, _)| *command).collect();
    if printer.is_json() {
        let fields = json!({ "commands": commands });
        return printer.event(Tone::Plain, "help", "", "help", fields);
    }
    for (command, what) in HELP {
        printer.words(&format!("  {command:13} {what}"));
    }
}

fn tell(printer: &Printer, news: PhoneNews) {
    if let PhoneNews::Registration(news) = &news {
        return tell_registration(printer, news);
    }
    if let Some(Told { tone, verb, about, name, fields }) = told_of(&news) {
        printer.event(tone, verb, &harmless(&about), name, fields);
    }
}
