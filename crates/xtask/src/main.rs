//! The one door for people: demo, test, sim, tidy.

fn main() {}
