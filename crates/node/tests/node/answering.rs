//! How a factory hands over a conference, by who asks.

use focus::factory::{AnswerForm, AnswerRule, FactoryConfig};
use focus::{DialRules, Network};
use node::{ExplainQuery, Limits, OverloadConfig, Settings};
use sip::Transport;

use crate::rig::{Caller, FACTORY, NODE, Rig, Setting, contact};
use crate::taking_over::naming;

fn rule(user_agent: &str, source: &str, transport: Option<Transport>) -> AnswerRule {
    let written = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    AnswerRule {
        user_agent: written(user_agent).map(|text| text.parse().expect("a pattern")),
        source: written(source).map(|text| text.parse::<Network>().expect("a network")),
        transport,
        answer: AnswerForm::Deliver,
    }
}

fn factory(answer_rules: Vec<AnswerRule>) -> FactoryConfig {
    FactoryConfig { answer_rules, ..Setting::default().factory }
}

fn rig(answer_rules: Vec<AnswerRule>) -> Rig {
    Rig::with(Setting { factory: factory(answer_rules), ..Setting::default() })
}

fn caller(number: u16, user_agent: &str, address: &str) -> Caller {
    let mut caller = Caller::new("alice", number);
    if !user_agent.is_empty() {
        caller.extra = format!("User-Agent: {user_agent}\r\n");
    }
    caller.address.set_ip(address.parse().expect("an address"));
    caller
}

/// The status, and which rule `explain` names.
fn answered(rig: &mut Rig, caller: &Caller) -> (u16, Option<usize>, String) {
    let response = rig.ask(caller.address, &caller.invite(FACTORY));
    let query = ExplainQuery::Conference(contact(&response));
    let explained = rig.node.explain(rig.now, &query).expect("known").decisions;
    let answer = explained[0].answer.clone().expect("asked by SIP");
    (response.status.code(), answer.rule, answer.because)
}

#[test]
fn each_criterion_decides_and_all_that_are_named_must_fit() {
    let tcp = Some(Transport::Tcp);
    let mut rig = rig(vec![
        rule("AudioCodes*", "10.0.0.0/8", tcp),
        rule("*softphone*", "", None),
        rule("", "192.0.2.0/24", None),
        rule("", "127.0.0.2", tcp),
    ]);
    let codes = "AudioCodes-420HD/2.2";
    for (number, (user_agent, address, transport, rule)) in [
        (codes, "10.1.2.3", Transport::Tcp, Some(1)),
        (codes, "10.1.2.3", Transport::Udp, None),
        (codes, "11.1.2.3", Transport::Tcp, None),
        ("Other/1", "10.1.2.3", Transport::Tcp, None),
        ("", "10.1.2.3", Transport::Tcp, None),
        ("A Softphone 3", "10.1.2.3", Transport::Tcp, Some(2)),
        ("A Softphone 3", "192.0.2.9", Transport::Udp, Some(2)),
        ("", "192.0.2.9", Transport::Udp, Some(3)),
        ("", "192.0.3.9", Transport::Udp, None),
        ("", "127.0.0.2", Transport::Tcp, Some(4)),
        ("", "127.0.0.2", Transport::Udp, None),
    ]
    .into_iter()
    .enumerate()
    {
        rig.transport = transport;
        let caller = caller(u16::try_from(number).expect("few"), user_agent, address);
        let (status, named, because) = answered(&mut rig, &caller);
        assert_eq!(status, if rule.is_some() { 200 } else { 302 }, "{number}");
        assert_eq!((named, because.is_empty()), (rule, rule.is_none()), "{number}: {because}");
    }
}

#[test]
fn explain_names_the_rule_as_it_is_written() {
    let mut rig =
        rig(vec![rule("", "192.0.2.0/24", None), rule("AudioCodes*", "127.0.0.0/8", None)]);
    let (_, _, because) = answered(&mut rig, &caller(1, "AudioCodes/1", "127.0.0.1"));
    assert_eq!(because, "user_agent = \"audiocodes*\", source = \"127.0.0.0/8\"");
}

