//! Random histories of a node that is killed again and again: whatever was promised before the cut stands after it.
//!
//! The checker keeps books of its own and knows nothing of the node's. Broken worlds show that it would see what it looks
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use node::{Leftovers, ReservationState};
use sip::Transport;
use units::{Rng, UnixTime};

use crate::reserving::{later, reserve};
use crate::rig::{Caller, FACTORY, Rig, Setting, contact};

/// Histories in each run: some ten seconds of processor time.
const SEEDS: u64 = 1_000;
const STEPS: usize = 80;
const SEATS: u32 = 14;
const HOLD: Duration = Duration::from_secs(60);
/// Copies of a request come within 64*T1.
const COPIES_FOR: Duration = Duration::from_secs(32);

/// What is broken in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Time passes, and no hold ends by it.
    EndlessHolds,
    /// The next process does not count what was promised before, but sells its room again.
    Uncounted,
    /// The old process goes on beside the next, and each takes some of those who come.
    DoubleClaim,
    /// The disk forgets one thing at each cut.
    ForgetfulDisk,
    /// The next process has other keys: another wall clock would do the same.
    OtherUri,
}

/// So long whoever was in when the process died may come back.
const REJOIN_WITHIN: Duration = Duration::from_secs(600);

/// One request to the factory, and what came of it.
#[derive(Clone)]
struct Asked {
    caller: Caller,
    uri: String,
    at: UnixTime,
}

struct World {
    fault: Fault,
    rig: Option<Rig>,
    /// The process that should be dead, in a world that is broken so.
    undead: Option<Rig>,
    rng: Rng,
    seats: u32,
    callers: u16,
    asked: Vec<Asked>,
    /// Who is in, by conference; those that run.
    legs: BTreeMap<String, Vec<Caller>>,
    /// Conferences that ran when the process died: they wait for their callers.
    waiting: BTreeSet<String>,
    /// Until when they do, and wait again if the first to come back is gone before the others come.
    may_come_back: BTreeMap<String, UnixTime>,
    over: BTreeSet<String>,
    /// By URI: how many legs, and until when.
    reserved: BTreeMap<String, (u32, UnixTime)>,
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl World {
    fn run(fault: Fault, seed: u64) -> Result<(), String> {
        let mut rig = Rig::with(Setting { seats: SEATS, ..Setting::default() });
        rig = rig.with_disk(BTreeMap::new());
        // A connection proves who asks, so what he is promised stands.
        rig.transport = Transport::Tcp;
        let mut world = Self {
            fault,
            rig: Some(rig),
            undead: None,
            rng: Rng::from_number(seed),
            seats: SEATS,
            callers: 0,
            asked: Vec::new(),
            legs: BTreeMap::new(),
            waiting: BTreeSet::new(),
            may_come_back: BTreeMap::new(),
            over: BTreeSet::new(),
            reserved: BTreeMap::new(),
        };
        for step in 0..STEPS {
            let what = world.rng.below(16);
            let done = world.step(what).and_then(|()| world.check());
            done.map_err(|why| format!("seed {seed}, step {step}, {what}: {why}"))?;
        }
        world.everything_ends().map_err(|why| format!("seed {seed}, at the end: {why}"))
    }

    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("one process runs")
    }

    fn step(&mut self, what: u64) -> Result<(), String> {
        match what {
            0..=2 => self.asks(),
            3 | 4 => self.asks_again(),
            5..=8 => self.joins(),
            9 | 10 => self.leaves(),
            11 => self.reserves(),
            12 | 13 => {
                let seconds = self.rng.below(40);
                self.pass(Duration::from_secs(seconds));
                Ok(())
            }
            _ => self.killed(),
        }
    }

    fn somebody(&mut self) -> Caller {
        self.callers += 1;
        Caller::new("caller", self.callers)
    }

    fn pass(&mut self, time: Duration) {
        match self.fault {
            Fault::EndlessHolds => self.rig().now += time,
            _ => {
                self.rig().pass(time);
            }
        }
    }

    /// Somebody presses the button.
    fn asks(&mut self) -> Result<(), String> {
        let caller = self.somebody();
        let seats = 1 + self.rng.below(6);
        let before = self.rig().used_and_held();
        let left = self.rig().node.leftovers();
        let text = caller.invite(&format!("{FACTORY};seats={seats}"));
        let response = self.rig().ask(caller.address, &text);
        match response.status.code() {
            302 => {
                let (uri, at) = (contact(&response), self.rig().wall_now());
                ensure(!self.is_known(&uri), "two callers got one URI")?;
                self.asked.push(Asked { caller, uri, at });
                Ok(())
            }
            480 => {
                let same =
                    before == self.rig().used_and_held() && left == self.rig().node.leftovers();
                ensure(same, "a refusal leaks")
            }
            code => Err(format!("{code} to who asks")),
        }
    }

    fn is_known(&self, uri: &str) -> bool {
        self.asked.iter().any(|asked| asked.uri == uri) || self.reserved.contains_key(uri)
    }

