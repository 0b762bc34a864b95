//! What the driver needs from a machine that it drives.

use std::convert::Infallible;

use sip::{Arrival, Packet, Target, Wanted};
use ua::{Answerer, AnswererEvent, AnswererOutput, Convener, ConvenerOutput, MediaNotice};
use ua::{Phone, PhoneCommand, PhoneNews, PhoneOutput};
use ua::{ResolveId, SlotId, Step, Watcher, WatcherEvent, WatcherOutput};
use units::Instant;

/// A root machine of `ua`, with its outputs under common names.
pub(crate) trait Agent: Send + 'static {
    /// What it tells a person.
    type News: Send + 'static;
    /// What a person may want of it while it runs.
    type Command: Send + 'static;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival);
    fn handle_deadline(&mut self, now: Instant);
    fn deadline(&self) -> Option<Instant>;
    fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]);
    /// No media has come on this socket for long.
    fn media_silent(&mut self, now: Instant, slot: SlotId);
    /// Does what a person wants.
    fn command(&mut self, now: Instant, command: Self::Command);
    /// Ends every call, then finishes.
    fn stop(&mut self, now: Instant);
    fn poll_output(&mut self) -> Option<Output<Self::News>>;
    /// Whether `news` is the last.
    fn is_last(news: &Self::News) -> bool;
}

/// What a machine wants done.
pub(crate) enum Output<N> {
    Send(Packet),
    Resolve { id: ResolveId, wanted: Wanted },
    Media(MediaNotice),
    News(N),
}

impl Agent for Convener {
    type News = Step;
    type Command = Infallible;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        Self::handle_arrival(self, now, arrival);
    }

    fn handle_deadline(&mut self, now: Instant) {
        Self::handle_deadline(self, now);
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        Self::resolved(self, now, id, targets);
    }

    fn media_silent(&mut self, now: Instant, slot: SlotId) {
        Self::media_silent(self, now, slot);
    }

    fn command(&mut self, _: Instant, command: Infallible) {
        match command {}
    }

    fn stop(&mut self, now: Instant) {
        self.leave(now);
    }

    fn poll_output(&mut self) -> Option<Output<Step>> {
        Some(match Self::poll_output(self)? {
            ConvenerOutput::Send(packet) => Output::Send(packet),
            ConvenerOutput::Resolve { id, wanted } => Output::Resolve { id, wanted },
            ConvenerOutput::Media(notice) => Output::Media(notice),
            ConvenerOutput::Step(step) => Output::News(step),
        })
    }

    fn is_last(news: &Step) -> bool {
        matches!(news, Step::Finished)
    }
}

impl Agent for Answerer {
    type News = AnswererEvent;
    type Command = Infallible;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        Self::handle_arrival(self, now, arrival);
    }

    fn handle_deadline(&mut self, now: Instant) {
        Self::handle_deadline(self, now);
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        Self::resolved(self, now, id, targets);
    }

    fn media_silent(&mut self, now: Instant, slot: SlotId) {
        Self::media_silent(self, now, slot);
    }

    fn command(&mut self, _: Instant, command: Infallible) {
        match command {}
    }

    fn stop(&mut self, now: Instant) {
        self.hang_up_all(now);
    }

    fn poll_output(&mut self) -> Option<Output<AnswererEvent>> {
        Some(match Self::poll_output(self)? {
            AnswererOutput::Send(packet) => Output::Send(packet),
            AnswererOutput::Resolve { id, wanted } => Output::Resolve { id, wanted },
            AnswererOutput::Media(notice) => Output::Media(notice),
            AnswererOutput::Event(event) => Output::News(event),
        })
    }

    fn is_last(news: &AnswererEvent) -> bool {
        matches!(news, AnswererEvent::Finished)
    }
}

impl Agent for Phone {
    type News = PhoneNews;
    type Command = PhoneCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        Self::handle_arrival(self, now, arrival);
    }

    fn handle_deadline(&mut self, now: Instant) {
        Self::handle_deadline(self, now);
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        Self::resolved(self, now, id, targets);
    }

    fn media_silent(&mut self, now: Instant, slot: SlotId) {
        Self::media_silent(self, now, slot);
    }

    fn command(&mut self, now: Instant, command: PhoneCommand) {
        Self::command(self, now, command);
    }

    fn stop(&mut self, now: Instant) {
        Self::stop(self, now);
    }

    fn poll_output(&mut self) -> Option<Output<PhoneNews>> {
        Some(match Self::poll_output(self)? {
            PhoneOutput::Send(packet) => Output::Send(packet),
            PhoneOutput::Resolve { id, wanted } => Output::Resolve { id, wanted },
            PhoneOutput::Media(notice) => Output::Media(notice),
            PhoneOutput::News(news) => Output::News(news),
        })
    }

    fn is_last(news: &PhoneNews) -> bool {
        matches!(news, PhoneNews::Finished)
    }
}

impl Agent for Watcher {
    type News = WatcherEvent;
    type Command = Infallible;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        Self::handle_arrival(self, now, arrival);
    }

    fn handle_deadline(&mut self, now: Instant) {
        Self::handle_deadline(self, now);
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn resolved(&mut self, now: Instant, id: ResolveId, targets: &[Target]) {
        Self::resolved(self, now, id, targets);
    }

    // It has no media.
    fn media_silent(&mut self, _: Instant, _: SlotId) {}

    fn command(&mut self, _: Instant, command: Infallible) {
        match command {}
    }

    fn stop(&mut self, now: Instant) {
        Self::stop(self, now);
    }

    fn poll_output(&mut self) -> Option<Output<WatcherEvent>> {
        Some(match Self::poll_output(self)? {
            WatcherOutput::Send(packet) => Output::Send(packet),
            WatcherOutput::Resolve { id, wanted } => Output::Resolve { id, wanted },
            WatcherOutput::Event(event) => Output::News(event),
        })
    }

    fn is_last(news: &WatcherEvent) -> bool {
        matches!(news, WatcherEvent::Finished)
    }
}
