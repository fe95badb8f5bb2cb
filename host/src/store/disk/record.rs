//! One change, as it stands in a file: with the boot that its times are of, so that it
//! means the same wherever it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::codec::{Reader, put_bytes, put_duration, put_number, put_option};
use crate::office::{
    Change, KeptLetter, KeptTimer, Letter, LetterOutcome, Outcome, Payload, Priority, Properties,
    Qos, Refused, SHORTEST_PERIOD, Ticket, Time, WhenOff,
};

/// What a record is about: its first byte.
mod tag {
    pub(super) const ACCEPTED: u8 = 1;
    pub(super) const CONCLUDED: u8 = 2;
    pub(super) const OVER: u8 = 3;
    pub(super) const WROTE: u8 = 4;
    pub(super) const TIMER: u8 = 5;
    pub(super) const RECEIVED: u8 = 6;
    pub(super) const RELEASED: u8 = 7;
    pub(super) const SESSION: u8 = 8;
    pub(super) const ACCEPTED_IN_PLACE: u8 = 9;
}

// What has few values is the place of its value in one of these lists.

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

const WHEN_OFF: [WhenOff; 3] = [WhenOff::Count, WhenOff::Pause, WhenOff::Drop];

const PRIORITIES: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::High];

const OUTCOMES: [Outcome; 14] = [
    Outcome::Delivered,
    Outcome::Expired { sent: false },
    Outcome::Expired { sent: true },
    Outcome::Displaced { sent: false },
    Outcome::Displaced { sent: true },
    Outcome::Refused(Refused::TooLarge),
    Outcome::Refused(Refused::Qos),
    Outcome::Refused(Refused::Retain),
    Outcome::Refused(Refused::Properties),
    Outcome::Refused(Refused::NotAuthorized),
    Outcome::Refused(Refused::Topic),
    Outcome::Refused(Refused::Payload),
    Outcome::Refused(Refused::HangsUp),
    Outcome::Refused(Refused::Unspecified),
];

fn put_place<T: PartialEq>(out: &mut Vec<u8>, list: &[T], value: &T) {
    let place = list.iter().position(|it| it == value);
    out.push(place.map_or(u8::MAX, |place| place as u8));
}

fn placed<T: Copy>(reader: &mut Reader<'_>, list: &[T]) -> Option<T> {
    list.get(usize::from(reader.byte()?)).copied()
}

/// Texts that occur again and again while a store is read, each once in memory: the
/// names of guests, and the topics of many letters.
#[derive(Debug, Default)]
pub(super) struct Texts(BTreeSet<Arc<str>>);

impl Texts {
    /// So many are remembered.
    const MOST: usize = 1_000;

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let new: Arc<str> = text.into();
        if self.0.len() < Self::MOST {
            self.0.insert(new.clone());
        }
        new
    }
}

/// Appends a change whose times are of this boot.
pub(super) fn encode(out: &mut Vec<u8>, boot: u32, change: &Change) {
    match change {
        Change::Accepted(kept) => {
            out.push(match kept.place {
                None => tag::ACCEPTED,
                Some(_) => tag::ACCEPTED_IN_PLACE,
            });
            put_number(out, boot.into());
            put_letter(out, kept);
            if let Some(place) = kept.place {
                put_number(out, place.0);
            }
        }
        Change::Concluded { guest, told } => {
            let LetterOutcome {
                ticket,
                tag,
                outcome,
            } = told;
            out.push(tag::CONCLUDED);
            put_bytes(out, &**guest);
            put_number(out, ticket.0);
            put_option(out, tag.as_deref(), put_bytes);
            put_place(out, &OUTCOMES, outcome);
        }
        Change::Over(ticket) => {
            out.push(tag::OVER);
            put_number(out, ticket.0);
        }
        Change::Wrote { guest, key, value } => {
            out.push(tag::WROTE);
            put_bytes(out, &**guest);
            put_bytes(out, &**key);
            put_option(out, value.as_deref(), put_bytes);
        }
        Change::Timer { guest, name, timer } => {
            out.push(tag::TIMER);
            put_number(out, boot.into());
            put_bytes(out, &**guest);
            put_bytes(out, &**name);
            put_option(out, timer.as_ref(), |out, KeptTimer { first, period }| {
                put_number(out, first.as_millis());
                put_option(out, *period, put_duration);
            });
        }
        Change::Received(id) => {
            out.push(tag::RECEIVED);
            put_number(out, id.get().into());
        }
        Change::Released(id) => {
            out.push(tag::RELEASED);
            put_number(out, id.get().into());
        }
        Change::Session(session) => {
            out.push(tag::SESSION);
            put_number(out, *session);
        }
    }
}

fn put_letter(out: &mut Vec<u8>, kept: &KeptLetter) {
    let KeptLetter {
        guest,
        letter,
        posted,
        place: _,
    } = kept;
    let Letter {
        ticket,
        topic,
        payload,
        qos,
        retain,
        ttl,
        when_off,
        priority,
        replace_key,
        tag,
        properties,
    } = letter;
    put_bytes(out, &**guest);
    put_number(out, posted.as_millis());
    put_number(out, ticket.0);
    put_bytes(out, &**topic);
    put_bytes(out, payload);
    put_place(out, &QOS, qos);
    out.push((*retain).into());
    put_duration(out, *ttl);
    put_option(out, when_off.as_ref(), |out, it| {
        put_place(out, &WHEN_OFF, it)
    });
    put_place(out, &PRIORITIES, priority);
    put_option(out, replace_key.as_deref(), put_bytes);
    put_option(out, tag.as_deref(), put_bytes);
    put_option(out, properties.as_deref(), put_properties);
}

