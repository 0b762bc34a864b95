//! A REFER to a conference, outside its dialogs or inside one.

use focus::Right;
use focus::factory::Refused;
use pool::ConferenceId;
use sip::{Incoming, Merged, StatusCode};
use units::Instant;

use crate::auth::Door;
use crate::node::Node;

impl Node {
    /// Takes a REFER that is to bring somebody in or to remove him. Where users are known, it takes one who
    /// may steer, or the call of somebody who keyed the moderators' PIN in it; where nobody is, the focus knows its
    /// creator by his dialog.
    pub(crate) fn steered(&mut self, now: Instant, incoming: &Incoming, id: ConferenceId) {
        let by_dialog = self.auth.is_none()
            || self.active(id).is_some_and(|active| active.focus.is_of_moderator(incoming));
        let right = if by_dialog { Right::ByDialog } else { Right::Proved };
        if !by_dialog && self.admit(now, incoming, Door::Steer(id)).is_none() {
            return;
        }
        let Some(active) = self.active(id) else {
            return self.refuse(now, incoming, &Refused::NobodyIn);
        };
        // No refusal keeps anything, in or out of a dialog; the number of one in a dialog is counted with
        // those that are taken.
        if let Err(response) = active.focus.check_refer(now, incoming, right) {
            return self.reply(incoming, response);
        }
        // RFC 3261 §8.2.2.2: one REFER that comes by two ways calls nobody twice.
        let core = format!("{REFER_CORE}{}", self.uri(id));
        match self.merged.check(now, &core, &incoming.essentials) {
            Merged::Merged => return self.reply_status(incoming, StatusCode::LOOP_DETECTED),
            Merged::Fresh | Merged::SameTransaction => {}
        }
        let Ok(txn) = self.stack.accept(now, incoming) else { return self.overloaded(incoming) };
        if let Some(active) = self.active(id) {
            active.focus.refer(now, txn, incoming, right);
        }
        self.drain_focus(now, id);
    }
}

/// Tells the core that takes REFERs from the one of the same URI that takes INVITEs.
const REFER_CORE: &str = "refer ";
