use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use terminal::{Levels, LineId, LineLevel, PhoneCommand, PhoneNews, SlotId};

use super::super::command::Asked;
use super::super::keys::pressed;
use super::*;

/// What stands on a screen of this size.
fn shown(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal.draw(|frame| draw(frame, view, false)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

fn view() -> View {
    let mut view = View::new("sip:alice@127.0.0.1:5070".to_owned());
    for (number, who) in [(1, "bob"), (2, "carol")] {
        let to = format!("sip:{who}@127.0.0.1:507{number}").parse().expect("a URI");
        view.news(&PhoneNews::Calling { line: LineId(number), to });
    }
    view
}

fn key(view: &mut View, code: KeyCode) -> Asked {
    pressed(view, &Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn types(view: &mut View, text: &str) {
    for c in text.chars() {
        assert_eq!(key(view, KeyCode::Char(c)), Asked::Nothing);
    }
}

#[test]
fn calls_levels_messages_and_keys_fit_on_80_by_24() {
    let mut view = view();
    let up = PhoneNews::Up { line: LineId(1), slot: SlotId(0), conference: None };
    view.news(&up);
    view.news(&PhoneNews::Hold { line: LineId(1), on_hold: true, refused: None });
    let line = LineLevel { slot: SlotId(0), heard: 30, received: 50, sent: 51, lost: 0 };
    view.levels(&Levels { said: 0, lines: vec![line] });
    view.elapsed = Duration::from_secs(75);
    let rows = shown(&view, 80, 24);
    assert!(rows[0].starts_with("convoke call  sip:alice@127.0.0.1:5070"), "{}", rows[0]);
    assert!(rows[0].contains("[========]") && rows[0].ends_with("01:15"), "{}", rows[0]);
    let bob = rows.iter().find(|row| row.contains("bob")).expect("bob");
    for part in ["1 on hold", "01:15", "bob@127.0.0.1:5071", "[====    ]", "50 in", "51 out"] {
        assert!(bob.contains(part), "{part}: {bob}");
    }
    assert!(rows.iter().any(|row| row.contains("> 2 calling")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("on hold     call 1")), "{rows:#?}");
    assert!(rows[23].starts_with("c call  a answer") && rows[23].ends_with("q quit"), "{rows:#?}");
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut view = view();
    view.is_helping = true;
    view.typed = Some("call".to_owned());
    for (width, height) in [(1, 1), (10, 3), (3, 10), (200, 60)] {
        assert_eq!(shown(&view, width, height).len(), usize::from(height));
    }
}

/// What a peer calls itself moves no cursor.
#[test]
fn what_peers_wrote_is_shown_without_control_characters() {
    let mut view = View::new("us".to_owned());
    view.message(Tone::Plain, "a\x1b[2Jb".to_owned());
    assert!(shown(&view, 80, 24).iter().any(|row| row.contains("a?[2Jb")));
}

#[test]
fn keys_are_about_the_chosen_call() {
    let mut view = view();
    assert_eq!(
        key(&mut view, KeyCode::Char('h')),
        Asked::Phone(PhoneCommand::Hold(Some(LineId(2))))
    );
    view.news(&PhoneNews::Hold { line: LineId(2), on_hold: true, refused: None });
    let resume = Asked::Phone(PhoneCommand::Resume(Some(LineId(2))));
    assert_eq!(key(&mut view, KeyCode::Char('h')), resume);
    assert_eq!(key(&mut view, KeyCode::Up), Asked::Nothing);
    let hang_up = Asked::Phone(PhoneCommand::HangUp(Some(LineId(1))));
    assert_eq!(key(&mut view, KeyCode::Char('d')), hang_up);
    assert_eq!(key(&mut view, KeyCode::Char('u')), Asked::Phone(PhoneCommand::Mute(true)));
    view.news(&PhoneNews::Muted { muted: true });
    assert_eq!(key(&mut view, KeyCode::Char('u')), Asked::Phone(PhoneCommand::Mute(false)));
    let ctrl_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(pressed(&mut view, &ctrl_c), Asked::Quit);
    assert_eq!(key(&mut view, KeyCode::Char('?')), Asked::Help);
    view.is_helping = true;
    assert_eq!(key(&mut view, KeyCode::Char('q')), Asked::Nothing, "any key closes the help");
    assert!(!view.is_helping);
}

#[test]
fn addresses_are_typed_and_mistakes_are_said() {
    let mut view = view();
    key(&mut view, KeyCode::Char('c'));
    types(&mut view, "dave@192.0.2.9x");
    key(&mut view, KeyCode::Backspace);
    assert!(shown(&view, 80, 24)[23].starts_with("> call sip:dave@192.0.2.9"));
    let dave: sip::Uri = "sip:dave@192.0.2.9".parse().expect("a URI");
    assert_eq!(key(&mut view, KeyCode::Enter), Asked::Phone(PhoneCommand::Call(dave.clone())));
    key(&mut view, KeyCode::Char('f'));
    types(&mut view, "dave@192.0.2.9");
    let refer = PhoneCommand::Refer { line: Some(LineId(2)), to: dave };
    assert_eq!(key(&mut view, KeyCode::Enter), Asked::Phone(refer));
    key(&mut view, KeyCode::Char(':'));
    types(&mut view, "dial");
    assert_eq!(key(&mut view, KeyCode::Enter), Asked::Nothing);
    let (_, last) = view.messages.back().expect("a message");
    assert!(last.contains("there is no command `dial`"), "{last}");
    key(&mut view, KeyCode::Char('c'));
    assert_eq!(key(&mut view, KeyCode::Esc), Asked::Nothing);
    assert_eq!(view.typed, None);
}
