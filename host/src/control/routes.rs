//! What there is to ask for, and what is answered.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

use super::OPENAPI;
use super::answers::{AcceptedLetter, Changes, Code, Health, Letters, Problem, Status};
use super::connections::{PATIENCE, ROOM_FOR_EACH, Shared, Stage, kib};
use super::events::Events;
use super::query::Query;
use super::reload::NotReloaded;
use crate::config::parse_duration;
use crate::gateway::{Draft, Ended, NotFollowed, NotPublished, UnknownGuest};
use crate::office::{
    CONTROL_PERMISSIONS, DEFAULT_TTL, NotAccepted, NotCancelled, NotHanded, Payload, Priority, Qos,
    Rule, Ticket,
};

/// How many letters are listed if nobody says how many, and at most.
const LISTED: usize = 1000;

const JSON: &str = "application/json";

pub(super) type Answer = Response<Either<Full<Bytes>, Events>>;

/// Something that can be asked for.
struct Route {
    method: Method,
    /// `{ticket}` stands for any one segment.
    path: &'static str,
    /// The parameters that it takes.
    query: &'static [&'static str],
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Publish,
    Letters,
    Cancel,
    Send,
    Status,
    Health,
    Events,
    Reload,
    Reconnect,
    OpenApi,
}

const ROUTES: [Route; 10] = [
    Route {
        method: Method::POST,
        path: "/letters",
        query: &[
            "topic",
            "qos",
            "retain",
            "ttl",
            "after-reboot",
            "priority",
            "replace-key",
            "tag",
            "wait",
        ],
        action: Action::Publish,
    },
    Route {
        method: Method::GET,
        path: "/letters",
        query: &["guest", "limit"],
        action: Action::Letters,
    },
    Route {
        method: Method::DELETE,
        path: "/letters/{ticket}",
        query: &[],
        action: Action::Cancel,
    },
    Route {
        method: Method::POST,
        path: "/messages",
        query: &["guest", "topic"],
        action: Action::Send,
    },
    Route {
        method: Method::GET,
        path: "/status",
        query: &[],
        action: Action::Status,
    },
    Route {
        method: Method::GET,
        path: "/health",
        query: &[],
        action: Action::Health,
    },
    Route {
        method: Method::GET,
        path: "/events",
        query: &["payloads"],
        action: Action::Events,
    },
    Route {
        method: Method::POST,
        path: "/reload",
        query: &[],
        action: Action::Reload,
    },
    Route {
        method: Method::POST,
        path: "/reconnect",
        query: &[],
        action: Action::Reconnect,
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        query: &[],
        action: Action::OpenApi,
    },
];

/// Why something is not done: how HTTP calls it, how programs do, and what people
/// are told.
struct Refusal(StatusCode, Code, String);

/// Does what is asked for. `stage` is that of the connection it came by.
pub(super) async fn answer(
    shared: &Shared,
    stage: &watch::Sender<Stage>,
    request: Request<Incoming>,
) -> Answer {
    if let Some(token) = &shared.token {
        let named = request.headers().get(AUTHORIZATION);
        if !named.is_some_and(|header| token.is_named_by(header.as_bytes())) {
            let what = "the token is missing or wrong: write `Authorization: Bearer TOKEN`";
            let refusal = Refusal(StatusCode::UNAUTHORIZED, Code::Unauthorized, what.into());
            let mut answer = refused(refusal);
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            return answer;
        }
    }
    let path = request.uri().path();
    let here: Vec<_> = ROUTES.iter().filter(|route| route.is_at(path)).collect();
    if here.is_empty() {
        let what = format!("there is nothing at {path:?}; GET /openapi.json says what there is");
        return refused(Refusal(StatusCode::NOT_FOUND, Code::UnknownRoute, what));
    }
    match here.iter().find(|route| route.method == *request.method()) {
        Some(route) => {
            let done = act(shared, stage, route, request).await;
            done.unwrap_or_else(refused)
        }
        None => {
            let methods: Vec<_> = here.iter().map(|route| route.method.as_str()).collect();
            let methods = methods.join(", ");
            let what = format!("{path} takes {methods}");
            let refusal = Refusal(StatusCode::METHOD_NOT_ALLOWED, Code::WrongMethod, what);
            let mut answer = refused(refusal);
            if let Ok(methods) = HeaderValue::from_str(&methods) {
                answer.headers_mut().insert(ALLOW, methods);
            }
            answer
        }
    }
}

