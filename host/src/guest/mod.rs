//! Guests: load, link, call, limit and rebuild components.
