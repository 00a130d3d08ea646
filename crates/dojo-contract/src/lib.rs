//! What travels on Kafka in the dojo, and nothing else: topics, events, headers, settings, status, runs.
//!
//! Every service and `dojo-run` agree by depending on this crate; no service depends on another. There is no IO in
//! here and no clock: a timestamp is always given. Unknown JSON fields are ignored on read, so that a newer writer
//! does not break an older reader.
//!
//! Read in this order: what an order is, the events about it, the topics and headers that carry them, and how the dojo
//! steers itself.

mod schema;

mod name;
mod order;
pub mod price;
pub use name::{NAME_MAX_CHARS, normalize_name};
pub use order::{FieldError, NewOrder, Order, OrderChange, OrderStatus};

mod event;
pub use event::{
    AuditAction, AuditEvent, DlqEvent, FraudAlert, OrderAction, OrderEvent, Severity, Source, Unreadable,
    WindowStats,
};

pub mod header;
mod record;
pub use record::RecordMeta;

pub mod topic;

mod settings;
pub use settings::{
    Control, ControlKind, Defaults, DesiredProcess, DesiredState, Guarantee, InstanceControl, InstanceId,
    OnExhausted, Setting, SettingName, SettingValue, Settings, SettingsError, SettingsPatch, ValueSource,
    is_instance_id,
};

mod status;
pub use status::{InstanceState, InstanceStatus, PartitionStatus, Service};

mod run;
pub use run::{
    RuleChange, Run, RunChange, RunCounts, RunFinding, RunGuess, RunId, RunQuestion, RunState, RunStep,
    RunVerdict, SettingChange,
};

pub mod time;