async fn act(
    shared: &Shared,
    stage: &watch::Sender<Stage>,
    route: &Route,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or(""), route.query)?;
    let control = &shared.control;
    match route.action {
        Action::Publish => publish(shared, stage, &query, request).await,
        Action::Letters => {
            let most = |text: &str| text.parse().ok().filter(|most| *most <= LISTED);
            let most = query.read("limit", LISTED, most, "a number from 0 to 1000")?;
            let guest = query.get("guest").map(str::to_owned);
            let letters = control.letters(guest, most).await??;
            Ok(json(StatusCode::OK, &Letters::from(letters)))
        }
        Action::Cancel => {
            let ticket = request.uri().path().rsplit('/').next();
            let ticket = ticket.and_then(|ticket| ticket.parse().ok());
            let ticket = ticket.ok_or_else(|| "a ticket is a number".to_owned())?;
            let ticket = Ticket(ticket);
            let outcome = control.cancel(ticket).await??;
            let cancelled = AcceptedLetter::new(ticket, None, Some(outcome));
            Ok(json(StatusCode::OK, &cancelled))
        }
        Action::Send => {
            let guest = query.required("guest")?.to_owned();
            let topic = query.required("topic")?.into();
            let payload = payload(shared, stage, request).await?;
            control.hand(guest, topic, payload).await???;
            Ok(json(StatusCode::ACCEPTED, &Empty {}))
        }
        Action::Status => {
            let report = control.report().await?;
            Ok(json(StatusCode::OK, &Status::from(report)))
        }
        Action::Health => {
            let report = control.report().await?;
            let status = match report.is_online && report.not_kept.is_none() {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            Ok(json(status, &Health::from(&report)))
        }
        Action::Events => {
            let (following, report) = control.follow(query.flag("payloads")?).await??;
            let events = Either::Right(Events::new(following, &report));
            Ok(with_type(StatusCode::OK, "application/x-ndjson", events))
        }
        Action::Reload => {
            let reloaded = shared.reloads.reload().await??;
            Ok(json(StatusCode::OK, &Changes::from(reloaded)))
        }
        Action::Reconnect => {
            control.request_reconnect().await??;
            Ok(json(StatusCode::ACCEPTED, &Empty {}))
        }
        Action::OpenApi => Ok(with_type(StatusCode::OK, JSON, whole(OPENAPI))),
    }
}

#[derive(Serialize)]
struct Empty {}

async fn publish(
    shared: &Shared,
    stage: &watch::Sender<Stage>,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let qos = |text: &str| text.parse().ok();
    let priority = |text: &str| text.parse().ok();
    let when_off = |text: &str| text.parse().ok().map(Some);
    let wait = query.read(
        "wait",
        None,
        patience,
        "true, false or a duration such as 30s",
    )?;
    let mut draft = Draft {
        topic: query.required("topic")?.into(),
        payload: Payload::new([]),
        qos: query.read("qos", Qos::AtLeastOnce, qos, "0, 1 or 2")?,
        retain: query.flag("retain")?,
        ttl: query.read(
            "ttl",
            DEFAULT_TTL,
            parse_duration,
            "a duration such as 500ms, 10s, 5m or 2h",
        )?,
        when_off: query.read("after-reboot", None, when_off, "count, pause or drop")?,
        priority: query.read(
            "priority",
            Priority::Normal,
            priority,
            "low, normal or high",
        )?,
        replace_key: query.get("replace-key").map(Into::into),
        tag: query.get("tag").map(Into::into),
    };
    draft.payload = payload(shared, stage, request).await?;
    // Who has sent only a part of it takes nobody's place.
    let _waits = match wait {
        Some(_) => Some(shared.waiting.try_acquire().map_err(|_| {
            let what = "too many wait for outcomes already";
            Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                what.into(),
            )
        })?),
        None => None,
    };
    let accepted = shared.control.publish(draft).await??;
    let (ticket, tag) = (accepted.ticket, query.get("tag"));
    #[expect(
        clippy::disallowed_methods,
        reason = "only how long a client wants to wait"
    )]
    let outcome = match wait {
        Some(most) => timeout(most, accepted.outcome).await.ok(),
        None => None,
    };
    // Where the time is over or the gateway ends, the letter is accepted all the same.
    let outcome = outcome.and_then(Result::ok);
    let status = match outcome {
        Some(_) => StatusCode::OK,
        None => StatusCode::ACCEPTED,
    };
    let accepted = AcceptedLetter::new(ticket, tag, outcome);
    Ok(json(status, &accepted))
}

