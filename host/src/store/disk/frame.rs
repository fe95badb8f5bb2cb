//! A group as it stands in a segment: its length, a checksum, its number, and what is
//! in it.

/// What stands before the content: length and checksum with 4 bytes each, and the
/// number with 8, all with the lowest byte first.
pub(super) const HEAD: usize = 16;

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
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&checksum(salt, number, content).to_le_bytes());
    head[8..].copy_from_slice(&number.to_le_bytes());
    Some(())
}

/// The frame that bytes begin with, if they are as they were written.
pub(super) fn read(bytes: &[u8], salt: u64) -> Option<Frame<'_>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let number = u64::from_le_bytes(*number);
    let content = rest.get(..length)?;
    let is_whole = checksum(salt, number, content) == u32::from_le_bytes(*sum);
    is_whole.then_some(Frame { number, content })
}

/// Whether anywhere in the bytes a frame begins whose number is higher than this.
pub(super) fn is_any_behind(bytes: &[u8], salt: u64, number: u64) -> bool {
    // No more than would fit.
    let most = number.saturating_add(bytes.len() as u64);
    let mut starts = bytes.windows(HEAD).enumerate();
    starts.any(|(at, head)| {
        let is_number = |bytes: &[u8; 8]| (number + 1..=most).contains(&u64::from_le_bytes(*bytes));
        head.last_chunk().is_some_and(is_number) && read(&bytes[at..], salt).is_some()
    })
}

/// With the salt of its segment, which guests do not know: no payload of theirs looks
/// like a frame.
fn checksum(salt: u64, number: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
