//! A group as it stands in a segment: its head, and what is in it.

/// What stands before the content, all with the lowest byte first: its length and its
/// checksum with 4 bytes each, the number of the group with 8, and with 4 a checksum of
/// these.
pub(super) const HEAD: usize = 20;

/// Where in a head the number is.
const NUMBER: usize = 8;

/// What a frame begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) number: u64,
    length: usize,
    sum: u32,
}

impl Head {
    /// How many bytes its frame takes.
    pub(super) fn size(&self) -> usize {
        HEAD.saturating_add(self.length)
    }
}

/// A group that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) content: &'a [u8],
}

impl Frame<'_> {
    /// How many bytes it takes.
    pub(super) fn size(&self) -> usize {
        HEAD + self.content.len()
    }
}

/// Fills in the head of a frame, for which room was left before the content. None: it
/// is too large.
pub(super) fn seal(frame: &mut [u8], salt: u64, number: u64) -> Option<()> {
    let (head, content) = frame.split_at_mut_checked(HEAD)?;
    let length = u32::try_from(content.len()).ok()?;
    let (said, sum) = head.split_last_chunk_mut()?;
    said[..4].copy_from_slice(&length.to_le_bytes());
    said[4..NUMBER].copy_from_slice(&content_sum(salt, number, content).to_le_bytes());
    said[NUMBER..].copy_from_slice(&number.to_le_bytes());
    *sum = checksum(salt, &[said]).to_le_bytes();
    Some(())
}

/// The head that bytes begin with, if it is as it was written.
pub(super) fn head(bytes: &[u8], salt: u64) -> Option<Head> {
    let (said, sum) = bytes.get(..HEAD)?.split_last_chunk()?;
    if checksum(salt, &[said]) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (length, rest) = said.split_first_chunk()?;
    let (sum, number) = rest.split_first_chunk()?;
    Some(Head {
        number: u64::from_le_bytes(number.try_into().ok()?),
        length: usize::try_from(u32::from_le_bytes(*length)).ok()?,
        sum: u32::from_le_bytes(*sum),
    })
}

/// The frame that bytes begin with, if they are as they were written.
pub(super) fn read(bytes: &[u8], salt: u64) -> Option<Frame<'_>> {
    let head = head(bytes, salt)?;
    let content = bytes.get(HEAD..head.size())?;
    let number = head.number;
    let is_whole = content_sum(salt, number, content) == head.sum;
    is_whole.then_some(Frame { number, content })
}

/// Whether anywhere in the bytes a frame begins whose number is higher than this.
///
/// Its head says so: what is behind each place is not looked at, as guests choose the
/// bytes, and could have each of them claim all that follows.
pub(super) fn is_any_behind(bytes: &[u8], salt: u64, number: u64) -> bool {
    heads(bytes, salt, number).next().is_some()
}

/// The first frame anywhere in the bytes that is whole and has a number higher than this,
/// and where it begins.
pub(super) fn find(bytes: &[u8], salt: u64, number: u64) -> Option<(usize, Frame<'_>)> {
    heads(bytes, salt, number).find_map(|at| Some((at, read(&bytes[at..], salt)?)))
}

/// Where heads are whose number is higher than this.
fn heads(bytes: &[u8], salt: u64, number: u64) -> impl Iterator<Item = usize> {
    // No more than would fit.
    let most = number.saturating_add(bytes.len() as u64);
    let windows = bytes.windows(HEAD).enumerate();
    let heads = windows.filter(move |(_, bytes)| {
        let found = bytes[NUMBER..].first_chunk().copied();
        let found = found.map_or(0, u64::from_le_bytes);
        number < found && found <= most && head(bytes, salt).is_some()
    });
    heads.map(|(at, _)| at)
}

fn content_sum(salt: u64, number: u64, content: &[u8]) -> u32 {
    checksum(salt, &[&number.to_le_bytes(), content])
}

/// With the salt of its segment, which guests do not know: no payload of theirs looks
/// like a frame.
fn checksum(salt: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x5A17;

    #[test]
    fn bytes_that_look_like_heads_cost_no_more_than_others() {
        // Each of them claims half of all: to look at what they claim takes hours.
        let mut bytes = Vec::new();
        while bytes.len() < 4 << 20 {
            bytes.extend((2_u32 << 20).to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(70_u64.to_le_bytes());
        }
        assert!(!is_any_behind(&bytes, SALT, 1));

        let mut frame = vec![0; HEAD + 3];
        seal(&mut frame, SALT, 71).expect("it is small");
        bytes.extend(frame);
        assert!(is_any_behind(&bytes, SALT, 70));
        assert!(!is_any_behind(&bytes, SALT, 71));
        // Its head is enough.
        bytes.pop();
        assert!(is_any_behind(&bytes, SALT, 70));
        assert!(!is_any_behind(&bytes, SALT + 1, 70));
    }
}
