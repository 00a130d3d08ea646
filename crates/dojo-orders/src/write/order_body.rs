//! An order, or a change of one, read from a JSON body. Every wrong field is named at once, with what would be accepted.
//!
//! Types are checked here and limits in `dojo_contract`; the errors of both come together. Unknown fields are ignored.
//! Numbers are read from their own digits, so that 0.1 is 0.1.

use dojo_contract::{FieldError, NewOrder, Order, OrderChange, OrderStatus, price, time};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value};

/// The fields of a request, in the order errors name them.
const FIELDS: [&str; 4] = ["customerName", "item", "quantity", "price"];
const SHOWN_CHARS: usize = 40;

/// Returns the order that `body` asks for, or everything that is wrong with it.
pub(crate) fn new_order(body: &Value) -> Result<NewOrder, Vec<FieldError>> {
    let mut fields = Fields::of(body)?;
    // A field of the wrong type gets one error: in its place stands a value within every limit.
    let asked = NewOrder {
        customer_name: fields.required("customerName", text).unwrap_or_else(|| "-".to_owned()),
        item: fields.required("item", text).unwrap_or_else(|| "-".to_owned()),
        quantity: fields.required("quantity", whole).unwrap_or(1),
        price: fields.required("price", decimal).unwrap_or_default(),
    };
    fields.finish(asked.validated())
}

/// Returns `current` changed as `body` asks, or everything that is wrong with the change.
pub(crate) fn changed(body: &Value, current: &Order) -> Result<Order, Vec<FieldError>> {
    let mut fields = Fields::of(body)?;
    let change = OrderChange {
        customer_name: fields.optional("customerName", text),
        item: fields.optional("item", text),
        quantity: fields.optional("quantity", whole),
        price: fields.optional("price", decimal),
        status: fields.optional("status", status),
    };
    fields.unchanged("id", &current.id.to_string());
    fields.unchanged("createdAt", &time::format(current.created_at));
    fields.finish(change.applied_to(current))
}

struct Fields<'a> {
    members: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    fn of(body: &'a Value) -> Result<Self, Vec<FieldError>> {
        match body {
            Value::Object(members) => Ok(Self { members, errors: Vec::new() }),
            _ => Err(vec![FieldError::new("", "the body isn't a JSON object")]),
        }
    }

    fn required<T>(&mut self, name: &str, read: fn(&Value) -> Result<T, String>) -> Option<T> {
        if !self.members.contains_key(name) {
            self.errors.push(FieldError::new(name, "is missing"));
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &str, read: fn(&Value) -> Result<T, String>) -> Option<T> {
        read(self.members.get(name)?).map_err(|message| self.errors.push(FieldError::new(name, message))).ok()
    }

    /// Refuses another value than the current one: a client may send the order back as it got it.
    fn unchanged(&mut self, name: &str, current: &str) {
        if self.members.get(name).is_some_and(|value| value.as_str() != Some(current)) {
            self.errors.push(FieldError::new(name, format!("can't change: it is {current}")));
        }
    }

    fn finish<T>(mut self, limits: Result<T, Vec<FieldError>>) -> Result<T, Vec<FieldError>> {
        match limits {
            Ok(value) if self.errors.is_empty() => return Ok(value),
            Ok(_) => {}
            Err(errors) => self.errors.extend(errors),
        }
        // A stable sort, so that other fields come after these four, in the order in which they were found.
        self.errors.sort_by_key(|e| FIELDS.iter().position(|f| *f == e.field).unwrap_or(FIELDS.len()));
        Err(self.errors)
    }
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("is {}: give a text", shown(value)))
}

fn whole(value: &Value) -> Result<i64, String> {
    let number = exact(value).filter(Decimal::is_integer).and_then(|n| n.to_i64());
    number.ok_or_else(|| FieldError::quantity(shown(value)).message)
}

fn decimal(value: &Value) -> Result<Decimal, String> {
    exact(value).ok_or_else(|| FieldError::price(shown(value)).message)
}

