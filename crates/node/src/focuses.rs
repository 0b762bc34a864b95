//! What the focuses want done: their outputs, carried to stack, media, pool and people.

use std::time::Duration;

use focus::{
    End, LegEnd, LegId, LegMedia, MediaPort, Output as FocusOutput, Participant, ReferralId,
};
use mix::message::{
    Codec, Direction, Format, Key, Kind, Listeners, PTIME_MS_MAX, PortId, Prompt, RtcpPath,
    StreamSpec, TransportSpec,
};
use pool::{ConferenceId, Cost, Pool};
use sip::{DialogId, Method, Request, Source};
use units::Instant;

use crate::Notice;
use crate::conference::{Active, State};
use crate::figures::{AckIgnored, Refusal};
use crate::node::{Node, Phase, Sent, TOMBSTONE_FOR, TOMBSTONES_MAX};

impl Node {
    /// The running conference, if it runs.
    pub(crate) fn active(&mut self, id: ConferenceId) -> Option<&mut Active> {
        self.records.get_mut(&id)?.active()
    }

    /// Carries out what a focus wants until it wants nothing more, and notes when it is due.
    pub(crate) fn drain_focus(&mut self, now: Instant, id: ConferenceId) {
        while let Some(output) = self.active(id).and_then(|active| active.focus.poll_output()) {
            self.focus_output(now, id, output);
        }
        let deadline = self.active(id).and_then(|active| active.focus.deadline());
        self.focus_agenda.set(id, deadline);
    }

    pub(crate) fn focus_output(&mut self, now: Instant, id: ConferenceId, output: FocusOutput) {
        match output {
            FocusOutput::Respond { txn, response } => {
                self.count_refusal(response.status, Refusal::of_status(response.status));
                self.stack.respond(now, txn, response);
            }
            FocusOutput::AckIgnored { leg: _ } => {
                self.tallies.acks_ignored.count(AckIgnored::Copy);
            }
            FocusOutput::ResendSuccess { leg: _, response, to } => {
                self.stack.resend_success(&response, to);
            }
            FocusOutput::Request { leg, request, to } => {
                self.send_for_leg(now, (id, leg), request, to);
            }
            FocusOutput::Acknowledge { request, to, .. } => self.stack.send_once(now, request, to),
            FocusOutput::SeatWanted { leg, target } => self.seat_wanted(now, id, leg, &target),
            FocusOutput::Dial { leg, request, target } => {
                self.dial(now, (id, leg), request, &target);
            }
            FocusOutput::Refer { referral, request, target } => {
                self.refer_on(now, (id, referral), request, &target);
            }
            FocusOutput::Cancel { leg } => self.cancel_dial(now, id, leg),
            FocusOutput::Ringing { .. } => {}
            FocusOutput::DialEnded { leg, port, why } => {
                self.dial_ended(now, (id, leg), port, &why);
            }
            // Nobody waits for its answer. If it cannot be sent, its peer asks again or gives up.
            FocusOutput::Aside { leg: _, request, to } => {
                let _unsent = self.stack.request(now, request, to);
            }
            FocusOutput::Notify { referral, request, to } => {
                self.send_report(now, (id, referral), request, to);
            }
            FocusOutput::Inform { watcher, is_proved, request, to } => {
                self.inform(now, (id, watcher), request, (to, is_proved));
            }
            FocusOutput::DialogClosed { dialog } => {
                self.dialogs.remove(&dialog);
            }
            FocusOutput::DialogOpened { dialog } => {
                self.dialogs.insert(dialog, id);
            }
            FocusOutput::LegStarted { leg, dialog } => {
                let conference = self.uri(id);
                self.drafts.leg_started(now, (id, leg), &conference, &dialog);
                self.dialogs.insert(dialog, id);
            }
            FocusOutput::Joined(participant) => self.joined(now, id, participant),
            FocusOutput::LegEnded { leg, dialog, cause } => {
                self.leg_ended(now, (id, leg), &dialog, cause);
            }
            FocusOutput::OpenMedia { leg, media } => self.open_media(now, (id, leg), media),
            FocusOutput::UpdateMedia { leg, media } => self.update_media(now, (id, leg), media),
            FocusOutput::MuteMedia { leg, is_muted } => self.mute_media((id, leg), is_muted),
            FocusOutput::Waits(participant) => self.waits(now, id, participant),
            FocusOutput::WrongPin { leg: _ } => self.wrong_pin_keyed(now, id),
            FocusOutput::Prompt { leg, prompt } => {
                self.play(id, Listeners::Port(PortId(leg.0)), tones(prompt));
            }
            FocusOutput::EndsSoon { left } => self.ends_soon(id, left),
            FocusOutput::CloseMedia { leg, port } => self.close_media((id, leg), port),
            FocusOutput::Ended { cause } => {
                self.tallies.conferences_ended.count(cause);
                let record = self.drafts.conference_ended(now, id, cause);
                self.record(record);
                self.conference_left(now, id, cause);
            }
        }
    }