fn put_properties(out: &mut Vec<u8>, properties: &Properties) {
    let Properties {
        content_type,
        response_topic,
        correlation_data,
        user,
    } = properties;
    for text in [content_type, response_topic] {
        put_option(out, text.as_deref(), put_bytes);
    }
    put_option(out, correlation_data.as_deref(), put_bytes);
    put_number(out, user.len() as u64);
    for (name, value) in user {
        put_bytes(out, &**name);
        put_bytes(out, &**value);
    }
}

/// Reads a change, and the boot that its times are of; 0, if it has none.
pub(super) fn decode(record: &[u8], texts: &mut Texts) -> Option<(u32, Change)> {
    let mut reader = Reader(record);
    let reader = &mut reader;
    let mut boot = 0;
    let change = match reader.byte()? {
        tag::ACCEPTED => {
            boot = reader.number()?;
            Change::Accepted(letter(reader, texts)?)
        }
        tag::ACCEPTED_IN_PLACE => {
            boot = reader.number()?;
            let mut kept = letter(reader, texts)?;
            // What has none takes nobody's place.
            kept.letter.replace_key.as_ref()?;
            kept.place = Some(Ticket(reader.counter()?));
            Change::Accepted(kept)
        }
        tag::CONCLUDED => Change::Concluded {
            guest: texts.shared(reader.text()?),
            told: LetterOutcome {
                ticket: Ticket(reader.counter()?),
                tag: reader.option(text)?,
                outcome: placed(reader, &OUTCOMES)?,
            },
        },
        tag::OVER => Change::Over(Ticket(reader.counter()?)),
        tag::WROTE => Change::Wrote {
            guest: texts.shared(reader.text()?),
            key: text(reader)?,
            value: reader.option(payload)?,
        },
        tag::TIMER => {
            boot = reader.number()?;
            Change::Timer {
                guest: texts.shared(reader.text()?),
                name: text(reader)?,
                timer: reader.option(timer)?,
            }
        }
        tag::RECEIVED => Change::Received(reader.number::<u16>()?.try_into().ok()?),
        tag::RELEASED => Change::Released(reader.number::<u16>()?.try_into().ok()?),
        tag::SESSION => Change::Session(reader.number()?),
        _ => return None,
    };
    reader.is_at_end().then_some((boot, change))
}

fn letter(reader: &mut Reader<'_>, texts: &mut Texts) -> Option<KeptLetter> {
    Some(KeptLetter {
        guest: texts.shared(reader.text()?),
        posted: Time::from_millis(reader.number()?),
        letter: Letter {
            ticket: Ticket(reader.counter()?),
            topic: texts.shared(reader.text()?),
            payload: payload(reader)?,
            qos: placed(reader, &QOS)?,
            retain: reader.bool()?,
            ttl: reader.duration()?,
            when_off: reader.option(|reader| placed(reader, &WHEN_OFF))?,
            priority: placed(reader, &PRIORITIES)?,
            replace_key: reader.option(text)?,
            tag: reader.option(text)?,
            properties: reader.option(properties)?,
        },
        place: None,
    })
}

fn properties(reader: &mut Reader<'_>) -> Option<Arc<Properties>> {
    let content_type = reader.option(text)?;
    let response_topic = reader.option(text)?;
    let correlation_data = reader.option(payload)?;
    let count = reader.number::<usize>()?;
    let user = (0..count).map(|_| Some((text(reader)?, text(reader)?)));
    Some(Arc::new(Properties {
        user: user.collect::<Option<_>>()?,
        content_type,
        response_topic,
        correlation_data,
    }))
}

fn timer(reader: &mut Reader<'_>) -> Option<KeptTimer> {
    Some(KeptTimer {
        first: Time::from_millis(reader.number()?),
        period: reader.option(|reader| {
            // A shorter one is not kept, and would be due without end.
            let period = reader.duration();
            period.filter(|period| *period >= SHORTEST_PERIOD)
        })?,
    })
}

fn text(reader: &mut Reader<'_>) -> Option<Arc<str>> {
    Some(reader.text()?.into())
}

fn payload(reader: &mut Reader<'_>) -> Option<Payload> {
    reader.bytes().map(Payload::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is in no list could not be read again.
    #[test]
    fn every_value_is_in_its_list() {
        // Whoever adds one here adds it to the list.
        for outcome in OUTCOMES {
            match outcome {
                Outcome::Delivered => {}
                Outcome::Expired { sent: true | false } => {}
                Outcome::Displaced { sent: true | false } => {}
                Outcome::Refused(
                    Refused::TooLarge
                    | Refused::Qos
                    | Refused::Retain
                    | Refused::Properties
                    | Refused::NotAuthorized
                    | Refused::Topic
                    | Refused::Payload
                    | Refused::HangsUp
                    | Refused::Unspecified,
                ) => {}
            }
        }
        for qos in QOS {
            match qos {
                Qos::AtMostOnce | Qos::AtLeastOnce | Qos::ExactlyOnce => {}
            }
        }
        for when_off in WHEN_OFF {
            match when_off {
                WhenOff::Count | WhenOff::Pause | WhenOff::Drop => {}
            }
        }
        for priority in PRIORITIES {
            match priority {
                Priority::Low | Priority::Normal | Priority::High => {}
            }
        }
    }
}
