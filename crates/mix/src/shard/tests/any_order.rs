//! Whatever is commanded, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, prop};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use crate::Leftovers;
use crate::message::{
    Action, Channel, ConferenceKey, Direction, Done, Epoch, Listeners, PortId, Prompt, StreamSpec,
};
use crate::rig::{PCMU, Rig, Talker, peer, stream, transport};

#[derive(Clone, Debug)]
enum Step {
    Command(ConferenceKey, Epoch, Action),
    Packet { lent: u32, host: u8 },
    Tick,
}

fn actions() -> impl Strategy<Value = Action> {
    let add = |(port, lent, host)| Action::AddPort {
        port: PortId(port),
        transport: transport(lent, peer(host)),
        stream: stream(Direction::SendRecv, PCMU),
    };
    let update = |(port, lent, host)| Action::UpdatePort {
        port: PortId(port),
        transport: transport(lent, peer(host)),
        stream: StreamSpec { apart: host == 1, ..stream(Direction::Inactive, PCMU) },
    };
    let play = |port: Option<u32>| Action::Play {
        to: port.map_or(Listeners::Everybody, |port| Listeners::Port(PortId(port))),
        prompt: Prompt::Waiting,
    };
    prop_oneof![
        3 => Just(Action::OpenConference),
        1 => Just(Action::CloseConference),
        6 => (0u32..4, 0u32..20, 1u8..4).prop_map(add),
        2 => (0u32..4, 0u32..20, 1u8..4).prop_map(update),
        1 => (0u32..4, prop::bool::ANY)
            .prop_map(|(port, is_muted)| Action::MutePort { port: PortId(port), is_muted }),
        1 => prop::option::of(0u32..4).prop_map(play),
        2 => (0u32..4).prop_map(|port| Action::RemovePort { port: PortId(port) }),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let command =
        (0u32..3, 1u32..4, 1u64..3, actions()).prop_map(|(slot, generation, epoch, it)| {
            Step::Command(ConferenceKey { slot, generation }, Epoch(epoch), it)
        });
    let packet = (0u32..20, 1u8..4).prop_map(|(lent, host)| Step::Packet { lent, host });
    prop_oneof![4 => command, 3 => packet, 2 => Just(Step::Tick)]
}

proptest! {
    /// One reply to each command (the rig checks it), every socket given back once, and nothing left
    /// when all conferences are closed.
    #[test]
    fn nothing_is_left_and_no_socket_comes_back_twice(steps in prop::collection::vec(steps(), 0..150)) {
        let mut rig = Rig::new();
        let mut talker = Talker::tone(1, PCMU, 400.0, -10.0);
        let all = rig.shard.unused_lent();
        let mut added = 0;
        for step in steps {
            match step {
                Step::Command(key, epoch, action) => {
                    let before = rig.shard.leftovers().ports;
                    let outcome = rig.command_as(key, epoch, action);
                    let after = rig.shard.leftovers().ports;
                    if matches!(outcome, Ok(Done::PortAdded)) {
                        added += after - before; // not when it was asked for again
                    }
                    prop_assert!(outcome.is_ok() || before == after);
                }
                Step::Packet { lent, host } => {
                    rig.shard.handle_packet(rig.now, (lent, Channel::Rtp), peer(host), &talker.packet(160));
                }
                Step::Tick => rig.run_ms(10),
            }
            let ports = rig.shard.leftovers().ports;
            prop_assert_eq!(rig.shard.deadline().is_some(), ports > 0);
            prop_assert_eq!(added, ports + rig.released.len());
            prop_assert_eq!(all, rig.shard.unused_lent() + added);
        }
        for (slot, generation) in (0..3).flat_map(|slot| (1..4).map(move |it| (slot, it))) {
            let _ = rig.command_as(ConferenceKey { slot, generation }, Epoch(9), Action::CloseConference);
        }
        prop_assert_eq!(rig.shard.leftovers(), Leftovers::default());
        let once: BTreeSet<u32> = rig.released.iter().copied().collect();
        prop_assert_eq!(once.len(), rig.released.len());
        prop_assert_eq!(once.len(), added);
    }
}
