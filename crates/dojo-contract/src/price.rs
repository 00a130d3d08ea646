//! Prices in JSON: the decimal that the digits say, or none.
//!
//! A JSON number may have more digits than a decimal holds. Rounding it would change what was asked for, so it is refused.

use crate::schema::number;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use serde_json::Number;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The highest price, in dollars.
pub(crate) const PRICE_MAX: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);
pub(crate) const PRICE_DECIMALS: u32 = 2;

/// Describes a price.
pub(crate) struct Price;

impl ToSchema for Price {}
impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        let price = number().minimum(Some(0)).maximum(PRICE_MAX.to_f64());
        let step = Decimal::new(1, PRICE_DECIMALS).to_f64();
        price.multiple_of(step).description(Some("A price in dollars: an exact decimal.")).into()
    }
}

/// Returns the decimal that `number` says, if a decimal can hold every digit of it.
pub fn exact(number: &Number) -> Option<Decimal> {
    let text = number.as_str();
    match text.split_once(['e', 'E']) {
        None => Decimal::from_str_exact(text).ok(),
        Some((digits, _)) => {
            Decimal::from_str_exact(digits).ok()?;
            Decimal::from_scientific(text).ok()
        }
    }
}

/// For `#[serde(with = "price")]`: writes a JSON number with all its digits.
pub fn serialize<S: Serializer>(price: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    rust_decimal::serde::arbitrary_precision::serialize(price, serializer)
}

/// For `#[serde(with = "price")]`: reads a JSON number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    exact(&Number::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom("a decimal can't hold the price"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        let number: Number = serde_json::from_str(json).unwrap();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = deserialize(&mut deserializer).ok();
        assert_eq!(read, exact(&number));
        read.map(|price| price.to_string())
    }

    #[test]
    fn a_price_is_read_digit_by_digit_or_not_at_all() {
        for (json, price) in
            [("0.1", "0.1"), ("19.90", "19.90"), ("1e3", "1000"), ("5E-1", "0.5"), ("-1", "-1")]
        {
            assert_eq!(read(json).as_deref(), Some(price), "{json}");
        }
        for json in ["1e400", "1E5000", "1e999999999", "9.50000000000000000000000000000000000001"] {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read(&"9".repeat(40)), None);
    }
}
