//! The orders of a scenario, drawn from its templates.

use crate::{
    Placeholders, Text,
    document::{Choice, OrderTemplate},
    draw::Generator,
};
use dojo_contract::NewOrder;

impl OrderTemplate {
    /// Returns an order: its values drawn with `generator`, its placeholders filled in.
    pub fn draw(&self, mut generator: Generator, placeholders: Placeholders<'_>) -> NewOrder {
        // In the order of the fields, so that a seed always means the same order.
        let mut text = |choice| listed(choice, &mut generator).map(|text: &Text| text.fill(placeholders));
        let customer_name = text(&self.customer_name).unwrap_or_default();
        let item = text(&self.item).unwrap_or_default();
        let quantity = match &self.quantity {
            Choice::Range(from, to) => generator.whole(*from..=*to).unwrap_or(*from),
            choice => *listed(choice, &mut generator).unwrap_or(&1),
        };
        let price = match &self.price {
            Choice::Range(from, to) => generator.decimal(*from..=*to).unwrap_or(*from),
            choice => listed(choice, &mut generator).copied().unwrap_or_default(),
        };
        NewOrder { customer_name, item, quantity, price }
    }
}

/// Returns the value, or draws one of several. `None` if the list is empty, which no scenario that parses has.
fn listed<'a, T>(choice: &'a Choice<T>, generator: &mut Generator) -> Option<&'a T> {
    match choice {
        Choice::Always(value) | Choice::Range(value, _) => Some(value),
        Choice::Weighted(choices) => generator.weighted(choices),
    }
}
