//! Parts of schemas, which describe values for machines where their Rust type says less than the contract. Each value is
//! described in its own file, from the constants that the checks use.

use utoipa::openapi::{
    ObjectBuilder,
    schema::{KnownFormat, SchemaFormat, Type},
};

/// A text.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// One of these texts.
pub(crate) fn one_of(texts: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    text().enum_values(Some(texts))
}

/// A time, as RFC 3339 writes it.
pub(crate) fn time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A number.
pub(crate) fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number)
}

/// A whole number within these bounds.
pub(crate) fn whole_number(minimum: i64, maximum: i64) -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    number.minimum(Some(minimum)).maximum(Some(maximum))
}
