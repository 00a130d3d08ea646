//! Which values settings and wishes have, and which patches are accepted, described for machines: from the constants that the
//! checks use.

use super::{
    ControlKind, Guarantee, OnExhausted, Setting, SettingsPatch,
    control::{NO_PROCESS, RUNNING, STOPPED},
    name::{INSTANCE_ID_MAX_LEN, INSTANCES},
    patch::MAX_INSTANCES,
    value::{DELIVERY_MILLIS_LIMIT, MAX_RETRIES_LIMIT},
};
use crate::{
    Service,
    schema::{number, one_of, text, time, whole_number},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, OneOfBuilder, RefOr, Schema,
        schema::{AdditionalProperties, Type},
    },
};

/// Describes the id of an instance.
#[derive(Debug)]
pub struct InstanceId;

impl ToSchema for InstanceId {}
impl PartialSchema for InstanceId {
    fn schema() -> RefOr<Schema> {
        instance_id().into()
    }
}

/// An instance id, as a regular expression.
const ID: &str = "[A-Za-z0-9._-]+";

fn instance_id() -> ObjectBuilder {
    let id = text().min_length(Some(1)).max_length(Some(INSTANCE_ID_MAX_LEN));
    id.pattern(Some(format!("^{ID}$"))).description(Some("The id of an instance."))
}

impl Setting {
    /// Describes the keys of this setting's records.
    pub fn key_schema(self) -> ObjectBuilder {
        let key = text().pattern(Some(format!(r"^({INSTANCES}\.{ID}\.)?{}$", self.name())));
        key.description(Some("The setting of all instances, or of one."))
    }

    /// Describes the values that this setting allows.
    pub fn schema(self) -> ObjectBuilder {
        let (schema, description) = match self {
            Self::FailRate => {
                (number().minimum(Some(0)).maximum(Some(1)), "Probability of a failed delivery.")
            }
            Self::MaxRetries => {
                (whole_number(0, MAX_RETRIES_LIMIT.into()), "How often a failed delivery is retried.")
            }
            Self::OnExhausted => (
                one_of(OnExhausted::ALL.map(OnExhausted::name)),
                "What happens to an event of which the last retry failed: it goes to `orders-dlq`, it is dropped, or it is \
                 retried again.",
            ),
            Self::DeliveryMillis => (
                whole_number(0, DELIVERY_MILLIS_LIMIT.into()),
                "How long a delivery takes, in milliseconds. An instance makes one delivery at a time.",
            ),
            Self::Guarantee => {
                (one_of(Guarantee::ALL.map(Guarantee::name)), "How often an event can take effect on Kafka.")
            }
        };
        schema.description(Some(description))
    }
}

impl ControlKind {
    /// Describes the keys of the records of this kind.
    pub fn key_schema(self) -> ObjectBuilder {
        let key = text().pattern(Some(format!(r"^{INSTANCES}\.{ID}\.{}$", self.name())));
        key.description(Some("The wish about one instance."))
    }

    /// Describes the values of the records of this kind.
    pub fn schema(self) -> ObjectBuilder {
        let (schema, description) = match self {
            Self::State => (one_of([RUNNING, STOPPED]), "Whether the instance is to work."),
            Self::Crash => (time(), "The `startedAt` of the process that is to end at once."),
            Self::Process => (
                one_of(Service::MEMBERS.map(Service::name).into_iter().chain([NO_PROCESS])),
                "The service of which the supervisor is to run an instance under this id, or that it is to run none.",
            ),
        };
        schema.description(Some(description))
    }
}

impl ToSchema for SettingsPatch {}
impl PartialSchema for SettingsPatch {
    fn schema() -> RefOr<Schema> {
        let of_instance = or_null(changes().description(Some("Null removes all of the instance's values.")));
        let instances = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "Values of single instances, by their ids. Null removes those of all instances.",
            ))
            .property_names(Some(instance_id()))
            .additional_properties(Some(of_instance))
            .max_properties(Some(MAX_INSTANCES));
        let description =
            "A JSON Merge Patch (RFC 7396) to the settings. Null removes a value from the topic.";
        changes().property(INSTANCES, or_null(instances)).description(Some(description)).into()
    }
}

/// Changes to any of the settings.
fn changes() -> ObjectBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Setting::ALL
        .into_iter()
        .fold(object, |object, setting| object.property(setting.name(), or_null(setting.schema())))
}

fn or_null(schema: ObjectBuilder) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(schema).item(null).into()
}