/// The first that fits counts, and a rule may also send away whom the factory would answer itself.
#[test]
fn rule_may_redirect_where_the_factory_delivers() {
    let redirect = AnswerRule { answer: AnswerForm::Redirect, ..rule("a*", "", None) };
    let config = factory(vec![redirect, rule("*", "", None)]);
    let config = FactoryConfig { answer: AnswerForm::Deliver, ..config };
    let mut rig = Rig::with(Setting { factory: config, ..Setting::default() });
    assert_eq!(answered(&mut rig, &caller(1, "a", "127.0.0.1")).0, 302);
    let (status, named, _) = answered(&mut rig, &caller(2, "b", "127.0.0.1"));
    assert_eq!((status, named), (200, Some(2)));
}

/// B02: the same request by another transport, and so by another rule, means the same conference.
#[test]
fn same_request_by_another_rule_means_the_same_conference() {
    let mut rig = rig(vec![rule("", "", Some(Transport::Tcp))]);
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    alice.cseq += 1;
    alice.rebranch();
    rig.transport = Transport::Tcp;
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    assert_eq!((response.status.code(), contact(&response)), (200, uri));
    assert_eq!(rig.used_and_held(), (1, 3));
}

#[test]
fn refusal_keeps_nothing_and_tells_its_rule_too() {
    let delivering = factory(vec![rule("b*", "", None)]);
    let mut rig = Rig::with(Setting { seats: 6, factory: delivering, ..Setting::default() });
    let bob = caller(1, "bob's phone", "127.0.0.1");
    let response = rig.ask(bob.address, &bob.invite(&format!("{FACTORY};seats=7")));
    assert_eq!(response.status.code(), 480);
    let recent = rig.node.explain(rig.now, &ExplainQuery::Recent).expect("one").decisions;
    assert_eq!(recent[0].answer.as_ref().and_then(|answer| answer.rule), Some(1));
    assert_eq!((rig.node.leftovers().holds, rig.used_and_held()), (0, (0, 0)));
}

#[test]
fn rules_change_while_the_node_runs() {
    let mut rig = rig(vec![]);
    let alice = caller(1, "phone", "127.0.0.1");
    assert_eq!(answered(&mut rig, &alice).0, 302);
    let settings = |rules| Settings {
        factories: vec![factory(rules)],
        auth: None,
        dial_out: DialRules::default(),
        limits: Limits::default(),
        overload: OverloadConfig::default(),
    };
    let everybody = rule("", &NODE.ip().to_string(), None);
    assert_eq!(rig.node.apply(settings(vec![everybody.clone()])), Ok(()));
    assert_eq!(answered(&mut rig, &caller(2, "phone", "127.0.0.1")).0, 200);
    assert!(rig.node.apply(settings(vec![everybody; 65])).is_err(), "too many");
    assert_eq!(answered(&mut rig, &caller(3, "phone", "127.0.0.1")).0, 200, "nothing has changed");
}

/// RFC 3911 §4 · who cannot follow a redirection is not redirected either when he names a dialog to join.
#[test]
fn a_rule_counts_for_who_names_a_dialog_too() {
    let mut rig = rig(vec![rule("desk*", "", None)]);
    let mut bob = Caller::new("bob", 2);
    let uri = rig.conference(&bob);
    rig.join(&mut bob, &uri);
    for (number, user_agent, expected) in [(3, "desk/1", 200), (4, "soft/1", 302)] {
        let mut alice = caller(number, user_agent, "127.0.0.1");
        alice.extra += &naming("Join", &bob);
        let response = rig.ask(alice.address, &alice.invite(FACTORY));
        assert_eq!((response.status.code(), contact(&response)), (expected, uri.clone()));
    }
}
