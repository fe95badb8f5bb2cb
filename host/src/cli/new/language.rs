//! What differs from language to language.

use clap::ValueEnum;

use super::name::Name;

/// What a guest is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// wit-bindgen, by cargo.
    Rust,
}

const RUST: &[(&str, &str)] = &[
    (".gitignore", "/target/\n"),
    (
        "Cargo.toml",
        include_str!("../../../templates/rust/Cargo.toml"),
    ),
    ("src/lib.rs", include_str!("../../../templates/rust/lib.rs")),
];

impl Language {
    /// What readers call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
        }
    }

    /// The files of a project that no other language has.
    pub(super) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => RUST,
        }
    }

    /// Where the guest is written.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
        }
    }

    /// The commands that build the component.
    pub(super) fn build(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[
                "rustup target add wasm32-wasip2",
                "cargo build --release --target wasm32-wasip2",
            ],
        }
    }

    /// Where the component is then.
    pub(super) fn component(self, name: &Name) -> String {
        match self {
            Self::Rust => {
                let file = name.as_str().replace('-', "_");
                format!("target/wasm32-wasip2/release/{file}.wasm")
            }
        }
    }
}
