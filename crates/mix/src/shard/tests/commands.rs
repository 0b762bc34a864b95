//! What a shard is told: idempotent, fenced, bounded.

use crate::message::{
    Action, Channel, ConferenceKey, Direction, Done, Epoch, Event, LentPort, PortId, Refused,
    StreamSpec,
};
use crate::rig::{CONFERENCE, PCMA, PCMU, Rig, peer, stream, transport};
use crate::{CONFERENCES_MAX, Leftovers, ShardConfig};

fn spec() -> StreamSpec {
    stream(Direction::SendRecv, PCMU)
}

fn add(port: u32, lent: u32) -> Action {
    Action::AddPort { port: PortId(port), transport: transport(lent, peer(1)), stream: spec() }
}

fn remove(port: u32) -> Action {
    Action::RemovePort { port: PortId(port) }
}

const OPENED: Result<Done, Refused> = Ok(Done::ConferenceOpened);
const ADDED: Result<Done, Refused> = Ok(Done::PortAdded);

#[test]
fn asked_again_the_same_is_done_once_and_answered_alike() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        assert_eq!(rig.command(Action::OpenConference), OPENED);
    }
    for _ in 0..3 {
        assert_eq!(rig.command(add(1, 1)), ADDED);
    }
    assert_eq!(rig.shard.leftovers(), Leftovers { conferences: 1, ports: 1 });
    let update = Action::UpdatePort {
        port: PortId(1),
        transport: transport(1, peer(1)),
        stream: stream(Direction::Inactive, PCMA),
    };
    for _ in 0..3 {
        assert_eq!(rig.command(update.clone()), Ok(Done::PortUpdated));
    }
    assert!(matches!(rig.command(remove(1)), Ok(Done::PortRemoved(_))));
    assert_eq!(rig.command(remove(1)), Ok(Done::PortAbsent));
    assert_eq!(rig.command(Action::CloseConference), Ok(Done::ConferenceClosed { ports: 0 }));
    assert_eq!(rig.command(Action::CloseConference), Ok(Done::ConferenceClosed { ports: 0 }));
    assert_eq!(rig.shard.leftovers(), Leftovers::default());
    assert_eq!(rig.released, [1]);
}

/// A late copy of an old command must not bring back what has ended.
#[test]
fn nothing_that_ended_comes_back() {
    let mut rig = Rig::with_conference();
    rig.command(add(1, 1)).expect("added");
    rig.command(remove(1)).expect("removed");
    assert_eq!(rig.command(add(1, 1)), Err(Refused::NotLent { lent: 1 }));
    rig.command(Action::CloseConference).expect("closed");
    let ended = Err(Refused::StaleGeneration { got: 1, current: 1 });
    assert_eq!(rig.command(Action::OpenConference), ended);
    assert_eq!(rig.command(add(2, 2)), ended);
    assert_eq!(rig.command(remove(2)), ended);
    assert_eq!(rig.shard.leftovers(), Leftovers::default());
}

#[test]
fn an_older_generation_is_refused_and_a_newer_one_waits_for_the_slot() {
    let mut rig = Rig::new();
    let key = |generation| ConferenceKey { slot: 5, generation };
    let epoch = Epoch(1);
    assert_eq!(rig.command_as(key(3), epoch, Action::OpenConference), OPENED);
    let stale = Err(Refused::StaleGeneration { got: 2, current: 3 });
    assert_eq!(rig.command_as(key(2), epoch, Action::OpenConference), stale);
    assert_eq!(rig.command_as(key(2), epoch, Action::CloseConference), stale);
    let in_use = Err(Refused::SlotInUse { current: 3 });
    assert_eq!(rig.command_as(key(4), epoch, Action::OpenConference), in_use);
    assert_eq!(rig.command_as(key(4), epoch, add(1, 1)), Err(Refused::NotOpen));
    assert_eq!(rig.command_as(key(4), epoch, Action::CloseConference), Err(Refused::NotOpen));
    rig.command_as(key(3), epoch, Action::CloseConference).expect("closed");
    assert_eq!(rig.command_as(key(4), epoch, Action::OpenConference), OPENED);
}

