//! What the gateway does, as a body that goes on until the gateway ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::gateway::{Following, Line, News, NewsEvent, Report, Subject};
use crate::words::rough;

/// A line of JSON for each thing that happens.
#[derive(Debug)]
pub(super) struct Events {
    /// How it is at the beginning.
    first: Option<Bytes>,
    following: Following,
}

impl Events {
    pub(super) fn new(following: Following, report: &Report) -> Self {
        let first = News::new(NewsEvent::Following, Subject::Link, standing(report));
        Self {
            first: Some(Line::of(&first, &[], false).to_bytes()),
            following,
        }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let line = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.following.poll_line(cx),
        };
        line.map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

fn standing(report: &Report) -> String {
    let (lasted, broker) = (rough(report.lasted), &report.broker);
    if report.is_online {
        return format!("up for {lasted}: {broker}");
    }
    let mut text = format!("down for {lasted}: {broker}");
    if let Some(error) = &report.last_error {
        text += &format!(": {}", error.text);
    }
    if let Some(pause) = report.next_try {
        text += &format!("; again in {}", rough(pause));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::control::OPENAPI;

    #[test]
    fn each_kind_of_news_is_described() {
        let description: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let words = &description["components"]["schemas"]["Event"]["properties"]["event"]["enum"];
        let words: Vec<NewsEvent> = serde_json::from_value(words.clone()).expect("they are known");
        let all = [
            NewsEvent::Following,
            NewsEvent::Online,
            NewsEvent::Offline,
            NewsEvent::Subscribed,
            NewsEvent::SubscriptionRefused,
            NewsEvent::Unsubscribed,
            NewsEvent::Message,
            NewsEvent::MessageDropped,
            NewsEvent::Handled,
            NewsEvent::Timer,
            NewsEvent::Rejected,
            NewsEvent::PutOff,
            NewsEvent::Failed,
            NewsEvent::GivenUp,
            NewsEvent::Rebuilt,
            NewsEvent::Replaced,
            NewsEvent::Printed,
            NewsEvent::Will,
            NewsEvent::Accepted,
            NewsEvent::Sent,
            NewsEvent::Delivered,
            NewsEvent::Expired,
            NewsEvent::Displaced,
            NewsEvent::Refused,
            NewsEvent::Problem,
            NewsEvent::Dropped,
            NewsEvent::End,
        ];
        assert_eq!(words, all);
    }
}
