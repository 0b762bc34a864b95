//! Whole programs as processes: what end-to-end tests stand on.
//!
//! [`processes`] steers `convoke` by what it prints; [`programs`] runs what other people wrote; [`sipp`] writes SIPp's scripts and
//! plays them; [`baresip`] and [`linphone`] are phones, [`kamailio`] is a proxy. [`tones`] tells from recordings who was heard.
//!
//! No test here passes or fails by the time that something takes: what is waited for comes, or a guard of
//! [`processes::GUARD`] says that it never will. Whatever is started is ended by its process id.

pub mod baresip;
pub mod kamailio;
pub mod linphone;
pub mod processes;
pub mod programs;
pub mod sipp;
pub mod tones;
