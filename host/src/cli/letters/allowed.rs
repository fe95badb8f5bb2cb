//! What the gateway of a configuration would not take from a guest either.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::gateway::ControlSender;
use crate::office::{
    CONTROL_PERMISSIONS, KeptLetter, NotAccepted, Permissions, WorkListSettings, check_size,
};
use crate::store::Contents;
use crate::words::Counted;

/// The bounds of a guest and what it may do. None: it is not there.
fn of<'a>(config: &'a Config, guest: &str) -> Option<(WorkListSettings, Option<&'a Permissions>)> {
    if guest == ControlSender::NAME {
        return Some((
            config.session.work_list,
            config.control_permissions.as_ref(),
        ));
    }
    let guest = config.guests.iter().find(|known| known.name == guest)?;
    Some((guest.work_list, guest.permissions.as_ref()))
}

/// Checks a letter of a guest that is there by the rules that hold for it.
///
/// # Errors
/// The rule that does not allow it.
pub(super) fn check(config: &Config, kept: &KeptLetter) -> Result<(), String> {
    let Some((work_list, permissions)) = of(config, &kept.guest) else {
        return Ok(());
    };
    let letter = &kept.letter;
    if let Some(permissions) = permissions {
        // What is left of a ttl was more once.
        let ttl = letter.ttl.max(permissions.min_ttl);
        let checked = permissions.check(&letter.topic, letter.qos, letter.retain, ttl);
        let table = match &*kept.guest {
            ControlSender::NAME => CONTROL_PERMISSIONS,
            _ => "permissions",
        };
        checked.map_err(|rule| rule.in_table(table).to_string())?;
    }
    let (max_qos, max_bytes) = (config.session.max_qos, work_list.max_bytes);
    if letter.qos > max_qos {
        return Err(NotAccepted::Qos(max_qos).to_string());
    }
    let properties = letter.properties.as_ref().map_or(0, |it| it.size());
    let (topic, size) = (&letter.topic, letter.payload.len());
    check_size(config.max_packet_size, topic, letter.qos, properties, size)
        .map_err(|error| error.to_string())?;
    match letter.size() {
        size if size > max_bytes => {
            Err(NotAccepted::LargerThanWorkList(size, max_bytes).to_string())
        }
        _ => Ok(()),
    }
}

/// Of which guests there is more than they may have, in words.
pub(super) fn above_bounds(config: &Config, contents: &Contents) -> Vec<String> {
    let mut all: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for stored in contents.letters.iter() {
        let (letters, bytes) = all.entry(&stored.kept.guest).or_default();
        *letters += 1;
        *bytes += stored.kept.letter.size();
    }
    let above = all.into_iter().filter_map(|(guest, (letters, bytes))| {
        let (bounds, _) = of(config, guest)?;
        let is_above = letters > bounds.max || bytes > bounds.max_bytes;
        is_above.then(|| {
            format!(
                "guest {guest} has {} ({}) now, which is above the bounds of its work list: \
                 nothing more of it is accepted, or older ones are displaced, until some have gone",
                Counted(letters, "letter"),
                Counted(bytes, "byte")
            )
        })
    });
    above.collect()
}
