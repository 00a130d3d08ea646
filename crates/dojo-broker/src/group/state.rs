//! The states of a group.

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The group has no members; it can have committed offsets.
    Empty,
    /// The group waits for every member to join the next generation.
    PreparingRebalance,
    /// The group waits for the leader to assign the partitions.
    CompletingRebalance,
    /// Every member knows its assignment.
    Stable,
    /// The group was deleted, or was forgotten because it held nothing. A request that still holds it has to
    /// look it up again.
    Dead,
}

impl State {
    /// Returns Kafka's name for the state.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}
