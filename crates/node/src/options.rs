//! OPTIONS: what would an INVITE get (RFC 3261 §11.2)?

use focus::factory::{AnswerForm, Refused};
use pool::{ConferenceId, HoldRequest, Seats};
use sip::{Incoming, StatusCode, uas};
use units::Instant;

use crate::asking::firmness_of;
use crate::auth::Caller;
use crate::node::{Node, Phase};
use crate::requests::Addressee;

/// Why an INVITE would be refused.
enum Unwilling {
    /// For want of something.
    Refused(Refused),
    /// The conference says so.
    Status(StatusCode),
}

impl From<Refused> for Unwilling {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Node {
    /// Answers OPTIONS with the code that an INVITE to the same URI would get, and with what we can do.
    pub(crate) fn options(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        addressee: Addressee,
    ) {
        if let Err(response) = uas::check(incoming, &focus::CAPABILITIES) {
            return self.reply(incoming, response);
        }
        match self.would_take(now, incoming, caller, addressee) {
            Ok(()) => {}
            Err(Unwilling::Refused(refused)) => {
                self.refuse_quietly(incoming, &refused);
                return;
            }
            Err(Unwilling::Status(status)) => return self.reply_status(incoming, status),
        }
        let tag = self.tag_for(incoming);
        let response = match addressee {
            Addressee::Conference(id) => match self.records.get(&id) {
                Some(record) => focus::options(&record.uri, incoming, &tag),
                None => return self.reply_status(incoming, StatusCode::NOT_FOUND),
            },
            Addressee::Factory { index, .. } => self.factories[index].options(incoming, &tag),
            Addressee::Host | Addressee::Nobody => match self.factories.first() {
                Some(factory) => factory.options(incoming, &tag),
                None => return self.reply_status(incoming, StatusCode::NOT_FOUND),
            },
        };
        self.stack.reply_stateless(incoming, response);
    }

    /// Whether an INVITE would be taken. Nothing is kept, and nothing changed.
    fn would_take(
        &self,
        now: Instant,
        incoming: &Incoming,
        caller: &Caller,
        addressee: Addressee,
    ) -> Result<(), Unwilling> {
        let (index, asked) = match addressee {
            Addressee::Factory { index, asked } => (index, asked),
            Addressee::Conference(id) => return self.would_seat(now, id),
            // An INVITE to the host itself means nobody; OPTIONS asks it what it can do.
            Addressee::Host | Addressee::Nobody => return Ok(()),
        };
        self.takes_new()?;
        let config = self.factories[index].config();
        if self.factories[index].answering(incoming).form == AnswerForm::Relay {
            return Err(Refused::NotServed.into());
        }
        let request = HoldRequest {
            id: NOBODYS,
            seats: Seats(self.factories[index].expected(incoming, asked)),
            hold: config.hold,
            firmness: firmness_of(incoming, caller),
            legs_max: config.legs_max,
            leg: self.pool.config().costs.plain_leg(),
            tenant: self.tenant_of(incoming, caller, index),
        };
        let held = self.pool.would_hold(now, &request);
        held.map_err(|refusal| self.refused(&refusal, None).into())
    }

    fn would_seat(&self, now: Instant, id: ConferenceId) -> Result<(), Unwilling> {
        if self.phase == Phase::ShuttingDown {
            return Err(Refused::ShuttingDown.into());
        }
        let record = self.records.get(&id).ok_or(Refused::NotFound)?;
        if let Some(active) = record.running() {
            active.focus.admits().map_err(Unwilling::Status)?;
        } else {
            self.begins(id)?;
        }
        let cost = self.pool.config().costs.plain_leg();
        let joined = self.pool.would_join(now, id, cost);
        joined.map_err(|refusal| self.not_seated(now, refusal).into())
    }
}

/// A conference that nobody has asked for: identities are 80 bits of an HMAC.
const NOBODYS: ConferenceId = ConferenceId([0; 10]);
