//! What guests print, on its way to the log.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::testing::{GuestText, connection};
use crate::office::Answer;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Calls `connection` with this body and compares the log of it.
async fn check(connection_body: &'static str, expect: &[&str]) -> Answer {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .without_time()
        .with_ansi(false)
        .finish();
    let mut guest = GuestText {
        connection: connection_body,
        ..GuestText::default()
    }
    .guest();
    let logged = tracing::subscriber::set_default(subscriber);
    let answer = guest.call(&connection()).await;
    drop(logged);
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines, expect);
    answer
}

#[tokio::test]
async fn what_a_guest_prints_is_logged_line_by_line() {
    let answer = check(
        "(i32.store8 (i32.const 39) (i32.const 10))
        (call $print (i32.const 32) (i32.const 4))
        (call $print (i32.const 36) (i32.const 7))",
        &[
            " WARN guest: because guest=\"test\"",
            " WARN guest: \u{fffd}\u{fffd}\u{fffd} guest=\"test\"",
        ],
    )
    .await;
    assert!(matches!(answer, Answer::Done(_)));
}

#[tokio::test]
async fn last_words_before_a_trap_are_logged() {
    let answer = check(
        "(call $print (i32.const 32) (i32.const 7)) unreachable",
        &[" WARN guest: because guest=\"test\""],
    )
    .await;
    assert!(matches!(answer, Answer::Failed(_)));
}
