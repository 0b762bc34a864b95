//! One conference's media for one tick.
