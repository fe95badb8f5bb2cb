//! What differs from language to language.

use clap::ValueEnum;

use super::name::Name;

/// What a guest is written in. The versions of what compiles it are in its files, and
/// the same in `tests/peers/install`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// wit-bindgen, by cargo.
    Rust,
    /// componentize-js, by npm.
    Javascript,
    /// componentize-py, by pip.
    Python,
    /// wit-bindgen and clang, by make.
    C,
}

const RUST: &[(&str, &str)] = &[
    (".gitignore", "/target/\n"),
    (
        "Cargo.toml",
        include_str!("../../../templates/rust/Cargo.toml"),
    ),
    ("src/lib.rs", include_str!("../../../templates/rust/lib.rs")),
];

const JAVASCRIPT: &[(&str, &str)] = &[
    (".gitignore", "/node_modules/\n/@name@.wasm\n"),
    (
        "package.json",
        include_str!("../../../templates/javascript/package.json"),
    ),
    (
        "sensor.js",
        include_str!("../../../templates/javascript/sensor.js"),
    ),
];

const PYTHON: &[(&str, &str)] = &[
    (".gitignore", "/.venv/\n/@name@.wasm\n__pycache__/\n"),
    ("app.py", include_str!("../../../templates/python/app.py")),
    (
        "requirements.txt",
        include_str!("../../../templates/python/requirements.txt"),
    ),
];

const C: &[(&str, &str)] = &[
    (".gitignore", "/bindings/\n/@name@.wasm\n"),
    ("Makefile", include_str!("../../../templates/c/Makefile")),
    ("sensor.c", include_str!("../../../templates/c/sensor.c")),
];

impl Language {
    /// What readers call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Javascript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        }
    }

    /// The files of a project that no other language has.
    pub(super) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => RUST,
            Self::Javascript => JAVASCRIPT,
            Self::Python => PYTHON,
            Self::C => C,
        }
    }

    /// Where the guest is written.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Javascript => "sensor.js",
            Self::Python => "app.py",
            Self::C => "sensor.c",
        }
    }

    /// The commands that build the component.
    pub(super) fn build(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[
                "rustup target add wasm32-wasip2",
                "cargo build --release --target wasm32-wasip2",
            ],
            Self::Javascript => &["npm install", "npm run build"],
            Self::Python => &[
                "sudo apt-get install python3-venv",
                "python3 -m venv .venv",
                ".venv/bin/pip install -r requirements.txt",
                ".venv/bin/componentize-py -d wit -w sensor componentize app -o @name@.wasm",
            ],
            Self::C => &[
                "sudo apt-get install clang libclang-rt-dev-wasm32 lld make wasi-libc",
                "cargo install --locked --no-default-features --features c wit-bindgen-cli@0.61.1",
                "make",
            ],
        }
    }

    /// What these commands take that is not in them.
    pub(super) fn needs(self) -> &'static str {
        match self {
            Self::Rust => "They take Rust by rustup, which has the target for guests.",
            Self::Javascript => {
                "They take node 20.19 or 22.12, or a later one, with npm; `node --version` says\n\
                 which there is. That of Debian 12 is older."
            }
            Self::Python => {
                "They take Python 3.10 or later. Its venv is a package of its own in Debian and\n\
                 Ubuntu; elsewhere it comes with Python."
            }
            Self::C => {
                "They take Rust by rustup: cargo builds `wit-bindgen`, and `wasm-component-ld`, which\n\
                 links the component, comes with it. `make` says what is missing."
            }
        }
    }

    /// Where the component is then.
    pub(super) fn component(self, name: &Name) -> String {
        match self {
            Self::Rust => {
                let file = name.as_str().replace('-', "_");
                format!("target/wasm32-wasip2/release/{file}.wasm")
            }
            Self::Javascript | Self::Python | Self::C => format!("{}.wasm", name.as_str()),
        }
    }
}