/// For how long an outcome is waited for at most, if at all.
fn patience(text: &str) -> Option<Option<Duration>> {
    match text {
        "" | "true" => Some(Some(Duration::MAX)),
        "false" => Some(None),
        _ => parse_duration(text).map(Some),
    }
}

/// The body, if it is small enough and comes soon enough.
async fn payload(
    shared: &Shared,
    stage: &watch::Sender<Stage>,
    request: Request<Incoming>,
) -> Result<Payload, Refusal> {
    let max = shared.max_payload;
    let too_large = || {
        let what = format!("the payload is too large: no packet takes more than {max} bytes");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, what)
    };
    let body = request.into_body();
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

impl Route {
    fn is_at(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let is_same = |own: &str| {
            let theirs = segments.next();
            theirs.is_some_and(|theirs| own == theirs || (own == "{ticket}" && !theirs.is_empty()))
        };
        self.path.split('/').all(is_same) && segments.next().is_none()
    }
}

fn refused(Refusal(status, code, error): Refusal) -> Answer {
    json(status, &Problem { error, code })
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    with_type(status, JSON, whole(line(body)))
}

/// JSON, as it is sent.
pub(super) fn line(body: &impl Serialize) -> Vec<u8> {
    // What fails here would be a key that is no text.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    text
}

fn whole(body: impl Into<Bytes>) -> Either<Full<Bytes>, Events> {
    Either::Left(Full::new(body.into()))
}

fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: Either<Full<Bytes>, Events>,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Something in the request is not as it has to be.
impl From<String> for Refusal {
    fn from(what: String) -> Self {
        Self(StatusCode::BAD_REQUEST, Code::InvalidRequest, what)
    }
}

impl From<Ended> for Refusal {
    fn from(ended: Ended) -> Self {
        let what = ended.to_string();
        Self(StatusCode::SERVICE_UNAVAILABLE, Code::Stopping, what)
    }
}

impl From<NotFollowed> for Refusal {
    fn from(why: NotFollowed) -> Self {
        let what = why.to_string();
        match why {
            NotFollowed::TooMany => Self(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, what),
            NotFollowed::NotPermitted(rule) => rule.into(),
        }
    }
}

impl From<NotReloaded> for Refusal {
    fn from(why: NotReloaded) -> Self {
        match why {
            NotReloaded::Invalid(what) => Self(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::InvalidConfiguration,
                what,
            ),
            NotReloaded::NotPermitted(rule) => rule.into(),
        }
    }
}

impl From<UnknownGuest> for Refusal {
    fn from(_: UnknownGuest) -> Self {
        let what = "there is no guest of this name; GET /status names them".to_owned();
        Self(StatusCode::NOT_FOUND, Code::UnknownGuest, what)
    }
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        let status = match rule {
            Rule::Rate(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::FORBIDDEN,
        };
        let what = rule.in_table(CONTROL_PERMISSIONS).to_string();
        Self(status, Code::NotPermitted, what)
    }
}

impl From<NotAccepted> for Refusal {
    fn from(why: NotAccepted) -> Self {
        let (status, code) = match why {
            NotAccepted::Topic(_) => (StatusCode::BAD_REQUEST, Code::InvalidTopic),
            NotAccepted::Qos(_) => (StatusCode::BAD_REQUEST, Code::InvalidQos),
            NotAccepted::Tag => (StatusCode::BAD_REQUEST, Code::TagTooLong),
            NotAccepted::ReplaceKey => (StatusCode::BAD_REQUEST, Code::ReplaceKeyTooLong),
            NotAccepted::Ttl => (StatusCode::BAD_REQUEST, Code::InvalidTtl),
            NotAccepted::TooLarge(_) | NotAccepted::LargerThanWorkList(..) => {
                (StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge)
            }
            NotAccepted::NotPermitted(rule) => return rule.into(),
            NotAccepted::Full => (StatusCode::SERVICE_UNAVAILABLE, Code::WorkListFull),
            NotAccepted::NotKept(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::NotKept),
            NotAccepted::Stopping => (StatusCode::SERVICE_UNAVAILABLE, Code::Stopping),
        };
        Self(status, code, why.to_string())
    }
}

impl From<NotPublished> for Refusal {
    fn from(why: NotPublished) -> Self {
        match why {
            NotPublished::NotAccepted(why) => why.into(),
            NotPublished::MayBeKept(..) => Self(
                StatusCode::GATEWAY_TIMEOUT,
                Code::MayBeKept,
                why.to_string(),
            ),
        }
    }
}

