//! Keys of the terminal UI.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use terminal::PhoneCommand;

use super::command::{Asked, read};
use super::view::{Choice, View};
use crate::output::Tone;

/// What a key asks for; what it only changes on the screen is done.
pub(super) fn pressed(view: &mut View, event: &Event) -> Asked {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_pressed(view, *key),
        Event::Paste(text) => {
            if let Some(typed) = &mut view.typed {
                typed.extend(text.chars().filter(|c| !c.is_control()));
            }
            Asked::Nothing
        }
        _ => Asked::Nothing,
    }
}

fn key_pressed(view: &mut View, key: KeyEvent) -> Asked {
    // In raw mode Ctrl-C is a key like any other.
    if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd'))
    {
        return Asked::Quit;
    }
    if view.is_helping {
        view.is_helping = false;
        return Asked::Nothing;
    }
    if view.typed.is_some() {
        return typing(view, key.code);
    }
    let line = view.chosen;
    match key.code {
        KeyCode::Char('c') => type_on(view, "call sip:"),
        KeyCode::Char('f') => type_on(view, "refer sip:"),
        KeyCode::Char(':') => type_on(view, ""),
        KeyCode::Char('a') => Asked::Phone(PhoneCommand::Answer(None)),
        // One key for both: what it does is what the call's state leaves to do.
        KeyCode::Char('h') if view.is_chosen_on_hold() => Asked::Phone(PhoneCommand::Resume(line)),
        KeyCode::Char('h') => Asked::Phone(PhoneCommand::Hold(line)),
        KeyCode::Char('r') => Asked::Phone(PhoneCommand::Resume(line)),
        KeyCode::Char('d') => Asked::Phone(PhoneCommand::HangUp(line)),
        KeyCode::Char('m') => Asked::Phone(PhoneCommand::Merge),
        KeyCode::Char('u') => Asked::Phone(PhoneCommand::Mute(!view.is_muted)),
        KeyCode::Char('q') => Asked::Quit,
        KeyCode::Char('?') => Asked::Help,
        KeyCode::Up => choose(view, Choice::Up),
        KeyCode::Down => choose(view, Choice::Down),
        _ => Asked::Nothing,
    }
}

fn choose(view: &mut View, step: Choice) -> Asked {
    view.choose(step);
    Asked::Nothing
}

fn type_on(view: &mut View, begin: &str) -> Asked {
    view.typed = Some(begin.to_owned());
    Asked::Nothing
}

fn typing(view: &mut View, code: KeyCode) -> Asked {
    match (code, &mut view.typed) {
        (KeyCode::Enter, typed) => {
            let line = typed.take().unwrap_or_default();
            return entered(view, &line);
        }
        (KeyCode::Esc, typed) => *typed = None,
        (KeyCode::Backspace, Some(typed)) => {
            typed.pop();
        }
        (KeyCode::Char(c), Some(typed)) => typed.push(c),
        (_, _) => {}
    }
    Asked::Nothing
}

/// A whole line. A REFER without a number is about the chosen call.
fn entered(view: &mut View, line: &str) -> Asked {
    match read(line) {
        Ok(Asked::Phone(PhoneCommand::Refer { line: None, to })) => {
            Asked::Phone(PhoneCommand::Refer { line: view.chosen, to })
        }
        Ok(asked) => asked,
        Err(why) => {
            view.message(Tone::Bad, why);
            Asked::Nothing
        }
    }
}
