//! Convoke: administers conferencing resources. Server, terminal and tools in one binary.

fn main() {}