impl From<NotCancelled> for Refusal {
    fn from(why: NotCancelled) -> Self {
        let (status, code) = match why {
            NotCancelled::Unknown => (StatusCode::NOT_FOUND, Code::UnknownTicket),
            NotCancelled::InFlight => (StatusCode::CONFLICT, Code::InFlight),
            NotCancelled::NotKept(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::NotKept),
            NotCancelled::NotPermitted(rule) => return rule.into(),
        };
        Self(status, code, why.to_string())
    }
}

impl From<NotHanded> for Refusal {
    fn from(why: NotHanded) -> Self {
        let (status, code) = match why {
            NotHanded::Topic(_) => (StatusCode::BAD_REQUEST, Code::InvalidTopic),
            NotHanded::NotSubscribed => (StatusCode::CONFLICT, Code::NotSubscribed),
            NotHanded::Full => (StatusCode::SERVICE_UNAVAILABLE, Code::InboxFull),
            NotHanded::Stopping => (StatusCode::SERVICE_UNAVAILABLE, Code::Stopping),
            NotHanded::NotPermitted(rule) => return rule.into(),
        };
        Self(status, code, why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::Value;

    use super::*;
    use crate::gateway::NewsEvent;

    /// What is described, as lines: method, path and parameters.
    fn described() -> BTreeSet<String> {
        let description: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let paths = description["paths"].as_object().expect("it has paths");
        let mut lines = BTreeSet::new();
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().expect("it has methods") {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let query = parameters.filter(|parameter| parameter["in"] == "query");
                let names: BTreeSet<_> = query
                    .map(|parameter| parameter["name"].as_str().expect("it has a name"))
                    .collect();
                lines.insert(format!("{} {path} {names:?}", method.to_uppercase()));
            }
        }
        lines
    }

    #[test]
    fn what_is_described_is_there_and_what_is_there_is_described() {
        let routes: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| {
                let names: BTreeSet<_> = route.query.iter().collect();
                format!("{} {} {names:?}", route.method, route.path)
            })
            .collect();
        assert_eq!(described(), routes);
    }

    #[test]
    fn each_way_to_fail_is_described() {
        let description: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let codes = &description["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        let codes: Vec<Code> = serde_json::from_value(codes.clone()).expect("they are known");
        let all = [
            Code::UnknownRoute,
            Code::WrongMethod,
            Code::Unauthorized,
            Code::InvalidRequest,
            Code::TooSlow,
            Code::Unavailable,
            Code::Stopping,
            Code::InvalidTopic,
            Code::InvalidQos,
            Code::InvalidTtl,
            Code::TagTooLong,
            Code::ReplaceKeyTooLong,
            Code::PayloadTooLarge,
            Code::NotPermitted,
            Code::WorkListFull,
            Code::NotKept,
            Code::MayBeKept,
            Code::UnknownTicket,
            Code::InFlight,
            Code::UnknownGuest,
            Code::NotSubscribed,
            Code::InboxFull,
            Code::InvalidConfiguration,
        ];
        assert_eq!(codes, all);
    }

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

    #[test]
    fn paths_are_taken_as_they_are() {
        let at = |path: &str| {
            let found = ROUTES.iter().filter(|route| route.is_at(path));
            found.map(|route| route.action).collect::<Vec<_>>()
        };
        assert_eq!(at("/letters"), [Action::Publish, Action::Letters]);
        assert_eq!(at("/letters/17"), [Action::Cancel]);
        for path in [
            "/",
            "/letters/",
            "/letters/1/2",
            "//letters",
            "/Letters",
            "*",
        ] {
            assert_eq!(at(path), [], "{path}");
        }
    }

    /// What paths are made of.
    const PIECES: &[&str] = &["/", "letters", "status", "events", "17", "{ticket}"];

    proptest! {
        /// Each path has one action a method at most, and only those that are described.
        #[test]
        fn any_path_leads_somewhere_or_nowhere(
            pieces in prop::collection::vec(
                prop_oneof![
                    4 => select(PIECES)
                        .prop_map_into(),
                    1 => ".{0,3}",
                ],
                0..6,
            ),
        ) {
            let path = pieces.concat();
            let here: Vec<_> = ROUTES.iter().filter(|route| route.is_at(&path)).collect();
            for route in &here {
                let same = here.iter().filter(|other| other.method == route.method);
                prop_assert_eq!(same.count(), 1);
                let ticket = path.strip_prefix("/letters/").filter(|it| !it.contains('/'));
                let is_cancel = ticket.is_some_and(|ticket| !ticket.is_empty());
                prop_assert_eq!(route.action == Action::Cancel, is_cancel);
                prop_assert!(is_cancel || route.path == path);
            }
        }
    }
}
