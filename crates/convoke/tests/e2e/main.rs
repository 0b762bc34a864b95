//! The commands as processes of their own on loopback, one test after another.

mod call;
mod checking;
mod demo;
mod draining;
mod entering;
mod errors;
mod fault;
mod flow;
mod hooking;
mod https;
mod lab;
mod loading;
mod names;
mod pcap_reader;
mod receiver;
mod recipes;
mod recursing_proxy;
mod reloading;
mod restarting;
mod seeing;
mod unread;
mod users;
mod watching;

use peers::processes;
