//! The list behaves like a naive one.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The payload has as many bytes as its number.
fn letter(ticket: u64, ttl: u64) -> Letter {
    Letter {
        ticket: Ticket(ticket),
        topic: "t".into(),
        payload: Payload::new(vec![0; ticket as usize]),
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl: Duration::from_millis(ttl),
        when_off: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: None,
    }
}

/// Its ttl begins at the first moment.
fn push(list: &mut WorkList, guest: GuestId, letter: Letter) {
    let begin = Time::default();
    let (size, times) = (letter.size(), [begin, begin + letter.ttl]);
    list.push(guest, letter, size, times);
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        guest: u16,
        priority: Priority,
        key: Option<&'static str>,
        deadline: u64,
        /// Whether one that waits goes out all the same, and gives its room up.
        goes_first: bool,
    },
    Send,
    RemoveNth(usize),
    UnsendNth(usize),
    Rewind,
    Expire {
        now: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop::sample::select(&Priority::ALL[..]);
    let key = prop::sample::select(&[None, None, Some("k"), Some("l")][..]);
    prop_oneof![
        4 => (0..3_u16, priority, key, 0..1000_u64, any::<bool>()).prop_map(
            |(guest, priority, key, deadline, goes_first)| Step::Push {
                guest,
                priority,
                key,
                deadline,
                goes_first,
            },
        ),
        3 => Just(Step::Send),
        2 => (0..20_usize).prop_map(Step::RemoveNth),
        1 => (0..20_usize).prop_map(Step::UnsendNth),
        1 => Just(Step::Rewind),
        1 => (0..1000_u64).prop_map(|now| Step::Expire { now }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    guest: u16,
    priority: Priority,
    ticket: u64,
    key: Option<&'static str>,
    place: u64,
    is_superseded: bool,
    is_roomless: bool,
    deadline: u64,
    is_sent: bool,
}

/// The same list, as naive as can be: in the order in which letters came.
#[derive(Default)]
struct Model {
    letters: Vec<Known>,
}

impl Model {
    /// The letters of a guest, the highest priority first.
    fn of(&self, guest: u16) -> Vec<Known> {
        let of = self.letters.iter().filter(|letter| letter.guest == guest);
        let mut of: Vec<_> = of.copied().collect();
        of.sort_by_key(|letter| (std::cmp::Reverse(letter.priority), letter.place));
        of
    }

    /// The latest letter of a key, if it is there.
    fn latest(&self, guest: u16, key: Option<&str>) -> Option<usize> {
        let mut letters = self.letters.iter();
        letters.position(|letter| {
            let is_of_key = letter.guest == guest && letter.key == key;
            key.is_some() && is_of_key && !letter.is_superseded
        })
    }
}

proptest! {
    #[test]
    fn behaves_like_a_naive_list(steps in prop::collection::vec(step(), 0..200)) {
        let mut list = WorkList::new(3, false);
        let mut model = Model::default();
        let mut keys = std::collections::BTreeMap::new();
        let mut tickets = 0;
        for step in steps {
            match step {
                Step::Push { guest, priority, key, deadline, goes_first } => {
                    tickets += 1;
                    let replace_key = key.map(Arc::from);
                    let letter = Letter { priority, replace_key, ..letter(tickets, deadline) };
                    // One that waits gives its place up.
                    let latest = model.latest(guest, key);
                    let found = key.and_then(|key| list.latest(GuestId(guest), key));
                    prop_assert_eq!(found, latest.map(|at| keys[&model.letters[at].ticket]));
                    let mut waiting = latest.filter(|at| !model.letters[*at].is_sent);
                    if goes_first && let Some(at) = waiting.take() {
                        model.letters[at].is_roomless = true;
                        list.give_room_up(keys[&model.letters[at].ticket]);
                    }
                    let replaced = waiting.map(|at| model.letters.remove(at));
                    let mut place = tickets;
                    if let Some(before) = replaced {
                        let gone = if before.priority == priority {
                            place = before.place;
                            list.replace(keys[&before.ticket], letter, Time::default())
                        } else {
                            let gone = list.remove(keys[&before.ticket]);
                            push(&mut list, GuestId(guest), letter);
                            gone
                        };
                        prop_assert_eq!(gone.map(|entry| entry.ticket), Some(Ticket(before.ticket)));
                    } else {
                        push(&mut list, GuestId(guest), letter);
                    }
                    let slot = (0..list.slots.len() as u32).find(|slot| {
                        list.get(Key(*slot)).is_some_and(|entry| entry.ticket == Ticket(tickets))
                    });
                    keys.insert(tickets, Key(slot.expect("just pushed")));
                    for letter in &mut model.letters {
                        letter.is_superseded |=
                            key.is_some() && letter.guest == guest && letter.key == key;
                    }
                    model.letters.push(Known {
                        guest,
                        priority,
                        ticket: tickets,
                        key,
                        place,
                        is_superseded: false,
                        is_roomless: false,
                        deadline,
                        is_sent: false,
                    });
                }
                Step::Send => {
                    let sent = list.next_unsent(|_| true).map(|(_, entry)| entry.ticket.0);
                    let Some(ticket) = sent else {
                        prop_assert!(model.letters.iter().all(|letter| letter.is_sent));
                        continue;
                    };
                    let at = model.letters.iter().position(|letter| letter.ticket == ticket).expect("known");
                    let of = model.of(model.letters[at].guest);
                    let first = of.iter().find(|letter| !letter.is_sent);
                    prop_assert_eq!(first, Some(&model.letters[at]), "the first of the highest");
                    model.letters[at].is_sent = true;
                }
                Step::RemoveNth(n) => {
                    if n < model.letters.len() {
                        let Known { ticket, .. } = model.letters.remove(n);
                        let entry = list.remove(keys[&ticket]).expect("live");
                        prop_assert_eq!(entry.ticket, Ticket(ticket));
                    }
                }
                Step::UnsendNth(n) => {
                    let mut sent = model.letters.iter_mut().filter(|letter| letter.is_sent);
                    let Some(letter) = sent.nth(n) else { continue };
                    let key = keys[&letter.ticket];
                    prop_assert_eq!(list.is_superseded(key), letter.is_superseded);
                    list.unsend(key);
                    letter.is_sent = false;
                }
                Step::Rewind => {
                    list.rewind();
                    model.letters.iter_mut().for_each(|letter| letter.is_sent = false);
                    let mut superseded = list.superseded();
                    superseded.sort_by_key(|key| key.0);
                    let is_it = |letter: &&Known| letter.is_superseded;
                    let expect = model.letters.iter().filter(is_it);
                    let mut expect: Vec<_> = expect.map(|it| keys[&it.ticket]).collect();
                    expect.sort_by_key(|key| key.0);
                    prop_assert_eq!(&superseded, &expect);
                    superseded.iter().for_each(|key| drop(list.remove(*key)));
                    model.letters.retain(|letter| !letter.is_superseded);
                }
                Step::Expire { now } => {
                    while let Some(key) = list.due(Time::from_millis(now)) {
                        let entry = list.remove(key).expect("due letters are live");
                        let at = model.letters.iter().position(|letter| letter.ticket == entry.ticket.0);
                        let gone = model.letters.remove(at.expect("known"));
                        prop_assert!(gone.deadline <= now);
                    }
                    prop_assert!(model.letters.iter().all(|letter| letter.deadline > now));
                }
            }
            prop_assert_eq!(list.len(), model.letters.len());
            let next = model.letters.iter().map(|letter| letter.deadline).min();
            prop_assert_eq!(list.next_deadline(), next.map(Time::from_millis));
            for (ticket, key) in &keys {
                let letter = model.letters.iter().find(|letter| letter.ticket == *ticket);
                prop_assert_eq!(list.find(Ticket(*ticket)), letter.map(|_| *key));
            }
            for number in 0..3 {
                let (guest, of) = (GuestId(number), model.of(number));
                prop_assert_eq!(list.len_of(guest), of.len());
                let size = |it: &Known| letter(it.ticket, it.deadline).size();
                prop_assert_eq!(list.bytes_of(guest), of.iter().map(size).sum::<usize>());
                let with_room = of.iter().filter(|letter| !letter.is_roomless);
                let expect = (with_room.clone().count(), with_room.clone().map(size).sum());
                prop_assert_eq!(list.room_of(guest), expect);
                let without = of.iter().filter(|letter| letter.is_roomless);
                let expect = (without.clone().count(), without.map(size).sum());
                prop_assert_eq!(list.roomless_of(guest), expect);
                for priority in Priority::ALL {
                    let above = with_room.clone().filter(|letter| letter.priority > priority);
                    let expect = (above.clone().count(), above.map(size).sum::<usize>());
                    prop_assert_eq!(list.above(guest, priority), expect);
                }
                let least = list.least(guest, None).map(|key| list.get(key).expect("live").ticket.0);
                let expect = with_room.min_by_key(|letter| (letter.priority, letter.place));
                prop_assert_eq!(least, expect.map(|letter| letter.ticket));
                let all = list.letters_of(guest).map(|entry| (entry.ticket.0, entry.is_sent));
                prop_assert!(all.eq(of.iter().map(|letter| (letter.ticket, letter.is_sent))));
                let sent = of.iter().filter(|letter| letter.is_sent).count();
                prop_assert_eq!(list.sent_of(guest), sent);
            }
        }
    }
}
