//! Which version of the contract a component speaks.

use std::fmt;

use crate::guest::allowed_imports::{compatible, split};
use crate::guest::error::LoadProblem;

/// A version of the contract, with all that are compatible with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractVersion {
    /// `0.1`, which is served for ever.
    V0_1,
    /// `0.2`
    V0_2,
}

const PACKAGE: &str = "jackalope:gateway/";
const HANDLER: &str = "jackalope:gateway/handler";

/// The handler of the latest version.
const LATEST_HANDLER: &str = "jackalope:gateway/handler@0.2.0";

/// All versions that are served.
pub(in crate::guest) const SERVED: &str = "0.2 and 0.1";

impl ContractVersion {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let (_, version) = split(name)?;
        let all = [Self::V0_1, Self::V0_2];
        let served = |served: &Self| served.as_str() == compatible(version);
        all.into_iter().find(served)
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version that a component speaks which imports and exports these: that of its
/// handler, and of all else that it has of the contract.
pub(in crate::guest) fn version_of(
    imports: &[String],
    exports: &[String],
) -> Result<ContractVersion, LoadProblem> {
    let handler = |name: &&String| split(name).is_some_and(|(name, _)| name == HANDLER);
    let Some(handler) = exports.iter().find(handler) else {
        return Err(LoadProblem::MissingExport {
            interface: LATEST_HANDLER,
            found: exports.to_owned(),
        });
    };
    let version = |name: &String| {
        ContractVersion::of(name).ok_or_else(|| LoadProblem::OtherVersion {
            interface: name.clone(),
            served: SERVED,
        })
    };
    let wanted = version(handler)?;
    let of_contract = |name: &&String| name.starts_with(PACKAGE);
    for name in imports.iter().chain(exports).filter(of_contract) {
        if version(name)? != wanted {
            return Err(LoadProblem::MixedVersions {
                one: handler.clone(),
                other: name.clone(),
            });
        }
    }
    Ok(wanted)
}
