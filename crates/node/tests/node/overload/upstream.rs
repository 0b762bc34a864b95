//! One upstream that has all the calls: a proxy, which speaks RFC 7339 or does not.

use node::OverloadConfig;
use sip::{HeaderName, Transport};

use super::world::{Answer, CAPACITY, World, stranger};
use super::{MOMENT, SECOND};
use crate::rig::{Caller, FACTORY, header};

/// A proxy with one address.
struct Proxy {
    helps: bool,
    /// Percent that it keeps back.
    loss: u64,
    last_seq: f64,
    number: u32,
}

impl Proxy {
    const fn new(helps: bool) -> Self {
        Self { helps, loss: 0, last_seq: 0.0, number: 0 }
    }

    /// Its callers want so many conferences a second; a tenth of a second passes.
    fn sends(&mut self, world: &mut World, demand: u32) {
        let sends = u64::from(demand) / 10 * (100 - self.loss) / 100;
        for n in 0..sends {
            self.number += 1;
            let proxy = stranger("proxy", self.number, 7);
            let behind = "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-phone\r\nFrom: ";
            let mut text = proxy.invite(FACTORY).replacen("From: ", behind, 1);
            if self.helps {
                text = text.replacen(";branch", ";oc;oc-algo=\"loss\";branch", 1);
            }
            let at = world.rig.now
                + MOMENT / u32::try_from(sends).expect("few") * u32::try_from(n).expect("few");
            world.acknowledged(&proxy);
            world.send(at, &proxy, text);
        }
        world.run(MOMENT);
    }

    /// Does as the answers say that came since the last time, and gives them.
    fn learns(&mut self, world: &mut World) -> Vec<Answer> {
        let answers = std::mem::take(&mut world.answers);
        for answer in answers.iter().filter(|it| it.call_id.starts_with("proxy")) {
            let via = answer.response.headers.top_via().expect("a Via");
            assert_eq!(header(&answer.response, &HeaderName::RetryAfter), None, "RFC 7339 §5.10.2");
            if !self.helps {
                assert!(!via.params.has("oc"), "§5.1");
                continue;
            }
            let value = |name: &str| via.params.value(name).expect("there").to_owned();
            assert_eq!(via.params.value("oc-algo"), Some("\"loss\""));
            let seq: f64 = value("oc-seq").parse().expect("a number");
            assert_eq!(value("oc") == "0", value("oc-validity") == "0");
            if seq >= self.last_seq {
                (self.loss, self.last_seq) = (value("oc").parse().expect("percent"), seq);
            }
        }
        answers
    }
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|it| it.status() == status).count()
}

/// A37, T25 · RFC 7339 §5, §7: a proxy that does as it is told is refused hardly anything, loses no time, and is let go when it is
/// over.
#[test]
fn a_proxy_that_helps_is_refused_hardly_anything() {
    let mut world = World::new(OverloadConfig::default());
    let mut proxy = Proxy::new(true);
    let mut refused_late = 0;
    for tenth in 0..200 {
        proxy.sends(&mut world, if tenth < 100 { 4 * CAPACITY } else { CAPACITY / 4 });
        let answers = proxy.learns(&mut world);
        refused_late += if (50..100).contains(&tenth) { count(&answers, 503) } else { 0 };
        if tenth == 99 {
            assert!((60..=90).contains(&proxy.loss), "a quarter can be done: {}", proxy.loss);
        }
    }
    assert!(refused_late < 5 * CAPACITY as usize / 5, "{refused_late}");
    assert_eq!(proxy.loss, 0, "it is over");
    assert!(proxy.last_seq > 1_795_400_000.0, "§4.4: a clock");
}

/// So many legs that came over the connection of the proxy.
fn legs(world: &mut World, count: u32) -> (Vec<Caller>, String) {
    let mut legs: Vec<Caller> = (0..count).map(|n| stranger("leg", n, 7)).collect();
    world.rig.transport = world.transport;
    let uri = world.rig.conference(&legs[0]);
    for leg in &mut legs {
        assert_eq!(world.rig.join(leg, &uri).status.code(), 200);
    }
    (legs, uri)
}

/// T27 · an upstream has all its calls on one connection, and more than can be done: whether it knows RFC 7339 or not, each gets an
/// answer, and soon; the calls that there are end by their BYE. With `oc` it loses nothing by it, at ten times the load; without
/// it, what all those refusals cost, for over a connection nothing comes again that could be left without one.
#[test]
fn a_connection_with_more_calls_than_can_be_done_has_each_of_them_answered() {
    for (helps, times, least_percent) in [(true, 10, 90), (false, 2, 85), (false, 4, 65)] {
        let mut world = World::new(OverloadConfig::default());
        world.transport = Transport::Tcp;
        let (mut legs, uri) = legs(&mut world, 20);
        let mut proxy = Proxy::new(helps);
        let (mut answers, mut settled) = (Vec::new(), 0);
        for tenth in 0..100_u32 {
            if let Some(leg) = legs.get_mut(tenth as usize / 5).filter(|_| tenth % 5 == 0) {
                leg.cseq += 1;
                let bye = leg.request("BYE", &uri);
                world.send(world.rig.now, leg, bye);
            }
            proxy.sends(&mut world, times * CAPACITY);
            answers.extend(proxy.learns(&mut world));
            if tenth == 20 {
                settled = answers.len();
            }
        }
        world.run(SECOND);
        answers.extend(proxy.learns(&mut world));
        let at = format!("{helps} {times}");
        assert_eq!(count(&answers, 200), 20, "{at}: every BYE");
        let asked = usize::try_from(proxy.number).expect("few");
        assert_eq!(count(&answers, 302) + count(&answers, 503), asked, "{at}: each is answered");
        // Before that the rate is looked for.
        let since = &answers[settled..];
        let percent = count(since, 302) * 100 / (8 * CAPACITY as usize);
        let longest = since.iter().map(|it| it.waited).max().expect("some");
        println!("{at}: {percent} % of what can be done, after {longest:?} at most");
        assert!(percent >= least_percent && longest < 4 * MOMENT, "{at}");
    }
}
