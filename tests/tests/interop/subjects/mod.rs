//! What is tried with each broker: a file a subject.

pub(crate) mod oversize;
pub(crate) mod publish;
pub(crate) mod refused;
pub(crate) mod restart;
pub(crate) mod retained;
pub(crate) mod status;
pub(crate) mod takeover;
pub(crate) mod version;
pub(crate) mod will;
