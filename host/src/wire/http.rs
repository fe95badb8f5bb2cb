//! Answers of HTTP/1.1, as far as somebody has to understand them who only wants
//! to get through: the head, and of that what it is about.

use std::fmt;

use bytes::{Buf, BytesMut};
use httparse::{EMPTY_HEADER, Response, Status};
use tungstenite::http::{HeaderName, HeaderValue, StatusCode};

use super::Secret;
use super::frame::is_tls_alert;

/// How long the head of an answer may be, in bytes.
const LONGEST: usize = 16 << 10;

/// How many headers it may have.
const HEADERS: usize = 100;

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHttp {
    /// It is an alert of TLS.
    Tls,
    /// It is something else.
    Other,
    /// Its head has no end.
    TooLong,
}

impl Answer {
    /// Takes the head of an answer off the front of `bytes`; none while it is not
    /// whole.
    pub(crate) fn read(bytes: &mut BytesMut) -> Result<Option<Self>, NotHttp> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = Response::new(&mut headers);
        let length = match response.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < LONGEST => return Ok(None),
            Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(NotHttp::TooLong);
            }
            Err(_) if is_tls_alert(bytes) => return Err(NotHttp::Tls),
            Err(_) => return Err(NotHttp::Other),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let answer = Self {
            status: response.code.unwrap_or_default(),
            headers: response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
        };
        bytes.advance(length);
        Ok(Some(answer))
    }

    /// The first header of this name.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether a header of this name lists this word, whatever its case.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|listed| listed.trim().eq_ignore_ascii_case(word))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// A header to send along. Prints without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHeader {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl HttpHeader {
    /// The header of this name, if the value can be that of a header.
    pub fn new(name: HeaderName, value: &Secret) -> Option<Self> {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some(Self { name, value })
    }
}

/// A status in numbers and, where they are known, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpStatus(pub u16);

impl fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = StatusCode::from_u16(self.0).ok();
        match status.and_then(|status| status.canonical_reason()) {
            Some(words) => write!(f, "{} {words}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Answer>, NotHttp> {
        Answer::read(&mut BytesMut::from(text))
    }

    #[test]
    fn the_head_is_taken_and_no_byte_more() {
        let whole = "HTTP/1.1 101 Fine\r\nA: b, c\r\na:  D \r\n\r\nrest";
        for cut in 0..whole.len() - "rest".len() {
            assert_eq!(read(&whole[..cut]), Ok(None), "{cut}");
        }
        let mut bytes = BytesMut::from(whole);
        let answer = Answer::read(&mut bytes).unwrap().unwrap();
        assert_eq!(&bytes[..], b"rest");
        assert_eq!(answer.status, 101);
        assert_eq!(answer.header("A"), Some("b, c"));
        for word in ["b", "C", "d"] {
            assert!(answer.lists("a", word));
        }
        assert!(!answer.lists("a", "b, c"));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        assert_eq!(read("SSH-2.0-OpenSSH\r\n"), Err(NotHttp::Other));
        assert_eq!(
            read("\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{46}"),
            Err(NotHttp::Tls)
        );
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(LONGEST));
        assert_eq!(read(&endless), Err(NotHttp::TooLong));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
        assert_eq!(read(&many), Err(NotHttp::TooLong));
    }

    #[test]
    fn a_status_is_shown_in_words_where_there_are_any() {
        assert_eq!(HttpStatus(404).to_string(), "404 Not Found");
        assert_eq!(HttpStatus(799).to_string(), "799");
    }
}
