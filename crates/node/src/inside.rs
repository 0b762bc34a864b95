//! Who was in a locked conference when the process died: they are let in again, and nobody else.
//!
//! A lock is for whoever comes new. Without this a crash would shut out everybody, and the conference would be over.

use std::net::IpAddr;

use focus::factory::Labelled;
use focus::{LEGS_MAX, LegId};
use pool::ConferenceId;
use sip::Incoming;
use units::Instant;

use crate::auth::Caller;
use crate::conference::Record;
use crate::node::Node;

/// Those who were in, until when they may come back.
#[derive(Debug)]
pub(crate) struct Inside {
    /// At most [`LEGS_MAX`].
    pub(crate) prints: Vec<u64>,
    pub(crate) until: Instant,
}

impl Node {
    /// Whether the lock of a conference keeps this caller out.
    pub(crate) fn is_shut_for(
        &self,
        now: Instant,
        id: ConferenceId,
        incoming: &Incoming,
        caller: &Caller,
    ) -> bool {
        let Some(record) = self.locked(id) else { return false };
        let Some(inside) = record.inside.as_ref().filter(|inside| now < inside.until) else {
            return true;
        };
        let uri = incoming.essentials.from.uri.text();
        let print = self.print_inside(id, caller.user(), &uri, incoming.source.remote.ip());
        !inside.prints.contains(&print)
    }

    fn locked(&self, id: ConferenceId) -> Option<&Record> {
        let record = self.records.get(&id)?;
        record.policy.is_locked.then_some(&**record)
    }

    /// Those who are in a locked conference, and those who may still come back, as it is kept.
    pub(crate) fn prints_inside(&self, id: ConferenceId) -> Vec<u64> {
        let Some(record) = self.locked(id) else { return Vec::new() };
        let here = record.running().into_iter().flat_map(|active| active.focus.inside());
        let here = here.map(|(_, user, uri, ip)| self.print_inside(id, user, &uri.text(), ip));
        let before = record.inside.iter().flat_map(|inside| &inside.prints).copied();
        here.chain(before).take(LEGS_MAX).collect()
    }

    /// Somebody is in. Into a locked conference nobody comes back twice: who is removed from it stays out.
    pub(crate) fn came_inside(&mut self, id: ConferenceId, leg: LegId) {
        let Some(his) = self.print_of_leg(id, leg) else { return };
        let before = self.records.get_mut(&id).and_then(|record| record.inside.as_mut());
        let prints = before.map(|inside| &mut inside.prints);
        let found = prints.and_then(|prints| {
            let at = prints.iter().position(|print| *print == his)?;
            Some(prints.swap_remove(at))
        });
        // Whoever comes back is on the disk already.
        if found.is_none() {
            self.keep_now(id);
        }
    }

    fn print_of_leg(&self, id: ConferenceId, leg: LegId) -> Option<u64> {
        let record = self.locked(id)?;
        let mut here = record.running()?.focus.inside();
        let (_, user, uri, ip) = here.find(|(of, ..)| *of == leg)?;
        Some(self.print_inside(id, user, &uri.text(), ip))
    }

    /// Somebody was removed. That others leave by themselves is written down with the next who comes or is removed: to write
    /// it each time would cost as many prints as are in.
    pub(crate) fn removed_from_inside(&mut self, id: ConferenceId) {
        if self.locked(id).is_some() {
            self.keep_now(id);
        }
    }

    /// Who somebody is: the user that he has proved to be, else his name and where he calls from. Nobody can read it out of
    /// the print.
    fn print_inside(&self, id: ConferenceId, user: Option<&str>, uri: &str, ip: IpAddr) -> u64 {
        let mut mac = Labelled::new(&self.keys.identity, "convoke inside 2");
        mac.field(&id.0);
        match user {
            Some(user) => {
                mac.field(b"user");
                mac.field(focus::masked(user).as_bytes());
            }
            None => {
                mac.field(b"from");
                mac.field(uri.as_bytes());
                mac.field(ip.to_canonical().to_string().as_bytes());
            }
        }
        u64::from_be_bytes(mac.cut())
    }
}
