//! "I talk to bob and to carol: make us one conference."
//!
//! We call the factory and join. Then each party is asked to come, in his call with us: he calls the
//! conference himself (RFC 4579 §5.6). Who does not take that, is fetched by the focus, in the place of his
//! call with us (RFC 4579 §5.10), and if that fails too, beside it (§5.5). Whoever is in loses his call with us; with
//! whom no way works we go on talking as before.

use sip::Uri;
use units::Instant;

use crate::convener::conference_uri;
use crate::event::{CallFailure, EndCause, How, ReferOutcome};

use super::{Asked, LineId, LineState, MergeOutcome, MergeStep, Phone, PhoneError, PhoneNews, Way};

/// A merge that is going on.
#[derive(Debug)]
pub(super) struct Merge {
    stage: MergeStage,
    parties: Vec<Party>,
}

#[derive(Debug)]
enum MergeStage {
    /// The factory was called; where it sent us, and whether it said `isfocus` of that.
    Calling { line: LineId, sent_to: Option<(Uri, bool)> },
    /// We are in, and the parties are asked.
    Asking { line: LineId, conference: Uri },
}

/// Somebody who is to come.
#[derive(Debug)]
struct Party {
    line: LineId,
    /// Where he is to be found, and there with a Replaces for our call: kept, since the call may end.
    found_at: Uri,
    replacing: Uri,
    state: PartyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartyState {
    Waiting,
    Asked(Way),
    Moved,
    Kept,
}

impl Phone {
    /// Makes one conference of all calls that are up.
    pub(super) fn begin_merge(&mut self, now: Instant) -> Result<(), PhoneError> {
        if self.merge.is_some() {
            return Err(PhoneError::Merging);
        }
        let up = self.lines.iter().filter(|(_, line)| line.state == LineState::Up);
        let private = up.clone().filter(|(_, line)| line.conference.is_none());
        let parties: Vec<Party> = private
            .filter_map(|(id, line)| {
                let (found_at, replacing) = self.ua.peer_of(line.call)?;
                Some(Party { line: *id, found_at, replacing, state: PartyState::Waiting })
            })
            .collect();
        if parties.is_empty() {
            return Err(PhoneError::NothingToMerge);
        }
        let mut conferences = up.filter_map(|(id, line)| Some((*id, line.conference.clone()?)));
        let lines = parties.iter().map(|party| party.line).collect();
        let begun = PhoneNews::Merge(MergeStep::Begun { lines });
        match conferences.next() {
            Some((line, conference)) => {
                drop(conferences);
                self.tell(begun);
                let stage = MergeStage::Asking { line, conference: conference.clone() };
                self.merge = Some(Merge { stage, parties });
                self.tell(PhoneNews::Merge(MergeStep::Joined { line, conference }));
                self.ask_all(now);
            }
            None => {
                drop(conferences);
                let factory = self.factory.clone().ok_or(PhoneError::NoFactory)?;
                let line = self.call(now, &factory)?;
                self.tell(begun);
                let stage = MergeStage::Calling { line, sent_to: None };
                self.merge = Some(Merge { stage, parties });
            }
        }
        Ok(())
    }

    pub(super) fn merge_redirected(&mut self, line: LineId, to: &Uri, is_conference: bool) {
        if let Some(Merge { stage: MergeStage::Calling { line: ours, sent_to }, .. }) =
            &mut self.merge
            && *ours == line
        {
            *sent_to = Some((to.clone(), is_conference));
        }
    }

    /// A call is up: perhaps that to the conference.
    pub(super) fn merge_up(&mut self, now: Instant, line: LineId, focus: Option<Uri>) {
        let Some(merge) = &mut self.merge else { return };
        let MergeStage::Calling { line: ours, sent_to } = &mut merge.stage else { return };
        if *ours != line {
            return;
        }
        let Some(conference) = conference_uri(sent_to.take(), focus) else {
            self.end(now, line);
            return self.merge_ended(MergeOutcome::NotAConference);
        };
        merge.stage = MergeStage::Asking { line, conference: conference.clone() };
        if let Some(line) = self.lines.get_mut(&line) {
            line.conference = Some(conference.clone());
        }
        self.tell(PhoneNews::Merge(MergeStep::Joined { line, conference }));
        self.ask_all(now);
    }

    fn ask_all(&mut self, now: Instant) {
        let lines: Vec<LineId> = self.merge.iter().flat_map(Merge::lines).collect();
        for line in lines {
            // Who has hung up meanwhile is not called back.
            let is_up = self.lines.get(&line).is_some_and(|line| line.state == LineState::Up);
            self.ask(now, line, is_up.then_some(Way::Himself));
        }
    }

