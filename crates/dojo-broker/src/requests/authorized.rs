//! What a client may do: everything, since the broker knows no users.
//!
//! Some answers have it as a set of bits, one for each operation on the kind of resource (KIP-430). The
//! operations are those of Kafka's `AclOperation`, by their numbers.

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// Stands for a set that the client didn't ask for.
pub(super) const NOT_ASKED: i32 = i32::MIN;

pub(super) const ON_CLUSTER: i32 =
    CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE;
pub(super) const ON_TOPIC: i32 =
    READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
pub(super) const ON_GROUP: i32 = READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;

/// Returns `operations` if the client asked for them.
pub(super) fn shown(operations: i32, asked: bool) -> i32 {
    if asked { operations } else { NOT_ASKED }
}
