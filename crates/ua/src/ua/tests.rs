//! One user agent against messages written by hand; two of them: `crate::convener`, `crate::answerer`.

mod changing;
mod chaos;
mod incoming;
mod outgoing;
mod overload;
mod proving;
mod redirected;
mod refer;
mod referral;
mod refreshing;
mod registering;
mod reliable;
mod replaces;
mod watching;