    fn update_media(&mut self, now: Instant, (id, leg): (ConferenceId, LegId), media: LegMedia) {
        let media = &self.within_room(now, (id, leg), media);
        if let Some(at) = self.active(id).map(|active| active.media) {
            self.media.update(at, PortId(leg.0), transport(media), stream(media));
        }
    }

    /// The media of a leg with packets as short as there is room for. How short it wishes them (`a=ptime`, RFC 8866 §6.4) is said
    /// anew in each description, also once it is in, and by whom we called only in his answer: what it is charged changes with
    /// them, and where that is more than there is they stay as they were.
    fn within_room(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        media: LegMedia,
    ) -> LegMedia {
        let charge = self.active(id).and_then(|active| active.charges.get(&leg).copied());
        let Some(charge) = charge else { return media };
        match self.pool.recharge(now, id, (charge, leg_cost(&self.pool, media.ptime_ms))) {
            Ok(charge) => {
                if let Some(active) = self.active(id) {
                    active.charges.insert(leg, charge);
                }
                media
            }
            Err(_) => {
                let pool = &self.pool;
                let is_paid = |ms: &u32| leg_cost(pool, *ms).fits_into(&charge);
                let mut longer = (packet_ms(media.ptime_ms)..=PTIME_MS_MAX).step_by(10);
                LegMedia { ptime_ms: longer.find(is_paid).unwrap_or(PTIME_MS_MAX), ..media }
            }
        }
    }

    fn play(&mut self, id: ConferenceId, to: Listeners, prompt: Prompt) {
        if let Some(at) = self.active(id).map(|active| active.media) {
            self.media.play(at, to, prompt);
        }
    }

    fn ends_soon(&mut self, id: ConferenceId, left: Duration) {
        self.play(id, Listeners::Everybody, Prompt::EndsSoon);
        let conference = self.uri(id);
        self.notice(Notice::EndsSoon { conference, seconds: left.as_secs() });
    }

    fn mute_media(&mut self, (id, leg): (ConferenceId, LegId), is_muted: bool) {
        if let Some(at) = self.active(id).map(|active| active.media) {
            self.media.mute(at, PortId(leg.0), is_muted);
        }
    }

    fn close_media(&mut self, (id, leg): (ConferenceId, LegId), port: MediaPort) {
        if let Some(active) = self.active(id) {
            let at = active.media;
            active.ports.remove(&port.0);
            self.media.remove(at, PortId(leg.0));
        }
    }

    fn send_for_leg(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        request: Request,
        to: Source,
    ) {
        let method = request.method.clone();
        if method == Method::Bye {
            self.drafts.bye_sent((id, leg), &request.headers);
        }
        match self.stack.request(now, request, to) {
            Ok(txn) => {
                self.client_txns.insert(txn, (id, Sent::ByLeg(leg, method)));
            }
            // Its next outputs are taken by who is taking this one.
            Err(sip::Full) => {
                if let Some(active) = self.active(id) {
                    active.focus.request_failed(now, leg, &method, sip::Failure::Transport);
                }
            }
        }
    }

    fn send_report(
        &mut self,
        now: Instant,
        (id, referral): (ConferenceId, ReferralId),
        request: Request,
        to: Source,
    ) {
        match self.stack.request(now, request, to) {
            Ok(txn) => {
                self.client_txns.insert(txn, (id, Sent::Report(referral)));
            }
            Err(sip::Full) => {
                if let Some(active) = self.active(id) {
                    active.focus.notify_unsent(now, referral);
                }
            }
        }
    }

