//! G.711, resampling, levels, saturating sums.
