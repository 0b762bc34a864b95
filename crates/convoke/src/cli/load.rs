//! `convoke load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use load::{Plan, Reach, Target};
use server::config::parse_duration;

/// Load a conference server with many legs, and tell what becomes of their packets.
///
/// The first leg of each conference calls the address and follows its redirection; the others call the
/// conference that it was sent to, without REFER. An address that makes no conferences is called by all;
/// with `{n}` in it there is one for each conference, as in sip:room{n}@127.0.0.1. In each conference up to
/// three talkers send a click in turn, and how long it takes to the others is measured. With --pid the
/// processor time and memory of the server are told. Where the load itself was too slow, it says so.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  convoke load sip:conference@127.0.0.1:5060 --legs 100 --conferences 10
  convoke load sip:conference@127.0.0.1:5060 --legs 1000 --talkers 1000 --pid $(pidof convoke) --for 30s
  convoke load sip:room{n}@127.0.0.1:5070 --legs 50 --conferences 5 --rest nothing --json

Exit status: 0 if every leg came in and stayed.")]
pub(crate) struct LoadArgs {
    /// Whom to call, as in sip:conference@127.0.0.1:5060
    #[arg(value_name = "URI")]
    target: Target,
    /// Legs in all
    #[arg(long, value_name = "N", default_value_t = 10)]
    legs: usize,
    /// Conferences that they are spread over
    #[arg(long, value_name = "N", default_value_t = 1)]
    conferences: usize,
    /// Legs of each conference that talk
    #[arg(long, value_name = "N", default_value_t = 3)]
    talkers: usize,
    /// What the others send
    #[arg(long, value_enum, default_value_t = Rest::Silence)]
    rest: Rest,
    /// Milliseconds of audio in a packet: 10, 20, 30, 40 or 60
    #[arg(long, value_name = "MS", default_value_t = 20)]
    ptime: u32,
    /// Calls a second
    #[arg(long, value_name = "N", default_value_t = 50)]
    rate: u32,
    /// How long to measure once all are in, as in 20s or 5m
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    stay: Duration,
    /// The server's process, for its processor time and memory
    #[arg(long)]
    pid: Option<u32>,
    /// Load another machine too: only one that is yours and waits for it. So many calls and packets are an
    /// attack on any other, so that without this nothing leaves this machine, whatever the server answers
    #[arg(long)]
    anywhere: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write that object to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rest {
    /// Packets of silence, as most phones do
    Silence,
    /// Nothing at all
    Nothing,
}

impl LoadArgs {
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            target: self.target.clone(),
            legs: self.legs,
            conferences: self.conferences,
            talkers: self.talkers,
            rest: match self.rest {
                Rest::Silence => load::Rest::Silence,
                Rest::Nothing => load::Rest::Nothing,
            },
            ptime_ms: self.ptime,
            rate: self.rate,
            stay: self.stay,
            pid: self.pid,
            reach: if self.anywhere { Reach::Anywhere } else { Reach::Loopback },
        }
    }
}
