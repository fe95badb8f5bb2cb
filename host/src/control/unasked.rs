//! What is answered before there is a request: to what is none, and where there is no room.
//!
//! To what is no HTTP hyper answers by itself, with a status and without a body. It has no
//! means to say it in other words, so what it writes before it has found a request is held
//! back, and said as everything else is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;

use super::answers::{Code, Problem, line};
use super::connections::{MAX_HEAD, Stage};

/// In the first line of an answer: `HTTP/1.1 400 `.
const STATUS: std::ops::Range<usize> = 9..12;

/// A stream that takes nothing from hyper while the head of the request is still to come.
pub(super) struct Unasked<S> {
    stream: S,
    stage: watch::Receiver<Stage>,
    /// The beginning of what was held back.
    held: Vec<u8>,
}

impl<S> Unasked<S> {
    pub(super) fn new(stream: S, stage: watch::Receiver<Stage>) -> Self {
        Self {
            stream,
            stage,
            held: Vec::new(),
        }
    }

    fn is_unasked(&self) -> bool {
        *self.stage.borrow() == Stage::Coming
    }
}

impl<S: AsyncWrite + Unpin> Unasked<S> {
    /// Says what was held back, if something was.
    pub(super) async fn say(mut self) {
        let status = self.held.get(STATUS).map(StatusCode::from_bytes);
        if let Some(Ok(status)) = status {
            let what = match status {
                StatusCode::URI_TOO_LONG => "the address is too long: 65534 bytes at most".into(),
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
                    "the head of the request is too large: {MAX_HEAD} bytes and 100 headers at most"
                ),
                _ => "this is no request of HTTP/1.1".to_owned(),
            };
            let answer = answer(status, Code::InvalidRequest, what);
            // Who does not read it misses it.
            let _ = self.stream.write_all(&answer).await;
            let _ = self.stream.shutdown().await;
        }
    }
}

/// A whole answer, as it goes over the socket.
pub(super) fn answer(status: StatusCode, code: Code, error: String) -> Vec<u8> {
    let body = line(&Problem { error, code });
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

impl<S: AsyncRead + Unpin> AsyncRead for Unasked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unasked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_unasked() {
            let missing = STATUS.end.saturating_sub(self.held.len());
            self.held.extend(bytes.iter().take(missing));
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.is_unasked() {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_much_there_is_to_read() {
        let answer = answer(
            StatusCode::BAD_REQUEST,
            Code::InvalidRequest,
            "wrong".into(),
        );
        let answer = String::from_utf8(answer).expect("it is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("there is a body");
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        assert_eq!(body, "{\"error\":\"wrong\",\"code\":\"invalid-request\"}\n");
    }
}
