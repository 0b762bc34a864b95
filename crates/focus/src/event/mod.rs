//! The conference event package (RFC 4575): who subscribes to a conference, and what they are told.
//!
//! - `document`: what there is to tell, as data
//! - `xml`: a document as it goes out: whole, or what has changed
//! - `view`: which legs go into a document, under which names, and for whom
//! - `watchers`: the subscriptions: SUBSCRIBE in, NOTIFY out
//!
//! A subscription has a dialog of its own, or shares that of a leg and outlives the leg (RFC 4579 §3.4, RFC 5057).
//! A snapshot of the conference does not hold it: its subscriber finds out at the next refresh, and subscribes anew.

mod document;
mod view;
mod watchers;
mod xml;

pub(crate) use self::view::Manner;
pub(crate) use self::watchers::Watch;
pub use self::watchers::{
    EventTerms, PACKAGE, Subscriber, UNPROVED_WATCHERS_MAX, WATCHERS_MAX, WATCHERS_OF_ADDRESS_MAX,
    WatcherId, check_subscribe,
};