    fn joined(&mut self, now: Instant, id: ConferenceId, participant: Participant) {
        self.no_longer_unproved(id, participant.leg);
        self.somebody_proved(now, id);
        self.tallies.legs_joined += 1;
        let leg = participant.leg;
        let session = self.active(id).and_then(|active| active.focus.session(leg));
        self.drafts.joined(now, (id, leg), &participant, session);
        let conference = self.uri(id);
        self.notice(Notice::Joined {
            conference,
            leg: participant.leg.0,
            participant: participant.uri,
            user: participant.user,
        });
        self.came_inside(id, leg);
    }

    /// A call is acknowledged, and its caller is not in yet.
    fn waits(&mut self, now: Instant, id: ConferenceId, participant: Participant) {
        self.no_longer_unproved(id, participant.leg);
        self.somebody_proved(now, id);
        let conference = self.uri(id);
        self.notice(Notice::Waits {
            conference,
            leg: participant.leg.0,
            participant: participant.uri,
            user: participant.user,
            state: participant.state,
        });
    }

    fn leg_ended(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        dialog: &DialogId,
        cause: LegEnd,
    ) {
        self.dialogs.remove(dialog);
        self.ended_dialogs.note(now, dialog);
        self.no_longer_unproved(id, leg);
        let charge = self.active(id).and_then(|active| {
            active.measured.remove(&leg);
            active.charges.remove(&leg)
        });
        self.pool.leave(now, id, charge.unwrap_or_default());
        self.tallies.legs_ended.count(cause);
        let record = self.drafts.leg_ended(now, (id, leg), cause);
        self.record(record);
        let conference = self.uri(id);
        self.notice(Notice::Left { conference, leg: leg.0, cause: cause.to_string() });
        if cause == LegEnd::Removed {
            self.removed_from_inside(id);
        }
    }

    fn open_media(&mut self, now: Instant, (id, leg): (ConferenceId, LegId), media: LegMedia) {
        let media = &self.within_room(now, (id, leg), media);
        let Some(active) = self.active(id) else { return };
        let (at, port) = (active.media, PortId(leg.0));
        let Some(lent) = active.ports.get(&media.port.0).copied() else { return };
        self.drafts.media_opened((id, leg), (at, port));
        self.media.add(at, port, lent, transport(media), stream(media));
    }

    /// A focus has ended. Who was in when the process before this one died may still be on his way back: then the first to
    /// come back does not end it for the others by hanging up.
    fn conference_left(&mut self, now: Instant, id: ConferenceId, cause: End) {
        let may_come_back = match cause {
            End::LastLeft | End::NobodyGotIn => true,
            End::CreatorLeft
            | End::MediaFailed
            | End::OnlyConferences
            | End::Ordered
            | End::TimeUp => false,
        };
        let waits = may_come_back && self.phase == Phase::Running && !self.pool.is_reserved(id);
        let until = self.records.get(&id).and_then(|record| record.rejoin_until);
        match until.filter(|until| waits && *until > now) {
            Some(until) => self.wait_again(now, id, until),
            None => self.conference_ended(now, id, &cause.to_string()),
        }
    }

    /// Holds a conference again until then, for those who were in it before the restart. Its URI lives: that it
    /// is over is told when nobody has come.
    fn wait_again(&mut self, now: Instant, id: ConferenceId, until: Instant) {
        self.pool.hold_again(now, id, until.since(now));
        self.asker_proved(id);
        self.keep_running(id);
        self.close_focus(id, State::Held);
        if let Some(record) = self.records.get_mut(&id) {
            record.since = now;
        }
    }

    /// Gives back what a focus had in the mixer.
    fn close_focus(&mut self, id: ConferenceId, next: State) {
        let Some(record) = self.records.get_mut(&id) else { return };
        if let State::Active(active) = std::mem::replace(&mut record.state, next) {
            self.media.close(active.media);
            self.by_media.remove(&active.media);
            record.numbers = active.focus.numbers();
            if active.focus.awaits_late_answers() {
                self.parting.entry(id).or_default().push(active.focus);
            }
        }
    }