fn status(value: &Value) -> Result<OrderStatus, String> {
    let known = OrderStatus::ALL.into_iter().find(|s| value.as_str() == Some(s.name()));
    known.ok_or_else(|| {
        format!("is {}: give one of {}", shown(value), OrderStatus::ALL.map(OrderStatus::name).join(", "))
    })
}

fn exact(value: &Value) -> Option<Decimal> {
    price::exact(value.as_number()?)
}

/// Returns what was sent, cut to the length of a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().nth(SHOWN_CHARS).is_none() {
        return text;
    }
    text.chars().take(SHOWN_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    fn wrong<T: std::fmt::Debug>(result: Result<T, Vec<FieldError>>) -> Vec<String> {
        result.unwrap_err().into_iter().map(|e| format!("{} {}", e.field, e.message)).collect()
    }

    fn order() -> Order {
        let body = json!({"customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 9.5});
        new_order(&body).unwrap().into_order(Uuid::nil(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn wrong_types_missing_fields_and_limits_are_named_together() {
        let errors = wrong(new_order(&json!({"customerName": 5, "item": " ", "qty": 1, "price": "9"})));
        assert_eq!(
            errors,
            [
                "customerName is 5: give a text",
                "item is empty: give 1 to 100 characters",
                "quantity is missing",
                "price is \"9\": give dollars from 0 to 100000 with at most 2 decimals",
            ]
        );
    }

    #[test]
    fn numbers_are_read_from_their_digits() {
        let price = |text: &str| {
            let body = format!(r#"{{"customerName":"a","item":"b","quantity":2.0,"price":{text}}}"#);
            new_order(&serde_json::from_str(&body).unwrap()).map(|o| o.price.to_string())
        };
        assert_eq!(price("0.1").unwrap(), "0.1");
        assert_eq!(price("1e3").unwrap(), "1000");
        for text in ["0.10000000000000000000000000001", "1e999999999", "1e-3", "-0.01", "100000.01", "1E5000"]
        {
            assert!(price(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_out_of_range_is_refused_with_the_range() {
        let errors = |quantity: &str, price: &str| {
            let body = format!(r#"{{"customerName":"a","item":"b","quantity":{quantity},"price":{price}}}"#);
            wrong(new_order(&serde_json::from_str(&body).unwrap()))
        };
        for quantity in ["9223372036854775808", "1e+400", "1.5", "0", "-5", "\"2\""] {
            let said = errors(quantity, "1");
            assert_eq!(said, [format!("quantity is {quantity}: give a whole number from 1 to 1000")]);
        }
        let digits = "1234567890".repeat(4);
        for price in ["1e+400", digits.as_str(), "1.999", "-0.01"] {
            let said = errors("1", price);
            let range = "give dollars from 0 to 100000 with at most 2 decimals";
            assert_eq!(said, [format!("price is {price}: {range}")]);
        }
    }

    #[test]
    fn a_long_wrong_value_is_shown_in_part() {
        let body = json!({"customerName": "a", "item": ["x".repeat(9_000)], "quantity": 1, "price": 1});
        assert!(wrong(new_order(&body))[0].len() < 100);
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        assert_eq!(wrong(new_order(&json!([1]))), [" the body isn't a JSON object"]);
    }

    #[test]
    fn an_order_may_be_sent_back_but_not_with_another_id() {
        let current = order();
        let mut body = serde_json::to_value(&current).unwrap();
        body["status"] = json!("delivered");
        assert_eq!(changed(&body, &current).unwrap().status, OrderStatus::Delivered);
        body["id"] = json!("00000000-0000-0000-0000-000000000001");
        body["createdAt"] = json!(null);
        body["status"] = json!("eaten");
        let errors = wrong(changed(&body, &current));
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].starts_with("status is \"eaten\": give one of created, preparing"));
    }

    proptest! {
        #[test]
        fn no_body_panics(text in ".{0,60}", number in any::<f64>()) {
            let body = json!({"customerName": text, "item": number, "quantity": number, "price": number, "status": text});
            let _ = (new_order(&body), changed(&body, &order()));
        }
    }
}
