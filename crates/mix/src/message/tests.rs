//! Messages are plain data: they survive being written and read.

use super::*;
use crate::rig::{CONFERENCE, PCMU, peer, stream, transport};

#[test]
fn a_command_read_back_is_the_one_that_was_written() {
    let port = PortId(3);
    let (transport, stream) = (transport(4, peer(1)), stream(Direction::RecvOnly, PCMU));
    let held = TransportSpec { remote: None, ..transport.clone() };
    let actions = [
        Action::OpenConference,
        Action::AddPort { port, transport, stream: stream.clone() },
        Action::UpdatePort { port, transport: held, stream },
        Action::MutePort { port, is_muted: true },
        Action::RemovePort { port },
        Action::CloseConference,
    ];
    for action in actions {
        let command = Command { id: u64::MAX, conference: CONFERENCE, epoch: Epoch(9), action };
        let text = serde_json::to_string(&command).expect("writes");
        assert_eq!(serde_json::from_str::<Command>(&text).expect("reads"), command, "{text}");
    }
}

#[test]
fn an_event_read_back_is_the_one_that_was_written() {
    let (conference, port, epoch) = (CONFERENCE, PortId(3), Epoch(9));
    let reply = |outcome| Event::Reply { id: 1, conference, epoch, outcome };
    let events = [
        reply(Ok(Done::PortRemoved(Box::new(PortReport { lost: 3, ..PortReport::default() })))),
        reply(Err(Refused::StaleEpoch { got: Epoch(1), current: Epoch(2) })),
        Event::Lent { ports: vec![LentPort { id: 1, address: peer(1) }] },
        Event::Latched { conference, port, remote: peer(2) },
        Event::Silent { conference, port, for_ms: SILENT_AFTER_MS },
        Event::Talking { conference, port, is_talking: true },
        Event::Measured { conference, port, report: PortReport::default() },
        Event::Paced { late_us: 7 },
        Event::Failed { conference, epoch },
    ];
    for event in events {
        let text = serde_json::to_string(&event).expect("writes");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("reads"), event, "{text}");
    }
}
