//! An INVITE that names another dialog: to take its place (RFC 3891) or to join it (RFC 3911).

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use focus::Named;
use focus::factory::{AnswerForm, redirect};
use pool::ConferenceId;
use sip::header::{DialogRef, dialog_ref};
use sip::{DialogId, HeaderName, Incoming, Method, StatusCode, TRANSACTION_TIMEOUT};
use units::Instant;

use crate::auth::Caller;
use crate::node::Node;
use crate::requests::Addressee;

/// What a request says of another dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Nothing,
    Replaces(DialogRef),
    Join(DialogRef),
}

impl Claim {
    /// Reads Replaces and Join: at most one of them, once, and in an INVITE only (RFC 3891 §3, RFC 3911 §4).
    ///
    /// # Errors
    /// The status to refuse with.
    pub(crate) fn of(incoming: &Incoming) -> Result<Self, StatusCode> {
        let headers = &incoming.request.headers;
        let is_named = |name| headers.count(name) > 0;
        if !is_named(&HeaderName::Replaces) && !is_named(&HeaderName::Join) {
            return Ok(Self::Nothing);
        }
        if incoming.request.method != Method::Invite {
            return Err(StatusCode::BAD_REQUEST);
        }
        let replaces = dialog_ref(headers, &HeaderName::Replaces)?;
        let join = dialog_ref(headers, &HeaderName::Join)?;
        Ok(match (replaces, join) {
            (Some(named), _) => Self::Replaces(named),
            (None, Some(named)) => Self::Join(named),
            (None, None) => Self::Nothing,
        })
    }
}

/// Dialogs of legs that have ended lately: fingerprints, since a peer makes their names as long as he likes.
#[derive(Debug, Default)]
pub(crate) struct EndedDialogs {
    ended: BTreeMap<u64, Instant>,
    order: VecDeque<u64>,
}

impl EndedDialogs {
    pub(crate) fn note(&mut self, now: Instant, dialog: &DialogId) {
        let dialog = fingerprint(dialog);
        if self.order.len() >= ENDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.order.push_back(dialog);
        self.ended.insert(dialog, now);
    }

    fn knows(&self, now: Instant, dialog: &DialogId) -> bool {
        self.ended.get(&fingerprint(dialog)).is_some_and(|at| now.since(*at) <= ENDED_FOR)
    }
}

/// Half of what it names is ours and random, so 64 bits tell one from another.
fn fingerprint(dialog: &DialogId) -> u64 {
    let mut hasher = DefaultHasher::new();
    dialog.hash(&mut hasher);
    hasher.finish()
}

impl Node {
    /// Takes an INVITE that names another dialog.
    pub(crate) fn claimed(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        (addressee, claim): (Addressee, &Claim),
    ) {
        let done = match claim {
            Claim::Nothing => Ok(()),
            Claim::Replaces(named) => self.replace(now, incoming, caller, addressee, named),
            Claim::Join(named) => self.join_named(now, incoming, caller, addressee, named),
        };
        if let Err(status) = done {
            self.reply_status(incoming, status);
        }
    }

    /// The conference whose dialog is named: by that, or by the Request-URI where it only rings.
    fn conference_of_dialog(&self, named: &DialogId, addressee: Addressee) -> Option<ConferenceId> {
        let by_uri = match addressee {
            Addressee::Conference(id) => Some(id),
            Addressee::Factory { .. } | Addressee::Host | Addressee::Nobody => None,
        };
        self.dialogs.get(named).copied().or(by_uri)
    }

    fn unknown(&self, now: Instant, named: &DialogId) -> StatusCode {
        match self.ended_dialogs.knows(now, named) {
            // RFC 3891 §3, RFC 3911 §4: what has just ended is not to be taken up.
            true => StatusCode::DECLINE,
            false => StatusCode::CALL_DOES_NOT_EXIST,
        }
    }

    fn replace(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        addressee: Addressee,
        named: &DialogRef,
    ) -> Result<(), StatusCode> {
        let id = self.conference_of_dialog(&named.id, addressee);
        let Some((id, active)) = id.and_then(|id| Some((id, self.active(id)?))) else {
            return Err(self.unknown(now, &named.id));
        };
        let replaced = active.focus.replaced(&named.id, named.early_only, caller.user());
        let old = replaced.map_err(|status| match status {
            StatusCode::CALL_DOES_NOT_EXIST => self.unknown(now, &named.id),
            other => other,
        })?;
        self.join_in_place_of(now, incoming, caller, (id, old));
        Ok(())
    }

    fn join_named(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        addressee: Addressee,
        named: &DialogRef,
    ) -> Result<(), StatusCode> {
        let found = self.dialogs.get(&named.id).copied();
        let what = found
            .and_then(|id| self.active(id))
            .map_or(Named::Nothing, |active| active.focus.named(&named.id));
        match (what, found, addressee) {
            (Named::Leg(_) | Named::Ringing(_), Some(id), Addressee::Factory { index, .. })
                if self.factories[index].answering(incoming).form == AnswerForm::Redirect =>
            {
                self.redirect_to(incoming, id)
            }
            (Named::Leg(_) | Named::Ringing(_), Some(id), _) => {
                self.join(now, incoming, caller, id);
                Ok(())
            }
            (Named::Ended, ..) => Err(StatusCode::DECLINE),
            // RFC 3911 §4: without a match it is as if there were no Join.
            (_, _, Addressee::Conference(id)) => {
                self.join(now, incoming, caller, id);
                Ok(())
            }
            (_, _, Addressee::Factory { .. } | Addressee::Host | Addressee::Nobody) => {
                Err(self.unknown(now, &named.id))
            }
        }
    }

    /// A factory sends who would join a conference on to it (RFC 3911 §4, §5).
    fn redirect_to(&mut self, incoming: &Incoming, id: ConferenceId) -> Result<(), StatusCode> {
        let record = self.records.get(&id).ok_or(StatusCode::NOT_FOUND)?;
        let tag = self.tag_for(incoming);
        let response =
            redirect(incoming, &record.uri, &tag).map_err(|_| StatusCode::LOOP_DETECTED)?;
        self.stack.reply_stateless(incoming, response);
        Ok(())
    }
}

/// Ended dialogs that are remembered, in all: when full, the oldest is forgotten and looks as if it had
/// never been (481 instead of 603).
const ENDED_MAX: usize = 1_024;

/// As long as copies of what ended them may come.
const ENDED_FOR: Duration = TRANSACTION_TIMEOUT;
