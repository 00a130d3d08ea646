//! How values are described for machines where their Rust type says less than the contract: names, quantities, prices and
//! ids. The limits are the constants that the checks use.

use crate::{
    name::NAME_MAX_CHARS,
    order::{PRICE_DECIMALS, PRICE_MAX, QUANTITY_MAX},
    settings::INSTANCE_ID_MAX_LEN,
};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

/// The name of a customer or an item.
pub(crate) struct Name;

impl ToSchema for Name {}
impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String);
        name.description(Some(
            "The name of a customer or an item: trimmed and in NFC. It has a visible character, and no control character.",
        ))
        .min_length(Some(1))
        .max_length(Some(NAME_MAX_CHARS))
        .into()
    }
}

/// How many of an item.
pub(crate) struct Quantity;

impl ToSchema for Quantity {}
impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        whole_number(1, QUANTITY_MAX).description(Some("How many of the item.")).into()
    }
}

/// A price in dollars.
pub(crate) struct Price;

impl ToSchema for Price {}
impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        let price = ObjectBuilder::new().schema_type(Type::Number);
        price
            .description(Some("A price in dollars: an exact decimal."))
            .minimum(Some(0))
            .maximum(PRICE_MAX.to_f64())
            .multiple_of(Decimal::new(1, PRICE_DECIMALS).to_f64())
            .into()
    }
}

/// The id of an instance.
pub struct InstanceId;

impl ToSchema for InstanceId {}
impl PartialSchema for InstanceId {
    fn schema() -> RefOr<Schema> {
        instance_id().into()
    }
}

pub(crate) fn instance_id() -> ObjectBuilder {
    let id = ObjectBuilder::new().schema_type(Type::String).description(Some("The id of an instance."));
    id.pattern(Some("^[A-Za-z0-9._-]+$")).min_length(Some(1)).max_length(Some(INSTANCE_ID_MAX_LEN))
}

/// A whole number within these bounds.
pub(crate) fn whole_number(minimum: i64, maximum: i64) -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    number.minimum(Some(minimum)).maximum(Some(maximum))
}

/// One of these texts.
pub(crate) fn one_of(texts: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts))
}

/// A time, as RFC 3339 writes it.
pub(crate) fn time() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format))
}
