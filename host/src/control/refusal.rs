//! Why something is not done, as HTTP, programs and people are told.

use hyper::StatusCode;

use super::answers::Code;
use super::reload::NotReloaded;
use crate::gateway::{Ended, NotFollowed, NotPublished, UnknownGuest};
use crate::office::{CONTROL_PERMISSIONS, NotAccepted, NotCancelled, NotHanded, Rule};

/// Why something is not done: how HTTP calls it, how programs do, and what people
/// are told.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) Code, pub(super) String);

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
    use serde_json::Value;

    use super::*;
    use crate::control::OPENAPI;

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
}
