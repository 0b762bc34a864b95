//! A call in the place of another: Replaces (RFC 3891).

use sip::header::{DialogRef, dialog_ref};
use sip::{HeaderName, Incoming, StatusCode, Uri, uri};

use crate::event::CallId;

use super::Ua;
use super::call::CallState;

impl Ua {
    /// The established call that an INVITE wants to take the place of, or how it is refused
    /// (RFC 3891 §3). Whoever names all three parts of a dialog has been told of it by one of its two.
    pub(super) fn replaced_by(&self, incoming: &Incoming) -> Result<Option<CallId>, StatusCode> {
        let named = dialog_ref(&incoming.request.headers, &HeaderName::Replaces)?;
        let Some(named) = named else { return Ok(None) };
        let is_it = |state: &CallState| {
            let dialog = match state {
                CallState::Offered { dialog, .. }
                | CallState::Established { dialog, .. }
                | CallState::Leaving { dialog, .. } => self.dialogs.get(*dialog),
                CallState::Locating { .. }
                | CallState::Inviting { .. }
                | CallState::Cancelling { .. } => None,
            };
            dialog.is_some_and(|dialog| dialog.id == named.id)
        };
        let found = self.calls.iter().find(|(_, call)| is_it(&call.state));
        match found.map(|(id, call)| (*id, &call.state)) {
            Some((id, CallState::Established { .. })) if !named.early_only => Ok(Some(id)),
            Some((_, CallState::Established { .. })) => Err(StatusCode::BUSY_HERE),
            // It has ended already.
            Some((_, CallState::Leaving { .. })) => Err(StatusCode::DECLINE),
            // An early dialog may be replaced at the one who made it only; and there is none.
            Some((
                _,
                CallState::Offered { .. }
                | CallState::Locating { .. }
                | CallState::Inviting { .. }
                | CallState::Cancelling { .. },
            ))
            | None => Err(StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// Where the peer of an established call is found, and the same with a Replaces for that call: what
    /// a focus is told that is to call him in its place (RFC 4579 §5.10).
    pub fn peer_of(&self, call: CallId) -> Option<(Uri, Uri)> {
        let CallState::Established { dialog, .. } = &self.calls.get(&call)?.state else {
            return None;
        };
        let dialog = self.dialogs.get(*dialog)?;
        let mut found_at = dialog.remote_target.clone();
        found_at.headers.clear();
        let mut replacing = found_at.clone();
        let value = uri::escape_header(DialogRef::for_peer(&dialog.id).to_string().as_bytes());
        replacing.headers.push((HeaderName::Replaces.as_str().to_owned(), value));
        Some((Uri::Sip(found_at), Uri::Sip(replacing)))
    }
}
