//! The screen of `convoke call`: drawn anew from what there is to show, at any size.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};

use super::command::HELP;
use super::view::{ShownCall, View};
use crate::output::{Tone, harmless};

/// The keys, in the lowest line.
const KEYS: &str = "c call  a answer  h hold  m merge  f refer  u mute  d hang up  ? help  q quit";

/// Rows of calls that are shown at most; a phone has fewer media sockets.
const CALLS_ROWS_MAX: u16 = 8;

/// Cells that a peer's address has at least before anything else is shown beside it.
const PEER_CELLS_MIN: usize = 12;

/// Cells of a level meter.
const METER_CELLS: u16 = 8;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, colours: bool) {
    let calls = u16::try_from(view.calls.len()).unwrap_or(u16::MAX).clamp(1, CALLS_ROWS_MAX) + 2;
    let members = if view.members.is_empty() { 0 } else { 3 };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(calls),
        Constraint::Length(members),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [title, calls, conference, messages, bottom] = Layout::vertical(rows).areas(frame.area());
    let style = Styles { colours };
    draw_title(frame, title, view, style);
    draw_calls(frame, calls, view, style);
    if members > 0 {
        let text = format!("us, {}", view.members.join(", "));
        let block = Block::new().borders(Borders::ALL).title(" Conference ");
        frame.render_widget(Paragraph::new(harmless(&text)).block(block), conference);
    }
    draw_messages(frame, messages, view, style);
    draw_bottom(frame, bottom, view, style);
    if view.is_helping {
        draw_help(frame, frame.area());
    }
}

/// Colours, or none (`NO_COLOR`).
#[derive(Clone, Copy)]
struct Styles {
    colours: bool,
}

impl Styles {
    fn tone(self, tone: Tone) -> Style {
        if !self.colours {
            return Style::new();
        }
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Bad => Style::new().fg(Color::Red),
            Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
        }
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, view: &View, style: Styles) {
    let mic = if view.is_muted { "muted".to_owned() } else { meter(view.said) };
    let mic_style = if view.is_muted { style.tone(Tone::Bad) } else { style.tone(Tone::Good) };
    let time = clock(view.elapsed);
    let taken = "  we ".len() + mic.chars().count() + 2 + time.chars().count();
    let left = fitted(
        &format!("convoke call  {}", view.us),
        usize::from(area.width).saturating_sub(taken),
    );
    let line = Line::from(vec![
        Span::styled(left, style.chosen()),
        Span::raw("  we "),
        Span::styled(mic, mic_style),
        Span::styled(format!("  {time}"), style.tone(Tone::Quiet)),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_calls(frame: &mut Frame<'_>, area: Rect, view: &View, style: Styles) {
    let block = Block::new().borders(Borders::ALL).title(" Calls ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut lines: Vec<Line<'_>> = Vec::new();
    if view.calls.is_empty() {
        lines.push(Line::styled("none: press c and write whom to call", style.tone(Tone::Quiet)));
    }
    // The newest are the ones that matter when there is no room for all.
    let room = usize::from(inner.height);
    for (id, call) in view.calls.iter().skip(view.calls.len().saturating_sub(room)) {
        let is_chosen = view.chosen == Some(*id);
        lines.push(call_row(id.0, call, is_chosen, view.elapsed, (inner.width, style)));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn call_row(
    number: u32,
    call: &ShownCall,
    is_chosen: bool,
    elapsed: Duration,
    (width, style): (u16, Styles),
) -> Line<'static> {
    let state = match (call.on_hold, call.is_held) {
        (true, true) => "both hold",
        (true, false) => "on hold",
        (false, true) => "holds us",
        (false, false) => call.state,
    };
    let time = call.up_at.map_or_else(String::new, |at| clock(elapsed.saturating_sub(at)));
    let mark = if is_chosen { ">" } else { " " };
    let head = format!("{mark}{number:2} {state:10} {time:>7} ");
    let tail = match call.up_at {
        Some(_) => format!(" {} {:>5} in {:>5} out", meter(call.heard), call.received, call.sent),
        None => String::new(),
    };
    let free = usize::from(width).saturating_sub(head.chars().count());
    // Who it is matters more than how loud.
    let tail = if free < PEER_CELLS_MIN + tail.chars().count() { String::new() } else { tail };
    let room = free.saturating_sub(tail.chars().count());
    let peer = call.conference.as_deref().unwrap_or(&call.peer);
    let peer = fitted(&harmless(peer.trim_start_matches("sip:")), room);
    let head_style = if is_chosen { style.chosen() } else { Style::new() };
    Line::from(vec![
        Span::styled(head, head_style),
        Span::styled(peer, head_style),
        Span::styled(tail, style.tone(Tone::Quiet)),
    ])
}

/// Exactly so many cells: filled up, or cut with a sign that it was.
fn fitted(text: &str, cells: usize) -> String {
    if text.chars().count() <= cells {
        return format!("{text:cells$}");
    }
    let kept: String = text.chars().take(cells.saturating_sub(1)).collect();
    if cells == 0 { String::new() } else { format!("{kept}~") }
}

/// A bar for a level in -dBov: empty at -60 and below, full at 0.
fn meter(level: u8) -> String {
    const FLOOR: u16 = 60;
    let above = FLOOR.saturating_sub(u16::from(level));
    let full = usize::from((above * METER_CELLS).div_ceil(FLOOR));
    let empty = usize::from(METER_CELLS) - full;
    format!("[{}{}]", "=".repeat(full), " ".repeat(empty))
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match hours {
        0 => format!("{minutes:02}:{:02}", seconds % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
    }
}

fn draw_messages(frame: &mut Frame<'_>, area: Rect, view: &View, style: Styles) {
    let block = Block::new().borders(Borders::ALL).title(" Messages ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let room = usize::from(inner.height);
    let skip = view.messages.len().saturating_sub(room);
    let shown = view.messages.iter().skip(skip);
    let lines: Vec<Line<'_>> =
        shown.map(|(tone, text)| Line::styled(text.as_str(), style.tone(*tone))).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn draw_bottom(frame: &mut Frame<'_>, area: Rect, view: &View, style: Styles) {
    let line = match &view.typed {
        Some(typed) => {
            let before = typed.chars().count();
            let column = u16::try_from(before).unwrap_or(u16::MAX).saturating_add(2);
            frame.set_cursor_position((area.x + column.min(area.width.saturating_sub(1)), area.y));
            Line::from(format!("> {typed}"))
        }
        None => Line::styled(KEYS, style.tone(Tone::Quiet)),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let mut lines: Vec<Line<'_>> =
        HELP.iter().map(|(command, what)| Line::from(format!(" {command:13} {what}"))).collect();
    lines.push(Line::from(""));
    lines.push(Line::from(" Keys are about the call marked >; arrows choose another."));
    lines.push(Line::from(" : types any command. Any key closes this."));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let popup = Rect {
        x: area.x + 2,
        y: area.y + 2,
        width: area.width.saturating_sub(4),
        height: height.min(area.height.saturating_sub(3)),
    };
    let block = Block::new().borders(Borders::ALL).title(" Help ");
    frame.render_widget(Clear, popup);
    frame.render_widget(Paragraph::new(lines).block(block), popup);
}

#[cfg(test)]
mod tests;
