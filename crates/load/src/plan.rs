//! What is to be done to the server.

use std::time::Duration;

use serde::Serialize;
use sip::Uri;

/// Legs at once. Two sockets each are well inside what Linux gives one process, and one thread cannot send more.
pub const LEGS_MAX: usize = 8_000;

/// What is to be done to the server, already checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whom to call.
    pub target: Target,
    /// Legs in all, spread evenly over the conferences.
    pub legs: usize,
    /// Conferences; at most as many as legs.
    pub conferences: usize,
    /// In each conference, how many talk.
    pub talkers: usize,
    /// What the others send.
    pub rest: Rest,
    /// Audio in one packet, ms: 10, 20, 30, 40 or 60.
    pub ptime_ms: u32,
    /// Calls a second.
    pub rate: u32,
    /// How long it is measured, once all are in.
    pub stay: Duration,
    /// Whose processor time and memory are reported.
    pub pid: Option<u32>,
    /// Where packets may go.
    pub reach: Reach,
}

/// What a leg sends that does not talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    /// Packets of silence, as most phones do.
    Silence,
    /// Nothing at all, as phones with silence suppression do.
    Nothing,
}

/// Where packets may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine only.
    Loopback,
    /// Wherever the URI and the server's answers lead.
    Anywhere,
}

/// Whom to call: one address that makes conferences, or one address a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No SIP URI, also with a number in the place of `{n}`.
    #[error("write a SIP URI, as in sip:conference@127.0.0.1 or sip:room{{n}}@127.0.0.1")]
    NoUri,
    /// A URI that no user agent here can call.
    #[error("only sip: URIs over UDP can be called")]
    Unsupported,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum PlanError {
    #[error("{got} legs: write a number from 1 to {LEGS_MAX}")]
    Legs { got: usize },
    #[error("{got} conferences: write a number from 1 to the number of legs, {legs}")]
    Conferences { got: usize, legs: usize },
    #[error("{got} ms in a packet: write 10, 20, 30, 40 or 60")]
    Ptime { got: u32 },
    #[error("{got} calls a second: write a number from 1 to 10000")]
    Rate { got: u32 },
    #[error(
        "measured for {got:?}: at least a second is needed, and more than an hour is not taken"
    )]
    Stay { got: Duration },
}

/// What the number of a conference takes the place of.
const NUMBER: &str = "{n}";

impl std::str::FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let target = Self(text.to_owned());
        match target.uri(0) {
            Some(uri @ Uri::Sip(_)) if ua::Ua::can_call(&uri) => Ok(target),
            Some(Uri::Sip(_)) => Err(TargetError::Unsupported),
            Some(Uri::Other { .. }) | None => Err(TargetError::NoUri),
        }
    }
}

impl Target {
    /// Whether each conference has an address of its own that is known beforehand.
    pub(crate) fn is_numbered(&self) -> bool {
        self.0.contains(NUMBER)
    }

    /// Whom the legs of this conference call.
    pub(crate) fn uri(&self, conference: usize) -> Option<Uri> {
        self.0.replace(NUMBER, &conference.to_string()).parse().ok()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a leg has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Talks loudest, and clicks in turn with the other clickers of its conference.
    Clicker,
    /// Talks.
    Talker,
    /// Sends silence.
    Silent,
    /// Sends nothing.
    Mute,
}

/// How many of a conference's talkers click: those whom a server hears that mixes the three loudest.
pub(crate) const CLICKERS: usize = 3;

impl Plan {
    /// Checks the numbers.
    ///
    /// # Errors
    /// Any that is out of its range.
    pub const fn check(&self) -> Result<(), PlanError> {
        let (legs, got) = (self.legs, self.conferences);
        if legs == 0 || legs > LEGS_MAX {
            return Err(PlanError::Legs { got: legs });
        }
        if got == 0 || got > legs {
            return Err(PlanError::Conferences { got, legs });
        }
        if !matches!(self.ptime_ms, 10 | 20 | 30 | 40 | 60) {
            return Err(PlanError::Ptime { got: self.ptime_ms });
        }
        if self.rate == 0 || self.rate > 10_000 {
            return Err(PlanError::Rate { got: self.rate });
        }
        if self.stay.as_secs() == 0 || self.stay.as_secs() > 3_600 {
            return Err(PlanError::Stay { got: self.stay });
        }
        Ok(())
    }