#[test]
fn an_epoch_below_the_highest_is_refused_and_a_higher_one_takes_over() {
    let mut rig = Rig::with_conference();
    assert_eq!(rig.command_as(CONFERENCE, Epoch(7), add(1, 1)), ADDED);
    let stale = Err(Refused::StaleEpoch { got: Epoch(6), current: Epoch(7) });
    assert_eq!(rig.command_as(CONFERENCE, Epoch(6), add(2, 2)), stale);
    assert_eq!(rig.command_as(CONFERENCE, Epoch(6), remove(1)), stale);
    assert_eq!(rig.command_as(CONFERENCE, Epoch(6), Action::CloseConference), stale);
    assert_eq!(rig.command_as(CONFERENCE, Epoch(6), Action::OpenConference), stale);
    assert_eq!(rig.shard.leftovers(), Leftovers { conferences: 1, ports: 1 });
    assert_eq!(
        rig.command_as(CONFERENCE, Epoch(7), Action::CloseConference),
        Ok(Done::ConferenceClosed { ports: 1 })
    );
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut rig = Rig::with_conference();
    rig.command(add(1, 1)).expect("added");
    assert_eq!(rig.command(add(2, 1)), Err(Refused::NotLent { lent: 1 }), "used by port 1");
    assert_eq!(rig.command(add(2, 555)), Err(Refused::NotLent { lent: 555 }));
    assert_eq!(rig.command(add(1, 2)), Err(Refused::PortExists));
    let update = |port, lent| Action::UpdatePort {
        port: PortId(port),
        transport: transport(lent, peer(1)),
        stream: spec(),
    };
    assert_eq!(rig.command(update(1, 2)), Err(Refused::OtherSocket { got: 2, current: 1 }));
    assert_eq!(rig.command(update(9, 1)), Err(Refused::NoSuchPort));
    let key = ConferenceKey { slot: CONFERENCES_MAX, generation: 1 };
    assert_eq!(
        rig.command_as(key, Epoch(1), Action::OpenConference),
        Err(Refused::NoSuchSlot { got: CONFERENCES_MAX, slots: CONFERENCES_MAX })
    );
    let stream = StreamSpec { receive: vec![], ..spec() };
    let bad = Action::AddPort { port: PortId(3), transport: transport(3, peer(1)), stream };
    assert_eq!(rig.command(bad), Err(Refused::BadFormatCount { got: 0, max: 8 }));
    assert_eq!(rig.command(add(3, 3)), ADDED, "a refusal takes no socket");
}

#[test]
fn a_full_conference_takes_nobody_until_somebody_leaves() {
    let mut rig = Rig::with(ShardConfig { legs_per_conference: 3, ..ShardConfig::default() });
    assert_eq!(rig.command(Action::OpenConference), OPENED);
    for n in 1..=3 {
        assert_eq!(rig.command(add(n, n)), ADDED);
    }
    assert_eq!(rig.command(add(4, 4)), Err(Refused::ConferenceFull { max: 3 }));
    assert_eq!(rig.command(add(3, 3)), ADDED, "one that is in already is no fourth");
    rig.command(remove(2)).expect("removed");
    assert_eq!(rig.command(add(4, 4)), ADDED);
}

#[test]
fn closing_gives_back_every_socket() {
    let mut rig = Rig::with_conference();
    let unused = rig.shard.unused_lent();
    for n in 1..=5 {
        rig.command(add(n, n)).expect("added");
    }
    assert_eq!(rig.shard.unused_lent(), unused - 5);
    rig.command(remove(2)).expect("removed");
    let closed = rig.command(Action::CloseConference);
    assert_eq!(closed, Ok(Done::ConferenceClosed { ports: 4 }));
    rig.released.sort_unstable();
    assert_eq!(rig.released, [1, 2, 3, 4, 5]);
    assert_eq!(rig.shard.leftovers(), Leftovers::default());
    assert_eq!(rig.shard.unused_lent(), unused - 5, "they come back as new lendings");
    assert_eq!(rig.shard.deadline(), None);
}

#[test]
fn sockets_lent_in_a_row_are_told_in_one_event() {
    let mut rig = Rig::new();
    let lend = |id| LentPort { id, address: peer(1) };
    for id in [201, 202, 202] {
        rig.shard.add_lent(lend(id));
    }
    assert_eq!(rig.shard.poll_event(), Some(Event::Lent { ports: vec![lend(201), lend(202)] }));
    assert_eq!(rig.shard.poll_event(), None);
}

#[test]
fn packets_to_a_socket_without_a_port_are_counted() {
    let mut rig = Rig::with_conference();
    rig.shard.handle_packet(rig.now, (1, Channel::Rtp), peer(1), &[0x80; 172]);
    rig.shard.handle_packet(rig.now, (999, Channel::Rtp), peer(1), &[0x80; 172]);
    assert_eq!(rig.shard.counters().stray_packets, 2);
}
