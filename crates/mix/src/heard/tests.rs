//! Who gets a place, and who keeps it.

use super::*;

const SILENT: f64 = f64::NEG_INFINITY;

/// Legs that say a tone as loud as they are told to, tick by tick.
struct Table {
    voices: Vec<Voice>,
    places: usize,
    position: usize,
}

impl Table {
    fn new(voices: usize, places: usize) -> Self {
        Self { voices: (0..voices).map(|_| Voice::new()).collect(), places, position: 0 }
    }

    /// One tick, with a level for each voice; what each adds to the mix.
    fn tick(&mut self, dbov: &[f64]) -> Vec<Option<[i16; FRAME_SAMPLES]>> {
        let mut said = Vec::new();
        for (voice, &dbov) in self.voices.iter_mut().zip(dbov) {
            let tone = audio::tone(300.0, 8_000, dbov + 3.01, self.position + FRAME_SAMPLES);
            let frame: [i16; FRAME_SAMPLES] = tone[self.position..].try_into().expect("a frame");
            voice.listen(Some(&frame));
            said.push(frame);
        }
        // A whole number of periods of 300 Hz comes after 800 samples.
        self.position = (self.position + FRAME_SAMPLES) % 800;
        choose(&mut self.voices, self.places, |voice| Some(voice));
        let voices = self.voices.iter_mut().zip(&said);
        voices.map(|(voice, frame)| voice.contribution(Some(frame))).collect()
    }

    fn ticks(&mut self, count: usize, dbov: &[f64]) {
        (0..count).for_each(|_| drop(self.tick(dbov)));
    }

    fn heard(&self) -> Vec<usize> {
        (0..self.voices.len()).filter(|index| self.voices[*index].is_heard).collect()
    }
}

#[test]
fn the_loudest_get_the_places_in_the_tick_in_which_they_begin() {
    let mut table = Table::new(5, 3);
    table.ticks(1, &[-40.0, -20.0, -30.0, -25.0, SILENT]);
    assert_eq!(table.heard(), [1, 2, 3]);
}

#[test]
fn with_a_place_left_nobody_who_talks_is_left_out() {
    let mut table = Table::new(3, 3);
    table.ticks(2, &[-10.0, -50.0, SILENT]);
    assert_eq!(table.heard(), [0, 1]);
    table.ticks(1, &[-10.0, -50.0, -45.0]);
    assert_eq!(table.heard(), [0, 1, 2]);
}

#[test]
fn nobody_is_cut_in_the_middle_of_a_word_by_somebody_louder() {
    let mut table = Table::new(2, 1);
    table.ticks(10, &[-40.0, SILENT]);
    table.ticks(300, &[-40.0, -10.0]);
    assert_eq!(table.heard(), [0], "30 dB louder, for three seconds");
}

#[test]
fn between_two_words_the_place_goes_to_who_waits_and_else_stays() {
    let mut alone = Table::new(2, 1);
    alone.ticks(10, &[-30.0, SILENT]);
    alone.ticks(39, &[SILENT, SILENT]);
    assert_eq!(alone.heard(), [0], "nobody waits");
    let mut table = Table::new(2, 1);
    table.ticks(10, &[-30.0, SILENT]);
    table.ticks(14, &[SILENT, -30.0]);
    assert_eq!(table.heard(), [0], "a plosive");
    table.ticks(1, &[SILENT, -30.0]);
    assert_eq!(table.heard(), [1], "150 ms");
}

#[test]
fn who_is_quiet_for_400_ms_gives_his_place_back() {
    let mut table = Table::new(1, 3);
    table.ticks(10, &[-30.0]);
    table.ticks(40, &[SILENT]);
    assert_eq!(table.heard(), [0]);
    table.ticks(1, &[SILENT]);
    assert_eq!(table.heard(), [] as [usize; 0]);
}

#[test]
fn what_never_pauses_is_no_word_and_yields_to_who_is_clearly_louder() {
    let mut table = Table::new(3, 1);
    table.ticks(801, &[-30.0, SILENT, SILENT]);
    table.ticks(50, &[-30.0, -26.0, SILENT]);
    assert_eq!(table.heard(), [0], "not clearly louder");
    table.ticks(50, &[-30.0, -26.0, -20.0]);
    assert_eq!(table.heard(), [2]);
    table.ticks(1_000, &[-30.0, -26.0, -20.0]);
    assert_eq!(table.heard(), [2], "and it stays so: no see-saw");
}

#[test]
fn a_place_is_never_given_twice() {
    let mut table = Table::new(6, 2);
    let mut seed = 1_u32;
    for _ in 0..3_000 {
        let levels: Vec<f64> = (0..6)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [SILENT, -50.0, -30.0, -10.0][(seed >> 30) as usize]
            })
            .collect();
        table.tick(&levels);
        assert!(table.heard().len() <= 2);
    }
}

#[test]
fn who_gets_or_loses_a_place_is_faded_and_not_clipped() {
    let mut table = Table::new(2, 1);
    let first = table.tick(&[-20.0, SILENT])[0].expect("heard");
    let whole = audio::tone(300.0, 8_000, -16.99, FRAME_SAMPLES);
    assert_eq!(first[0], 0);
    assert!(
        first[1..40].iter().zip(&whole[1..40]).all(|(a, b)| a.unsigned_abs() <= b.unsigned_abs())
    );
    assert_eq!(first[40..], whole[40..]);
    table.ticks(9, &[-20.0, SILENT]);
    table.ticks(14, &[SILENT, -20.0]);
    let last = table.tick(&[-60.0, -20.0]);
    let (gone, come) = (last[0].expect("its last"), last[1].expect("its first"));
    assert_eq!((gone[79], come[0]), (0, 0), "one goes out, the other comes in");
    let after = table.tick(&[-60.0, -20.0]);
    assert!(after[0].is_none() && after[1].is_some());
}

/// Who begins to talk is told within 150 ms, who stops after the pause that is part of talking.
#[test]
fn beginning_and_end_are_told_once() {
    let mut table = Table::new(1, 3);
    let mut told = vec![];
    for tick in 0..200 {
        table.tick(&[if (50..100).contains(&tick) { -30.0 } else { SILENT }]);
        let voice = &mut table.voices[0];
        if let Some(is_talking) = voice.news() {
            told.push((tick, is_talking));
            voice.told();
        }
    }
    assert_eq!(told, [(50, true), (140, false)]);
}
