//! A list that grows without moving what is in it.

/// How many items a chunk holds. Small enough that an unfilled one is little
/// memory a letter, large enough that the allocator is seldom asked.
pub(super) const CHUNK: usize = 64;

/// Items in chunks of [`CHUNK`]. A `Vec` doubles: for a moment it holds
/// everything twice, afterwards it is half empty, and the letter that made it
/// grow waits until a million others have been copied.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Box<[T; CHUNK]>>,
}

impl<T> Chunks<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// Adds a chunk of new items at the end.
    #[cold]
    pub(super) fn grow(&mut self, item: impl Fn() -> T) {
        self.chunks.push(Box::new(std::array::from_fn(|_| item())));
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        Some(&self.chunks.get(index / CHUNK)?[index % CHUNK])
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Some(&mut self.chunks.get_mut(index / CHUNK)?[index % CHUNK])
    }

    /// The chunk that holds the item at `index`.
    pub(super) fn chunk(&self, index: usize) -> &[T; CHUNK] {
        &self.chunks[index / CHUNK]
    }
}