    /// The last leg is gone: everything goes back, and a tombstone is put up.
    pub(crate) fn conference_ended(&mut self, now: Instant, id: ConferenceId, cause: &str) {
        self.pool.end(now, id);
        self.asker_proved(id);
        let wall = self.wall(now);
        // While a reservation stands, its conference may begin again.
        let is_reserved = self.pool.is_reserved(id);
        if let Some(record) = self.records.get_mut(&id) {
            record.began = None;
            record.inside = None;
            if !is_reserved {
                record.wrong_pins.clear();
            }
        }
        self.keep_end(id);
        self.close_focus(id, if is_reserved { State::Held } else { State::Ended });
        let Some(record) = self.records.get_mut(&id) else { return };
        if is_reserved {
            record.since = now;
            let conference = record.uri.to_string();
            return self.notice(Notice::Ended { conference, cause: cause.to_owned() });
        }
        record.creator = None;
        record.since = now;
        let told = record.told.take();
        let left = record.activate_by.0.saturating_sub(wall.0);
        let conference = record.uri.to_string();
        self.tombstones.set(id, Some(now + Duration::from_secs(left) + TOMBSTONE_FOR));
        if self.tombstones.len() > TOMBSTONES_MAX
            && let Some(first) = self.tombstones.pop_first()
        {
            self.keep_none(first);
            self.records.remove(&first);
        }
        if let Some(told) = told {
            self.explained.ended(conference.clone(), told);
        }
        self.notice(Notice::Ended { conference, cause: cause.to_owned() });
    }

    pub(crate) fn uri(&self, id: ConferenceId) -> String {
        self.records.get(&id).map(|record| record.uri.to_string()).unwrap_or_default()
    }
}

fn tones(prompt: focus::Prompt) -> Prompt {
    match prompt {
        focus::Prompt::AskPin => Prompt::AskPin,
        focus::Prompt::Bad => Prompt::Bad,
        focus::Prompt::Good => Prompt::Good,
        focus::Prompt::Waiting => Prompt::Waiting,
    }
}

/// What a key means to a focus.
pub(crate) const fn key(key: Key) -> focus::Key {
    match key {
        Key::Zero => focus::Key::Digit(0),
        Key::One => focus::Key::Digit(1),
        Key::Two => focus::Key::Digit(2),
        Key::Three => focus::Key::Digit(3),
        Key::Four => focus::Key::Digit(4),
        Key::Five => focus::Key::Digit(5),
        Key::Six => focus::Key::Digit(6),
        Key::Seven => focus::Key::Digit(7),
        Key::Eight => focus::Key::Digit(8),
        Key::Nine => focus::Key::Digit(9),
        Key::Star => focus::Key::Star,
        Key::Hash => focus::Key::Hash,
        Key::A | Key::B | Key::C | Key::D => focus::Key::Other,
    }
}

/// The time in the packets of whoever wishes for so much: the mixer's clock is 10 ms, and a phone may wish for 15.
pub(crate) fn packet_ms(wished: u32) -> u32 {
    (wished / 10 * 10).clamp(10, PTIME_MS_MAX)
}

/// What a leg costs that wishes for such packets.
pub(crate) fn leg_cost(pool: &Pool, ptime_ms: u32) -> Cost {
    let ptime = Duration::from_millis(packet_ms(ptime_ms).into());
    pool.config().costs.leg(pool::Codec::Pcmu, ptime)
}

fn transport(media: &LegMedia) -> TransportSpec {
    let rtcp = match media.rtcp {
        sdp::RtcpWay::Apart(to) => RtcpPath::Apart(to),
        sdp::RtcpWay::Muxed => RtcpPath::Muxed,
    };
    let LegMedia { port, remote, signalling, .. } = *media;
    TransportSpec { lent: port.0, remote, rtcp, signalling }
}

fn stream(media: &LegMedia) -> StreamSpec {
    let codec = match media.codec {
        sdp::Codec::Pcma => Codec::Pcma,
        sdp::Codec::Pcmu => Codec::Pcmu,
    };
    let ptime_ms = packet_ms(media.ptime_ms);
    let format = |payload_type| Format { codec, payload_type, ptime_ms };
    StreamSpec {
        kind: Kind::Audio,
        direction: match media.direction {
            sdp::Direction::Inactive => Direction::Inactive,
            sdp::Direction::RecvOnly => Direction::RecvOnly,
            sdp::Direction::SendOnly => Direction::SendOnly,
            sdp::Direction::SendRecv => Direction::SendRecv,
        },
        send: format(media.send_payload_type),
        receive: media.receive_payload_types.iter().map(|&pt| format(pt)).collect(),
        keys: media.keys_payload_type,
        anonymous: media.anonymous,
        apart: media.apart,
        label: String::new(),
    }
}