    /// A copy of his request comes, for the first answer was lost.
    fn asks_again(&mut self) -> Result<(), String> {
        let now = self.rig().wall_now();
        let is_young = |asked: &&Asked| now.0 - asked.at.0 < COPIES_FOR.as_secs();
        let young: Vec<Asked> = self.asked.iter().filter(is_young).cloned().collect();
        if young.is_empty() {
            return Ok(());
        }
        let asked = young[self.pick(young.len())].clone();
        if self.over.contains(&asked.uri) {
            return Ok(());
        }
        // Its seats are in the copy as well; what is held already is as large as it was.
        let response = self.rig().ask(asked.caller.address, &asked.caller.invite(FACTORY));
        match response.status.code() {
            302 => ensure(contact(&response) == asked.uri, "the same request got another URI"),
            // Its hold went with the process, and others have the room.
            480 => Ok(()),
            code => Err(format!("{code} to a copy")),
        }
    }

    fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.rng.below(of as u64)).expect("small")
    }

    /// Somebody calls a conference that there is, or was.
    fn joins(&mut self) -> Result<(), String> {
        let all: Vec<String> = self
            .asked
            .iter()
            .map(|asked| asked.uri.clone())
            .chain(self.reserved.keys().cloned())
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let uri = all[self.pick(all.len())].clone();
        self.joins_at(&uri)
    }

    fn joins_at(&mut self, uri: &str) -> Result<(), String> {
        let mut caller = self.somebody();
        let must = self.must_let_in(uri);
        let before = (self.rig().used_and_held(), self.rig().node.leftovers());
        let is_odd = self.callers % 2 == 1;
        let rig = match &mut self.undead {
            Some(undead) if is_odd => undead,
            _ => self.rig.as_mut().expect("one process runs"),
        };
        let code = rig.join(&mut caller, uri).status.code();
        if code == 200 {
            ensure(!self.over.contains(uri), "a conference that is over began again")?;
            self.waiting.remove(uri);
            self.legs.entry(uri.to_owned()).or_default().push(caller);
            return Ok(());
        }
        ensure(!must, &format!("{code} to who was promised"))?;
        ensure([404, 480, 486].contains(&code), &format!("{code} to who joins"))?;
        // Whose hold was asked after for the first time since the cut may have it back, though it is then full.
        let after = (self.rig().used_and_held(), self.rig().node.leftovers());
        ensure(before.0.0 == after.0.0 && before.1.ports == after.1.ports, "a refusal leaks")
    }

    /// Whether the next one who calls it has to be let in.
    fn must_let_in(&mut self, uri: &str) -> bool {
        let is_held = {
            let now = self.rig().wall_now();
            let asked = self.asked.iter().find(|asked| asked.uri == uri);
            asked.is_some_and(|asked| now.0 - asked.at.0 < HOLD.as_secs())
        };
        let (used, held) = self.rig().used_and_held();
        let now = self.rig().now;
        let owed: u32 = self.rig().node.reservations(now).iter().map(|it| it.missing).sum();
        let is_fresh = !self.legs.contains_key(uri) && !self.over.contains(uri);
        // Of what was only held the next process knows when its caller comes: then it takes what is free.
        self.waiting.contains(uri) || is_fresh && is_held && used + held + owed < SEATS
    }

    fn leaves(&mut self) -> Result<(), String> {
        let running: Vec<String> = self.legs.keys().cloned().collect();
        if running.is_empty() || self.undead.is_some() {
            return Ok(());
        }
        let uri = running[self.pick(running.len())].clone();
        self.one_leaves(&uri);
        Ok(())
    }

    fn one_leaves(&mut self, uri: &str) {
        let legs = self.legs.get_mut(uri).expect("it runs");
        let mut caller = legs.pop().expect("somebody is in");
        if legs.is_empty() {
            self.legs.remove(uri);
            let wall = self.rig().wall_now();
            if self.may_come_back.get(uri).is_some_and(|until| *until > wall) {
                self.waiting.insert(uri.to_owned());
            } else if !self.reserved.contains_key(uri) {
                self.over.insert(uri.to_owned());
            }
        }
        self.rig().leave(&mut caller, uri);
    }

    fn reserves(&mut self) -> Result<(), String> {
        let key = Some(self.rng.below(6).to_string());
        let legs = 1 + u32::try_from(self.rng.below(4)).expect("small");
        let wall = self.rig().wall_now();
        let from = UnixTime(wall.0 + 60 * self.rng.below(30));
        let until = UnixTime(from.0 + 3_600);
        let request = node::ReserveRequest { key, from, until, ..later(legs) };
        let now = self.rig().now;
        let before = self.rig().node.reservations(now).len();
        match reserve(self.rig(), request) {
            Ok(uri) => {
                // The same key again is the same reservation, as it was made first.
                self.reserved.entry(uri).or_insert((legs, until));
                Ok(())
            }
            Err(_) => ensure(self.rig().node.reservations(now).len() == before, "a refusal leaks"),
        }
    }

    /// The process is killed, and the next one begins.
    fn killed(&mut self) -> Result<(), String> {
        let down = Duration::from_secs(self.rng.below(4));
        let mut rig = self.rig.take().expect("one process runs");
        let mut setting = Setting { seats: SEATS, ..Setting::default() };
        match self.fault {
            Fault::Uncounted => setting.seats = 2 * self.seats,
            Fault::ForgetfulDisk => {
                rig.disk.pop_first();
            }
            Fault::OtherUri => {
                setting.factory.hosts = vec!["example.com".to_owned(), "127.0.0.1".to_owned()]
            }
            Fault::None | Fault::EndlessHolds | Fault::DoubleClaim => {}
        }
        let (disk, wall) = (rig.disk.clone(), rig.wall_now().after(down));
        let mut next = Rig::with(Setting { wall, ..setting }).with_disk(disk);
        next.transport = Transport::Tcp;
        if self.fault == Fault::DoubleClaim {
            self.undead = Some(rig);
        }
        self.rig = Some(next);
        // Who was in is out, and may come back.
        self.waiting.extend(std::mem::take(&mut self.legs).into_keys());
        let until = self.rig().wall_now().after(REJOIN_WITHIN);
        self.may_come_back.extend(self.waiting.iter().map(|uri| (uri.clone(), until)));
        // All at once, as people do; those of some come later.
        for uri in self.waiting.clone() {
            if self.rng.below(2) == 0 {
                self.joins_at(&uri)?;
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        let now = self.rig().now;
        let wall = self.rig().wall_now();
        let (used, held) = self.rig().used_and_held();
        ensure(used + held <= SEATS, "above capacity")?;
        let legs: usize = self.legs.values().map(Vec::len).sum();
        let status = self.rig().node.status(now);
        for (uri, legs) in &self.legs {
            let mut found = status.conferences.iter().filter(|it| it.uri == *uri);
            let there = found.next().map_or(0, |it| it.legs.len());
            ensure(found.next().is_none() && there == legs.len(), "not all are in one conference")?;
        }
        ensure(legs == used as usize, "legs that are not counted")?;
        self.reserved.retain(|_, (_, until)| *until > wall);
        let found = self.rig().node.reservations(now);
        for (uri, (legs, until)) in &self.reserved {
            let it = found.iter().find(|it| it.conference == *uri);
            let same = it.is_some_and(|it| (it.legs, it.until) == (*legs, *until));
            ensure(same, "a reservation is lost")?;
        }
        let running = found.iter().filter(|it| it.state == ReservationState::Running).count();
        ensure(running <= self.legs.len(), "a reservation runs and nobody is in")
    }

    fn everything_ends(&mut self) -> Result<(), String> {
        self.undead = None;
        for uri in self.legs.keys().cloned().collect::<Vec<_>>() {
            while self.legs.contains_key(&uri) {
                self.one_leaves(&uri);
            }
        }
        // A hold of a minute, ten minutes for who ran, reservations of an hour and a half.
        self.pass(Duration::from_secs(3 * 3_600));
        let left = self.rig().node.leftovers();
        ensure(self.rig().used_and_held() == (0, 0), "a hold did not end")?;
        ensure(left == Leftovers::default(), &format!("something is left: {left:?}"))?;
        let now = self.rig().now;
        ensure(self.rig().node.reservations(now).is_empty(), "a reservation did not end")?;
        ensure(self.rig().disk.is_empty(), "the disk keeps something")
    }
}

/// T23, T26, B02 · Never above the room there is; the same request, the same URI, also after a cut at any point; who was in
/// comes in again, and all into one conference; no reservation is lost; a refusal leaves nothing; everything ends.
#[test]
fn what_was_promised_outlives_any_cut() {
    for seed in 0..SEEDS {
        World::run(Fault::None, seed).unwrap();
    }
}

fn is_caught(fault: Fault, as_what: &str) {
    let found = (0..SEEDS).find_map(|seed| World::run(fault, seed).err()).unwrap_or_default();
    assert!(found.contains(as_what), "not caught as {as_what}: {found}");
}

#[test]
fn canary_holds_that_never_end_are_caught() {
    is_caught(Fault::EndlessHolds, "a hold did not end");
}

#[test]
fn canary_room_that_is_sold_again_after_a_cut_is_caught() {
    is_caught(Fault::Uncounted, "above capacity");
}

#[test]
fn canary_conference_that_two_processes_claim_is_caught() {
    is_caught(Fault::DoubleClaim, "not all are in one conference");
}

#[test]
fn canary_disk_that_forgets_is_caught() {
    is_caught(Fault::ForgetfulDisk, "");
    let all = (0..SEEDS).filter_map(|seed| World::run(Fault::ForgetfulDisk, seed).err());
    let all: Vec<String> = all.take(200).collect();
    for what in ["a reservation is lost", "404 to who was promised"] {
        assert!(all.iter().any(|found| found.contains(what)), "never {what}");
    }
}

#[test]
fn canary_uri_that_is_another_after_a_cut_is_caught() {
    is_caught(Fault::OtherUri, "the same request got another URI");
}
