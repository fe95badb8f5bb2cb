//! What all versions of the contract have in common.

use std::time::Duration;

use crate::office::{LastWill, Payload, Qos, topic};

/// A last will as a guest has named it, or what is wrong with it.
pub(super) fn last_will(
    topic: String,
    payload: Vec<u8>,
    qos: Qos,
    retain: bool,
) -> Result<LastWill, String> {
    topic::check_name(&topic).map_err(|error| format!("the last will's topic {error}"))?;
    if payload.len() > usize::from(u16::MAX) {
        return Err(format!(
            "the last will's payload has {} bytes, more than 65,535",
            payload.len()
        ));
    }
    Ok(LastWill {
        topic: topic.into(),
        payload: Payload::new(payload),
        qos,
        retain,
        delay: Duration::ZERO,
        properties: None,
    })
}

/// A guest's reason as it is kept: it is meant for a log line.
pub(super) fn reason(mut text: String) -> String {
    const LONGEST: usize = 1024;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(reason("because".to_owned()), "because");
        let long = reason("ä".repeat(1000));
        assert_eq!(long, format!("{}…", "ä".repeat(512)));
    }
}
