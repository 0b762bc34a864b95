//! What is refused by each operation alike.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use tokio::runtime::Builder;

use super::*;
use crate::tokens::TokenFile;

/// A body that is read without fault.
fn body(operation: &str) -> &'static str {
    match operation {
        "callParticipant" => "{\"uri\":\"sip:a@127.0.0.1\"}",
        "changeParticipant" => "{\"muted\":true}",
        "reserve" => "{\"legs\":1,\"from\":1,\"seconds\":1}",
        _ => "{}",
    }
}

/// A loop that takes no question has 503 said by each operation that is described so, and by no other.
#[test]
fn when_the_loop_takes_no_question_each_operation_says_so() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let at = listener.local_addr().expect("an address");
    let (asked, _) = mpsc::channel(1);
    let access = Access::new(TokenFile::default(), true, true);
    let _inside = runtime.enter();
    serve(listener, asked, access).expect("served");
    let description: Value =
        serde_json::from_str(include_str!("../../../../docs/openapi.json")).expect("JSON");
    for operation in routes::operations() {
        let path = operation.path.replace("{conference}", "aaaaaaaaaaaaaaaa");
        let path = path.replace("{participant}", "1").replace("{problem}", "busy");
        let (method, text) = (operation.method.as_str(), body(operation.name));
        let mut stream = TcpStream::connect(at).expect("connected");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let answers = &description["paths"][operation.path][method.to_lowercase()]["responses"];
        let is_busy = answer.starts_with("HTTP/1.1 503 ") && answer.contains("/v1/problems/busy");
        assert_eq!(is_busy, answers.get("503").is_some(), "{method} {path}: {answer}");
    }
}

/// Whoever waits when the loop ends must not hear that nothing was done: it may be on the disk.
#[tokio::test]
async fn who_is_not_answered_any_more_is_told_that_it_may_be_done() {
    let (asked, mut questions) = mpsc::channel(1);
    let waits = tokio::spawn(async move { ask(&asked, Asked::Ready).await });
    drop(questions.recv().await);
    let fault = waits.await.expect("no panic").expect_err("nobody answers");
    assert_eq!(fault.problem, Problem::ShuttingDown);
}