    /// Asks a party, or the focus for him: this way, and where that cannot even be sent, the next.
    fn ask(&mut self, now: Instant, line: LineId, mut way: Option<Way>) {
        while let Some(current) = way {
            let Some(merge) = &self.merge else { return };
            let MergeStage::Asking { line: focus, conference } = &merge.stage else { return };
            let Some(party) = merge.parties.iter().find(|party| party.line == line) else { return };
            let (asked, refer_to) = match current {
                Way::Himself => (line, conference),
                Way::Replacing => (*focus, &party.replacing),
                Way::DialledOut => (*focus, &party.found_at),
            };
            let refer_to = refer_to.clone();
            let call = self.lines.get(&asked).map(|line| line.call);
            let sent = call.map(|call| self.ua.refer(now, &refer_to, &refer_to, How::Inside(call)));
            if let Some(Ok(refer)) = sent {
                self.refers.insert(refer, Asked::ToCome(line));
                self.party_is(line, PartyState::Asked(current));
                return self.tell(PhoneNews::Merge(MergeStep::Asked { line, way: current }));
            }
            way = current.next();
        }
        self.party_is(line, PartyState::Kept);
        self.tell(PhoneNews::Merge(MergeStep::Kept { line }));
        self.merge_done();
    }

    /// A party, or the focus for him, says what came of it.
    pub(super) fn merge_answered(&mut self, now: Instant, line: LineId, outcome: ReferOutcome) {
        let Some(PartyState::Asked(way)) = self.party(line) else { return };
        match outcome {
            ReferOutcome::Succeeded => {
                self.party_is(line, PartyState::Moved);
                self.tell(PhoneNews::Merge(MergeStep::Moved { line, way }));
                // RFC 4579 §5.10: whoever was replaced has done so himself; a second BYE does no harm.
                self.end(now, line);
                self.merge_done();
            }
            why @ (ReferOutcome::NotReached(_)
            | ReferOutcome::Refused(_)
            | ReferOutcome::NoAnswer
            | ReferOutcome::Unreachable
            | ReferOutcome::Unreported) => {
                self.tell(PhoneNews::Merge(MergeStep::Refused { line, way, why }));
                self.ask(now, line, way.next());
            }
        }
    }

    pub(super) fn merge_call_failed(&mut self, _: Instant, line: LineId, why: CallFailure) {
        if let Some(Merge { stage: MergeStage::Calling { line: ours, .. }, .. }) = &self.merge
            && *ours == line
        {
            self.merge_ended(MergeOutcome::NoConference(why));
        }
    }

    /// A call has ended. That with a party may: what he was asked is still reported.
    pub(super) fn merge_call_ended(&mut self, now: Instant, line: LineId, why: EndCause) {
        let Some(Merge { stage, .. }) = &self.merge else { return };
        let (MergeStage::Calling { line: ours, .. } | MergeStage::Asking { line: ours, .. }) =
            stage;
        if *ours != line {
            return;
        }
        let asked = self.refers.iter().filter(|(_, asked)| matches!(asked, Asked::ToCome(_)));
        for refer in asked.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.refers.remove(&refer);
            self.ua.disregard(now, refer);
        }
        self.merge_ended(MergeOutcome::ConferenceEnded(why));
    }

    /// Ends the merge if nobody is left to hear from.
    fn merge_done(&mut self) {
        let Some(merge) = &self.merge else { return };
        let count = |wanted| merge.parties.iter().filter(|party| party.state == wanted).count();
        let (moved, kept) = (count(PartyState::Moved), count(PartyState::Kept));
        if moved + kept == merge.parties.len() {
            self.merge_ended(MergeOutcome::Done { moved, kept });
        }
    }

    fn merge_ended(&mut self, outcome: MergeOutcome) {
        self.merge = None;
        self.tell(PhoneNews::Merge(MergeStep::Ended(outcome)));
    }

    fn party(&self, line: LineId) -> Option<PartyState> {
        let parties = &self.merge.as_ref()?.parties;
        parties.iter().find(|party| party.line == line).map(|party| party.state)
    }

    fn party_is(&mut self, line: LineId, state: PartyState) {
        let parties = self.merge.iter_mut().flat_map(|merge| &mut merge.parties);
        if let Some(party) = parties.into_iter().find(|party| party.line == line) {
            party.state = state;
        }
    }
}

impl Merge {
    fn lines(&self) -> impl Iterator<Item = LineId> {
        self.parties.iter().map(|party| party.line)
    }
}
