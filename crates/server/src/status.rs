//! What `GET /v1/status` gives.

use media::ShardReport;
use node::Status;
use serde::{Deserialize, Serialize};

use crate::webhooks::WebhookStatus;

/// The whole status. Fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    /// The server's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The factory URIs, as in `sip:conference@127.0.0.1:5060`.
    pub factories: Vec<String>,
    /// Conferences, room, leftovers, counters.
    #[serde(flatten)]
    pub node: Status,
    /// What the sockets saw.
    pub rim: RimStatus,
    /// One per media shard.
    pub mixers: Vec<MixerStatus>,
    /// One for each receiver of events.
    #[serde(default)]
    pub webhooks: Vec<WebhookStatus>,
}

impl StatusPage {
    /// The same for somebody who may look, but not join: a conference URI is a way in.
    pub(crate) fn without_secrets(mut self) -> Self {
        for conference in &mut self.node.conferences {
            conference.uri =
                pool::id_in(&conference.uri).map_or_else(String::new, |id| id.to_string());
        }
        self.webhooks = self.webhooks.into_iter().map(WebhookStatus::without_path).collect();
        self
    }
}

/// What the sockets saw since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RimStatus {
    /// Messages from networks that are let in.
    pub received: u64,
    /// Datagrams and connections from anybody else: dropped unread.
    pub denied: u64,
    /// Messages sent.
    pub sent: u64,
    /// Datagrams that the system did not take; SIP sends them again.
    pub send_errors: u64,
    /// Connections that the system could not give us, for want of files as a rule.
    #[serde(default)]
    pub accept_errors: u64,
    /// Events that nobody read in time.
    pub events_lost: u64,
    /// TCP connections that are open now.
    #[serde(default)]
    pub connections: usize,
    /// What happened to TCP connections.
    #[serde(default)]
    pub streams: sip::ConnectionCounters,
}

/// What a media shard did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixerStatus {
    /// Ticks mixed; an idle mixer has none.
    pub ticks: u64,
    /// Of these, begun more than a tick late.
    pub ticks_late: u64,
    /// Ticks left out, because they were overdue by too much.
    pub ticks_skipped: u64,
    /// RTP datagrams received.
    pub received: u64,
    /// RTP datagrams sent.
    pub sent: u64,
    /// RTP datagrams that the system did not take.
    pub send_errors: u64,
    /// Sockets that are open now: in use, or bound ahead.
    pub sockets: u64,
    /// Ports that rest after a leg until nothing comes to them any more.
    #[serde(default)]
    pub resting: u64,
    /// Conferences that are open now.
    pub conferences: u64,
    /// Conferences that a fault of ours ended.
    #[serde(default)]
    pub conferences_failed: u64,
    /// Legs that are open now.
    pub legs: u64,
}

impl From<&ShardReport> for MixerStatus {
    fn from(report: &ShardReport) -> Self {
        Self {
            ticks: report.ticks,
            ticks_late: report.ticks_late,
            ticks_skipped: report.ticks_skipped,
            received: report.received,
            sent: report.sent,
            send_errors: report.send_errors,
            sockets: report.sockets,
            resting: report.resting,
            conferences: report.conferences,
            conferences_failed: report.conferences_failed,
            legs: report.legs,
        }
    }
}
