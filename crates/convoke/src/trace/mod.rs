//! `--trace`: the messages of one process as a ladder, live.
//!
//! The first line is we; the others are peers, by address, in the order in which they come. A terminal has
//! room for a few: the one that was silent longest makes room for the next, and the heads are written again.

use std::net::SocketAddr;

use sip::Packet;

use crate::ladder::{Arrow, Ladder, cut, label, short, terminal_width};
use crate::message::Summary;
use crate::output::{Paint, Tone, harmless};

/// Between two lines: `REFER to conf-…x7qz` and its arrow.
const GAP: usize = 25;

/// What the header fields need at least, right of the ladder: CSeq, which is the first of them.
const TELLING_WIDTH: usize = 8;

/// Lines at most, we included: more, and the eye loses the row. Also where the output is no terminal.
const COLUMNS: (usize, usize) = (2, 5);

/// Names of one address that are counted; more than one is a proxy.
const NAMES_MAX: usize = 8;

/// Draws messages as they come.
pub(crate) struct Trace {
    ladder: Ladder,
    columns_max: usize,
    /// How far a row may reach; `None`: as far as it does.
    width: Option<usize>,
    us: String,
    local: Option<SocketAddr>,
    /// At most `columns_max - 1`.
    peers: Vec<Peer>,
    rows: u64,
}

struct Peer {
    address: SocketAddr,
    /// As the messages name him: his own word, not proved.
    names: Vec<String>,
    /// The row that he was last in.
    last_row: u64,
}

impl Trace {
    /// `us` stands over our own line.
    pub(crate) fn new(us: &str, paint: Paint) -> Self {
        Self::of_width(us, terminal_width(), paint)
    }

    fn of_width(us: &str, width: Option<usize>, paint: Paint) -> Self {
        let (least, most) = COLUMNS;
        let fitting = width.map_or(most, |width| Ladder::columns_in(width, TELLING_WIDTH, GAP));
        let columns_max = fitting.clamp(least, most);
        Self {
            ladder: Ladder::packed(columns_max, GAP, paint),
            columns_max,
            width,
            us: us.to_owned(),
            local: None,
            peers: Vec::new(),
            rows: 0,
        }
    }

    /// The rows of a message, without the times at their left: its own, after new heads where a peer is
    /// new. None for what only keeps a NAT open.
    pub(crate) fn rows(&mut self, sent: bool, packet: &Packet) -> Vec<String> {
        let summary = Summary::of(sent, packet);
        if summary.start_line.trim_matches(['\0', '?']).is_empty() {
            return Vec::new();
        }
        self.rows += 1;
        let is_first = self.local.is_none();
        self.local.get_or_insert(packet.path.local);
        let (peer, is_new) = self.peer(packet.path.remote, summary.peer.as_deref());
        let mut rows = if is_new || is_first { self.heads() } else { Vec::new() };
        rows.push(self.row(sent, peer + 1, packet, &summary));
        rows
    }

    fn row(&self, sent: bool, peer: usize, packet: &Packet, summary: &Summary) -> String {
        let unreadable = || (cut(&summary.start_line, GAP), Tone::Bad);
        let (label, tone) = label(&summary.start_line, summary.method(), summary.detail.as_deref())
            .filter(|_| summary.cseq.is_some())
            .unwrap_or_else(unreadable);
        let (from, to) = if sent { (0, peer) } else { (peer, 0) };
        let arrow = Arrow { from, to, label, tone };
        let columns = self.peers.len() + 1;
        let row = self.ladder.arrow(columns, &arrow);
        let mut telling = summary.telling.join("  ");
        if packet.path.transport.is_reliable() {
            telling = format!("{}  {telling}", packet.path.transport.via_token());
        }
        let room = self.width.map(|width| width.saturating_sub(self.ladder.width(columns)));
        let telling = room.map_or_else(|| telling.clone(), |room| cut(&telling, room));
        format!("{row}{}", self.ladder.paint().dim(&telling))
    }

    fn heads(&self) -> Vec<String> {
        let ours = self.local.map(|local| local.to_string()).unwrap_or_default();
        let names = [self.us.clone()].into_iter().chain(self.peers.iter().map(Peer::name));
        let addresses =
            [ours].into_iter().chain(self.peers.iter().map(|peer| peer.address.to_string()));
        let over = |texts: Vec<String>| self.ladder.over_lines("", &texts);
        let paint = self.ladder.paint();
        let times = |row: String| row.chars().skip(crate::ladder::TIME_WIDTH).collect::<String>();
        vec![
            paint.bold(&times(over(names.collect()))),
            paint.dim(&times(over(addresses.collect()))),
        ]
    }

    /// The peer of this address, and whether he is new here.
    fn peer(&mut self, address: SocketAddr, name: Option<&str>) -> (usize, bool) {
        let known = self.peers.iter().position(|peer| peer.address == address);
        let index = known.unwrap_or_else(|| {
            let peer = Peer { address, names: Vec::new(), last_row: self.rows };
            if self.peers.len() < self.columns_max - 1 {
                self.peers.push(peer);
                return self.peers.len() - 1;
            }
            let silent = self.peers.iter().enumerate().min_by_key(|(_, peer)| peer.last_row);
            let index = silent.map_or(0, |(index, _)| index);
            self.peers[index] = peer;
            index
        });
        let peer = &mut self.peers[index];
        peer.last_row = self.rows;
        if let Some(name) = name.map(short)
            && peer.names.len() < NAMES_MAX
            && !peer.names.contains(&name)
        {
            peer.names.push(name);
        }
        (index, known.is_none())
    }
}

impl Peer {
    /// Whose messages come under several names is a proxy, or a server: the first, and how many more.
    fn name(&self) -> String {
        match self.names.as_slice() {
            [] => String::new(),
            [name] => harmless(name),
            [name, others @ ..] => format!("{} +{}", harmless(name), others.len()),
        }
    }
}

#[cfg(test)]
mod tests;
