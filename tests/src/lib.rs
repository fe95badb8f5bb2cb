//! Integration tests, and the guests that they run as paths of components.

/// Obedient: sends back what it gets and counts what becomes of it.
pub const ECHO: &str = env!("JACKALOPE_TESTS_ECHO");

/// Does whatever a guest should not do, as a message asks for.
pub const HOSTILE: &str = env!("JACKALOPE_TESTS_HOSTILE");

/// Names the last will of the session.
pub const WILL: &str = env!("JACKALOPE_TESTS_WILL");

/// The example guest.
pub const DOOR: &str = env!("JACKALOPE_TESTS_DOOR");
