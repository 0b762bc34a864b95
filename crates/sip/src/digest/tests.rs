mod client;
mod server;
mod wire;
