//! The body of a request, which may be large, and slow to come.

use bytes::BytesMut;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::sync::watch;
use tokio::time::timeout;

use super::answers::Code;
use super::connections::{PATIENCE, ROOM_FOR_EACH, Shared, Stage, kib};
use super::refusal::Refusal;
use crate::office::Payload;

/// The body of a request, before any of it is read.
pub(super) struct RequestBody<'a> {
    incoming: Incoming,
    /// Of the connection it comes by.
    stage: &'a watch::Sender<Stage>,
}

impl<'a> RequestBody<'a> {
    pub(super) fn new(incoming: Incoming, stage: &'a watch::Sender<Stage>) -> Self {
        Self { incoming, stage }
    }

    /// All of it, if it is small enough and comes soon enough.
    pub(super) async fn read(self, shared: &Shared) -> Result<Payload, Refusal> {
        let Self {
            incoming: body,
            stage,
        } = self;
        let max = shared.max_payload;
        let too_large = || {
            let what = format!("the payload is too large: no packet takes more than {max} bytes");
            Refusal(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, what)
        };
        let size = body.size_hint();
        if size.lower() > max as u64 {
            return Err(too_large());
        }
        let size = size.upper().map_or(max, |upper| max.min(upper as usize));
        let collect = async {
            let mut body = Limited::new(body, max);
            let (mut payload, mut room) = (BytesMut::new(), None);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                    true => too_large(),
                    false => Refusal::from(format!("the body is not whole: {error}")),
                })?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                payload.extend_from_slice(&data);
                // What is only announced holds up nobody.
                if payload.len() > ROOM_FOR_EACH && room.is_none() {
                    room = shared.bodies.acquire_many(kib(size)).await.ok();
                }
            }
            Ok::<_, Refusal>(payload.freeze())
        };
        stage.send_replace(Stage::Sending);
        #[expect(
            clippy::disallowed_methods,
            reason = "only how long a client may take to send its payload"
        )]
        let collected = timeout(PATIENCE, collect).await;
        let collected = collected.map_err(|_| {
            let what = format!("the payload did not come within {} s", PATIENCE.as_secs());
            Refusal(StatusCode::REQUEST_TIMEOUT, Code::TooSlow, what)
        })??;
        stage.send_replace(Stage::Asking);
        Ok(Payload::new(collected))
    }
}
