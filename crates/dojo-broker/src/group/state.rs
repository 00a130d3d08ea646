//! The states of a group.

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; perhaps committed offsets.
    Empty,
    /// Waiting for every member to join the next generation.
    PreparingRebalance,
    /// Waiting for the leader to share out the partitions.
    CompletingRebalance,
    /// Every member knows its part.
    Stable,
    /// Deleted, or forgotten because it held nothing; whoever still holds it has to look the group up again.
    Dead,
}

impl State {
    /// Kafka's name for it.
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
