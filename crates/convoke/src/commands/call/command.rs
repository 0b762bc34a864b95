//! Commands as lines: what a person types, and what a program writes.

use sip::Uri;
use terminal::{LineId, PhoneCommand};

use crate::cli::sip_uri;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Phone(PhoneCommand),
    Help,
    Quit,
    /// An empty line.
    Nothing,
}

/// The commands, for people.
pub(super) const HELP: &[(&str, &str)] = &[
    ("call URI", "call somebody"),
    ("answer [N]", "answer a call"),
    ("hold [N]", "put call N, or the newest, on hold"),
    ("resume [N]", "take it back"),
    ("merge", "make one conference of all calls (needs --factory)"),
    ("refer URI [N]", "have the peer of call N call URI; a conference calls it in"),
    ("mute, unmute", "be heard by nobody, by all"),
    ("hangup [N]", "end a call, or refuse it"),
    ("quit", "end all calls, and the command"),
];

/// Reads a line.
///
/// # Errors
/// What is wrong, and how it would be right.
pub(super) fn read(line: &str) -> Result<Asked, String> {
    let mut words = line.split_whitespace();
    let Some(verb) = words.next() else { return Ok(Asked::Nothing) };
    let rest: Vec<&str> = words.collect();
    let command = match verb.to_ascii_lowercase().as_str() {
        "call" | "c" => PhoneCommand::Call(one_uri(&rest, "call URI")?),
        "answer" | "a" => PhoneCommand::Answer(line_number(&rest, "answer [N]")?),
        "hold" | "h" => PhoneCommand::Hold(line_number(&rest, "hold [N]")?),
        "resume" | "r" => PhoneCommand::Resume(line_number(&rest, "resume [N]")?),
        "hangup" | "d" => PhoneCommand::HangUp(line_number(&rest, "hangup [N]")?),
        "refer" | "f" => refer(&rest)?,
        "merge" | "m" => nothing_more(&rest, "merge", PhoneCommand::Merge)?,
        "mute" => nothing_more(&rest, "mute", PhoneCommand::Mute(true))?,
        "unmute" => nothing_more(&rest, "unmute", PhoneCommand::Mute(false))?,
        "help" | "?" => return Ok(Asked::Help),
        "quit" | "q" | "exit" => return Ok(Asked::Quit),
        _ => return Err(format!("there is no command `{verb}`: `help` lists them")),
    };
    Ok(Asked::Phone(command))
}

fn nothing_more(rest: &[&str], how: &str, command: PhoneCommand) -> Result<PhoneCommand, String> {
    if rest.is_empty() { Ok(command) } else { Err(format!("write `{how}` and nothing more")) }
}

fn one_uri(rest: &[&str], how: &str) -> Result<Uri, String> {
    match rest {
        [uri] => sip_uri(uri).map_err(str::to_owned),
        _ => Err(format!("write `{how}`")),
    }
}

fn line_number(rest: &[&str], how: &str) -> Result<Option<LineId>, String> {
    match rest {
        [] => Ok(None),
        [number] => number
            .parse()
            .map(|number| Some(LineId(number)))
            .map_err(|_| format!("write `{how}`, where N is the number of a call")),
        _ => Err(format!("write `{how}`")),
    }
}

fn refer(rest: &[&str]) -> Result<PhoneCommand, String> {
    let how = "refer URI [N]";
    let (uri, number) = rest.split_first().ok_or_else(|| format!("write `{how}`"))?;
    let line = line_number(number, how)?;
    Ok(PhoneCommand::Refer { line, to: one_uri(&[uri], how)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(line: &str) -> PhoneCommand {
        match read(line) {
            Ok(Asked::Phone(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_are_words_with_a_number_or_an_address() {
        let bob: Uri = "sip:bob@192.0.2.7".parse().expect("a URI");
        assert_eq!(phone("call sip:bob@192.0.2.7"), PhoneCommand::Call(bob.clone()));
        assert_eq!(phone("  HOLD  2 "), PhoneCommand::Hold(Some(LineId(2))));
        assert_eq!(phone("resume"), PhoneCommand::Resume(None));
        assert_eq!(phone("a"), PhoneCommand::Answer(None));
        assert_eq!(phone("hangup 1"), PhoneCommand::HangUp(Some(LineId(1))));
        let refer = PhoneCommand::Refer { line: Some(LineId(3)), to: bob };
        assert_eq!(phone("refer sip:bob@192.0.2.7 3"), refer);
        assert_eq!(phone("merge"), PhoneCommand::Merge);
        assert_eq!(
            (phone("mute"), phone("unmute")),
            (PhoneCommand::Mute(true), PhoneCommand::Mute(false))
        );
        assert_eq!(read("quit"), Ok(Asked::Quit));
        assert_eq!(read(" "), Ok(Asked::Nothing));
    }

    #[test]
    fn what_is_wrong_with_a_line_says_how_it_would_be_right() {
        for (line, says) in [
            ("dial bob", "`help` lists them"),
            ("call", "call URI"),
            ("call bob", "sip:name@host"),
            ("hold x", "number of a call"),
            ("hold 1 2", "hold [N]"),
            ("merge 1", "nothing more"),
            ("refer", "refer URI [N]"),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(says), "{line}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
    }
}
