//! The log of a work list, of files that hold anything.
//!
//! Files are made byte by byte, or as the log makes them, with the right checksums and
//! lengths around records of anything. Whatever they hold, nothing panics, and not much
//! more memory is taken than they have bytes. What is read of them is what the groups in
//! them make one after the other, also when the log goes on and has written all of it
//! anew, and an office can take it up.
//!
//! What only looks at it finds the same, and what rescues what can be read of a damaged one
//! no less.
//!
//! The files of the disk's sources are here one by one: most of what they have is for each
//! other alone.

#![allow(dead_code, reason = "the disk needs more of it")]

mod planned;
mod taken_up;

#[path = "../../../../host/src/store/disk/codec.rs"]
mod codec;
#[path = "../../../../host/src/store/disk/files.rs"]
mod files;
#[path = "../../../../host/src/store/disk/found.rs"]
mod found;
#[path = "../../../../host/src/store/disk/frame.rs"]
mod frame;
#[path = "../../../../host/src/store/disk/header.rs"]
mod header;
#[path = "../../../../host/src/store/disk/index.rs"]
mod index;
#[path = "../../../../host/src/store/disk/keeper.rs"]
mod keeper;
#[path = "../../../../host/src/store/disk/lock.rs"]
mod lock;
#[path = "../../../../host/src/store/disk/log.rs"]
mod log;
#[path = "../../../../host/src/store/disk/mark.rs"]
mod mark;
#[path = "../../../../host/src/store/disk/memory.rs"]
mod memory;
#[path = "../../../../host/src/store/disk/record.rs"]
mod record;
#[path = "../../../../host/src/store/disk/records.rs"]
mod records;
#[path = "../../../../host/src/store/disk/replay.rs"]
mod replay;
#[path = "../../../../host/src/store/disk/rescue.rs"]
mod rescue;
#[path = "../../../../host/src/store/disk/segments.rs"]
mod segments;
#[path = "../../../../host/src/store/disk/tail.rs"]
mod tail;

use crate::allocation;
use crate::store::{Contents, Group, Store, StoreError};
use files::{File, Files};
use header::{Header, Position};
use keeper::Keeper;
use log::Sizes;
use memory::Memory;
use record::Texts;
use records::each_record;
use rescue::Looked;

pub use planned::Plan;

/// So small that segments come and go, and what lives moves.
const SMALL: Sizes = Sizes {
    segment: 200,
    slack: 100,
    moved: 50,
};

/// A disk with these segments on it.
fn disk(segments: Vec<(u32, Vec<u8>)>) -> Memory {
    let memory = Memory::default();
    for (segment, bytes) in segments {
        let file = memory.create(&segments::name(segment));
        let written = file.and_then(|file| file.write(0, &bytes));
        written.expect("nothing fails");
    }
    memory
}

/// The segments that there are, in their order.
fn segments_of(memory: &Memory) -> Vec<u32> {
    let names = memory.names().expect("nothing fails");
    names
        .iter()
        .filter_map(|name| segments::number(name))
        .collect()
}

/// Does something with the files, for which no more memory is taken than files of their
/// size can need: a hundred times as much would be 11 places in the leaf of a map for each
/// record of some ten bytes.
fn bounded<T>(memory: &Memory, work: impl FnOnce() -> T) -> T {
    let names = memory.names().expect("nothing fails");
    let sizes = names.iter().map(|name| memory.read(name));
    let size: usize = sizes.map(|bytes| bytes.map_or(0, |it| it.len())).sum();
    let most = (64 << 10) + 100 * size;
    let (done, peak) = allocation::peak(work);
    assert!(peak <= most, "{peak} bytes of memory, and not {most}");
    done
}

/// Carries the plan out.
pub fn run(plan: Plan) {
    let memory = plan.disk();
    let naive = read_naively(&memory);
    let looked = bounded(&memory, || rescue::look_at(&memory));
    let rescued = bounded(&memory, || rescue::rescue(&memory));
    let mut keeper = Keeper::new(memory.clone(), SMALL, 1);
    let contents = match bounded(&memory, || keeper.load()) {
        Ok(contents) => contents,
        Err(error) => {
            assert_of_files(&error);
            match looked {
                Ok(looked) => assert_of_files(&looked.damage.expect("it can not be opened")),
                Err(error) => assert_of_files(&error),
            }
            return;
        }
    };
    assert_eq!(Some(&contents), naive.as_ref());
    let Looked {
        contents: looked,
        damage,
        ..
    } = looked.expect("it can be opened");
    assert!(damage.is_none(), "{damage:?}");
    assert_eq!(looked, contents);
    assert_eq!(rescued.unwrap_or_default(), contents);
    let newest = segments_of(&memory).pop().unwrap_or_default();
    let is_at_end = contents.number > u64::MAX / 4 || newest > u32::MAX / 2;
    // No log gets there, and none goes on from there for long.
    if is_at_end {
        return;
    }

    let moment = plan.moment();
    let mut model = contents;
    for changes in plan.groups() {
        let group = Group {
            number: model.number + 1,
            moment,
            changes,
        };
        keeper.commit(&group).expect("nothing fails");
        model.apply(&group);
    }
    model.forget_boots();
    let again = Keeper::new(memory, SMALL, 1).load();
    let again = again.expect("it was written as it should be");
    assert_eq!(again, model);
    taken_up::check(again, moment);
}

/// It is what is in the files that is wrong.
fn assert_of_files(error: &StoreError) {
    let is_known = matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. });
    assert!(is_known, "{error}");
}

/// What the groups make one after the other, as far as they are whole. None: there is
/// something else than groups.
fn read_naively(memory: &Memory) -> Option<Contents> {
    let Some(newest) = segments_of(memory).pop() else {
        return Some(Contents::default());
    };
    let bytes = segments::read(memory, newest).ok()?;
    let (header, _) = segments::header(memory, newest, &bytes).ok()?;
    let mut contents = None;
    for segment in header.oldest..=newest {
        let bytes = segments::read(memory, segment).ok()?;
        let (header, mut at) = segments::header(memory, segment, &bytes).ok()?;
        let read = Header::decode(&header.encode());
        assert_eq!(read, Ok((header.clone(), header.encode().len())));
        // Those that are no more used may be forgotten.
        let boots = header.position.boots.clone();
        let contents = contents.get_or_insert_with(|| beginning(header.position));
        contents.boots = boots;
        while let Some(frame) = frame::read(&bytes[at..], header.salt) {
            let mut changes = Vec::new();
            let each = |boot, change, _| changes.push((boot, change));
            let moment = each_record(frame, &mut Texts::default(), each)?;
            contents.number = frame.number;
            contents.boots.observe(moment);
            for (boot, change) in changes {
                let mut record = Vec::new();
                record::encode(&mut record, boot, &change);
                let read = record::decode(&record, &mut Texts::default());
                assert_eq!(read.as_ref(), Some(&(boot, change.clone())));
                let ticket = change.ticket().map_or(0, |ticket| ticket.0);
                contents.last_ticket = contents.last_ticket.max(ticket);
                contents.apply_change(boot, change);
            }
            at += frame.size();
        }
    }
    let mut contents = contents?;
    contents.forget_boots();
    Some(contents)
}

fn beginning(position: Position) -> Contents {
    Contents {
        number: position.number,
        last_ticket: position.last_ticket,
        boots: position.boots,
        session: position.session,
        ..Contents::default()
    }
}
