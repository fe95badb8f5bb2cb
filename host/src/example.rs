//! Example guests, built into the binary by the feature `example`, so that a
//! first try needs no guest of one's own. A configuration names one as
//! `component = "example:door"`.

/// The names of the examples. Empty without the feature `example`.
pub const NAMES: &[&str] = if cfg!(feature = "example") {
    &["door"]
} else {
    &[]
};

/// The component of an example, if there is one of this name.
pub fn component(name: &str) -> Option<&'static [u8]> {
    match name {
        #[cfg(feature = "example")]
        "door" => Some(include_bytes!(env!("EXAMPLE_GUEST_DOOR"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_component() {
        for name in NAMES {
            let component = component(name).expect("it is in the list");
            // The version and the layer of a component, as opposed to a module.
            assert!(component.starts_with(b"\0asm\x0d\0\x01\0"), "{name}");
        }
        assert_eq!(component("window"), None);
    }
}
