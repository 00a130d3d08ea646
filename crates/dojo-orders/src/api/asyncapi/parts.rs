//! What the parts of the document share.

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

/// Version of the Kafka bindings (<https://github.com/asyncapi/bindings/tree/master/kafka>).
pub(super) const KAFKA_BINDING: &str = "0.5.0";

/// The schemas that the document refers to, by name.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// Adds `T` and what it refers to, and returns a reference to it.
    pub(super) fn reference<T: ToSchema>(&mut self) -> Value {
        let name = T::name();
        let schema = self.inline::<T>();
        self.0.insert(name.to_string(), schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Adds what `T` refers to, and returns the schema of `T`.
    pub(super) fn inline<T: ToSchema>(&mut self) -> Value {
        let mut referred: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut referred);
        self.0.extend(referred.into_iter().map(|(name, schema)| (name, json!(schema))));
        json!(T::schema())
    }

    pub(super) fn all(self) -> Map<String, Value> {
        self.0
    }
}

/// A reference to a message of a channel.
pub(super) fn message(channel: &str, name: &str) -> Value {
    json!({"$ref": format!("#/channels/{channel}/messages/{name}")})
}
