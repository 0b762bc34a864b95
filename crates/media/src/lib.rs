//! Media shards: threads, sockets, ticks.