    /// The conference of a leg: in turn, so that all have begun when the second round comes.
    pub(crate) const fn conference_of(&self, leg: usize) -> usize {
        leg % self.conferences
    }

    /// What a leg has to say.
    pub(crate) const fn role_of(&self, leg: usize) -> Role {
        let place = leg / self.conferences;
        if place < self.talkers {
            return if place < CLICKERS { Role::Clicker } else { Role::Talker };
        }
        match self.rest {
            Rest::Silence => Role::Silent,
            Rest::Nothing => Role::Mute,
        }
    }

    /// When in the packet time a leg's packets are sent. Those who click are spread evenly, so that every place of the
    /// server's own clock is met as often; the others by the golden ratio, which is even for any number.
    pub(crate) fn phase_of(&self, leg: usize) -> Duration {
        let turns = match self.role_of(leg) {
            Role::Clicker => {
                let place = leg / self.conferences;
                let clickers = CLICKERS.min(self.talkers);
                fraction(place, clickers) + GOLDEN * number(self.conference_of(leg))
            }
            Role::Talker | Role::Silent | Role::Mute => GOLDEN * number(leg),
        };
        self.ptime().mul_f64(turns.fract())
    }

    pub(crate) fn ptime(&self) -> Duration {
        Duration::from_millis(u64::from(self.ptime_ms))
    }
}

const GOLDEN: f64 = 0.618_033_988_75;

fn fraction(part: usize, whole: usize) -> f64 {
    number(part) / number(whole.max(1))
}

/// Small enough to be exact.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            target: "sip:conference@127.0.0.1".parse().unwrap(),
            legs: 20,
            conferences: 4,
            talkers: 4,
            rest: Rest::Silence,
            ptime_ms: 20,
            rate: 10,
            stay: Duration::from_secs(10),
            pid: None,
            reach: Reach::Loopback,
        }
    }

    #[test]
    fn a_target_is_a_sip_uri_also_with_its_number() {
        let target: Target = "sip:room{n}@127.0.0.1:5070".parse().unwrap();
        assert!(target.is_numbered());
        assert_eq!(target.uri(12).unwrap().to_string(), "sip:room12@127.0.0.1:5070");
        assert!(!"sip:conference@127.0.0.1".parse::<Target>().unwrap().is_numbered());
        for (text, error) in [
            ("127.0.0.1", TargetError::NoUri),
            ("tel:+49", TargetError::NoUri),
            ("sips:conference@127.0.0.1", TargetError::Unsupported),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(plan().check(), Ok(()));
        let mut none = plan();
        none.legs = 0;
        assert_eq!(none.check(), Err(PlanError::Legs { got: 0 }));
        let mut many = plan();
        many.conferences = 21;
        assert_eq!(many.check(), Err(PlanError::Conferences { got: 21, legs: 20 }));
        let mut odd = plan();
        odd.ptime_ms = 25;
        assert_eq!(odd.check(), Err(PlanError::Ptime { got: 25 }));
        let mut still = plan();
        still.rate = 0;
        assert_eq!(still.check(), Err(PlanError::Rate { got: 0 }));
        let mut short = plan();
        short.stay = Duration::from_millis(900);
        assert_eq!(short.check(), Err(PlanError::Stay { got: Duration::from_millis(900) }));
    }

    #[test]
    fn every_conference_has_the_same_legs() {
        let plan = plan();
        for conference in 0..4 {
            let legs = (0..plan.legs).filter(|leg| plan.conference_of(*leg) == conference);
            let roles: Vec<Role> = legs.map(|leg| plan.role_of(leg)).collect();
            use Role::{Clicker, Silent, Talker};
            assert_eq!(roles, [Clicker, Clicker, Clicker, Talker, Silent]);
        }
        let mute = Plan { rest: Rest::Nothing, talkers: 1, ..plan };
        assert_eq!(mute.role_of(3), Role::Clicker);
        assert_eq!(mute.role_of(4), Role::Mute);
    }

    #[test]
    fn those_who_click_are_spread_over_the_packet_time() {
        let plan = plan();
        let mut phases: Vec<u128> = [0, 4, 8].map(|leg| plan.phase_of(leg).as_millis()).to_vec();
        phases.sort_unstable();
        assert_eq!(phases, [0, 6, 13]);
        assert!((0..plan.legs).all(|leg| plan.phase_of(leg) < plan.ptime()));
    }
}
