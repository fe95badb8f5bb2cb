//! What a request leads to: whether it may be made, what is done for it, and its answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode, Uri};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

use super::OPENAPI;
use super::answers::{AcceptedLetter, Changes, Code, Health, Letters, Problem, Status, line};
use super::body::RequestBody;
use super::connections::{Shared, Stage};
use super::events::Events;
use super::query::Query;
use super::refusal::Refusal;
use super::routes::{Action, ROUTES, Route};
use crate::config::parse_duration;
use crate::gateway::Draft;
use crate::office::{DEFAULT_TTL, Payload, Priority, Qos, Ticket};

/// How many letters are listed if nobody says how many, and at most.
const LISTED: usize = 1000;

const JSON: &str = "application/json";

type Answer = Response<Either<Full<Bytes>, Events>>;

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
            let (head, body) = request.into_parts();
            let body = RequestBody::new(body, stage);
            let done = act(shared, route, &head.uri, body).await;
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
    route: &Route,
    uri: &Uri,
    body: RequestBody<'_>,
) -> Result<Answer, Refusal> {
    let query = Query::parse(uri.query().unwrap_or(""), route.query)?;
    let control = &shared.control;
    match route.action {
        Action::Publish => publish(shared, &query, body).await,
        Action::Letters => {
            let most = |text: &str| text.parse().ok().filter(|most| *most <= LISTED);
            let most = query.read("limit", LISTED, most, "a number from 0 to 1000")?;
            let guest = query.get("guest").map(str::to_owned);
            let letters = control.letters(guest, most).await??;
            Ok(json(StatusCode::OK, &Letters::from(letters)))
        }
        Action::Cancel => {
            let ticket = uri.path().rsplit('/').next();
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
            let payload = body.read(shared).await?;
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

async fn publish(shared: &Shared, query: &Query, body: RequestBody<'_>) -> Result<Answer, Refusal> {
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
    draft.payload = body.read(shared).await?;
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

fn refused(Refusal(status, code, error): Refusal) -> Answer {
    json(status, &Problem { error, code })
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    with_type(status, JSON, whole(line(body)))
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
