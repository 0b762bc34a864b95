//! The terminal UI: the loop between keys, the phone and the screen.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Key};
use terminal::{Event, PhoneCommand, PhoneHandle, Report};
use tokio::sync::mpsc;

use super::command::Asked;
use super::keys::pressed;
use super::screen::draw;
use super::view::View;
use crate::cli::CallArgs;
use crate::commands::terminals::part;
use crate::output::{Paint, Printer, Tone};
use crate::signals::Stop;

/// Keys that were pressed and wait to be done; more are not read meanwhile.
const KEYS_MAX: usize = 64;

/// How often the clocks on the screen go on.
const FRAME: Duration = Duration::from_millis(250);

pub(super) async fn run(
    phone: PhoneHandle,
    stop: Stop,
    args: &CallArgs,
    printer: &Printer,
) -> anyhow::Result<ExitCode> {
    let keys = read_keys()?;
    // Restores the terminal if we panic, too.
    let screen = ratatui::try_init().context("cannot draw on this terminal")?;
    let restored = Restored;
    let report = show(phone, stop, args, (screen, keys)).await;
    drop(restored);
    Ok(part(printer, &args.terminal, report?, ExitCode::SUCCESS))
}

/// Gives the terminal back as it was, however we leave.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn show(
    mut phone: PhoneHandle,
    mut stop: Stop,
    args: &CallArgs,
    (mut screen, mut keys): (DefaultTerminal, mpsc::Receiver<Key>),
) -> anyhow::Result<Option<Report>> {
    let begun = now();
    let colours = Paint::of_stdout().has_colours();
    let mut view = View::new(format!("sip:{}@{}", args.terminal.user, phone.local()));
    for target in &args.targets {
        phone.command(PhoneCommand::Call(target.clone())).await;
    }
    let mut clock = tokio::time::interval(FRAME);
    let mut is_stopping = false;
    loop {
        view.elapsed = now().duration_since(begun);
        screen.draw(|frame| draw(frame, &view, colours)).context("cannot draw")?;
        let asked = tokio::select! {
            event = phone.next_event() => match event {
                Some(event) => {
                    take(&mut view, event);
                    continue;
                }
                None => break,
            },
            key = keys.recv() => match key {
                Some(key) => pressed(&mut view, &key),
                None => Asked::Quit,
            },
            () = stop.told() => Asked::Quit,
            _ = clock.tick() => Asked::Nothing,
        };
        match asked {
            Asked::Phone(command) => phone.command(command).await,
            Asked::Help => view.is_helping = true,
            Asked::Nothing => {}
            // A second time waits for nobody.
            Asked::Quit if is_stopping => break,
            Asked::Quit => {
                is_stopping = true;
                view.message(Tone::Quiet, "hanging up; once more to leave at once".to_owned());
                phone.stop();
            }
        }
    }
    Ok(phone.finish())
}

fn take(view: &mut View, event: Event<terminal::PhoneNews>) {
    match event {
        Event::News(news) => view.news(&news),
        Event::Levels(levels) => view.levels(&levels),
        Event::RecordingStopped(error) => view.message(Tone::Bad, error.to_string()),
        // Never asked for on a screen.
        Event::Message { .. } => {}
    }
}

/// A thread reads them; it ends with the process.
fn read_keys() -> anyhow::Result<mpsc::Receiver<Key>> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(key) = event::read() {
                if sender.blocking_send(key).is_err() {
                    break;
                }
            }
        })
        .context("cannot read the keyboard")?;
    Ok(receiver)
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the screen shows how long calls are up")]
    Instant::now()
}
