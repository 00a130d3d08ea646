//! The outcome of a run, and its name in JSON.

use crate::schema::one_of;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunVerdict {
    /// Every expectation was met.
    Met,
    /// An expectation was not met.
    NotMet,
    /// It could not be played.
    Failed,
    /// A person has stopped it.
    Interrupted,
}

impl RunVerdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Met, Self::NotMet, Self::Failed, Self::Interrupted];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "notMet",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the verdict with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

impl Serialize for RunVerdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for RunVerdict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format!("no verdict is called `{name}`"));
        Self::from_name(&name).ok_or_else(unknown)
    }
}

impl ToSchema for RunVerdict {}
impl PartialSchema for RunVerdict {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL.map(Self::name)).description(Some("The outcome of a run.")).into()
    }
}
