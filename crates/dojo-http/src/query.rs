//! Query parameters: unknown, repeated and wrong ones are refused by name.

use crate::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

const MAX_SHOWN_CHARS: usize = 40;
const MAX_DETAIL_CHARS: usize = 200;

/// The query of a request as a `T`, whose fields are optional texts. With `#[serde(deny_unknown_fields)]` a parameter that
/// `T` doesn't have is refused (400).
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let why = std::error::Error::source(&rejection).map_or_else(String::new, ToString::to_string);
                let shown: String = why.chars().take(MAX_DETAIL_CHARS).collect();
                Err(Problem::bad_request(format!("the query is wrong: {shown}")))
            }
        }
    }
}

/// A request without query parameters, for resources that have none.
#[derive(Debug)]
pub struct NoQuery;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<Nothing>::from_request_parts(parts, state).await.map(|_| Self)
    }
}

/// Reads the parameter `name` as a whole number within `range`.
///
/// # Errors
/// 422, which names the parameter, its value and the range.
pub fn number<T>(name: &str, value: Option<&str>, range: RangeInclusive<T>) -> Result<Option<T>, Problem>
where
    T: FromStr + PartialOrd + Display,
{
    let Some(text) = value else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => {
            let (low, high) = (range.start(), range.end());
            let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
            let message = format!("is {shown:?}: give a whole number from {low} to {high}");
            Err(Problem::invalid_field(name, message))
        }
    }
}

/// Describes a parameter that [`number`] reads: its bounds, and its value where it isn't given.
#[derive(Debug)]
pub struct WholeNumber<const MIN: i64, const MAX: i64, const DEFAULT: i64>;

impl<const MIN: i64, const MAX: i64, const DEFAULT: i64> PartialSchema for WholeNumber<MIN, MAX, DEFAULT> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).default(Some(DEFAULT.into()));
        number.minimum(Some(MIN)).maximum(Some(MAX)).into()
    }
}

impl<const MIN: i64, const MAX: i64, const DEFAULT: i64> ToSchema for WholeNumber<MIN, MAX, DEFAULT> {}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<String>,
        after: Option<String>,
    }

    async fn read(query: &str) -> Result<(Option<String>, Option<String>), String> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        let page = Query::<Page>::from_request_parts(&mut parts, &()).await;
        page.map(|Query(page)| (page.limit, page.after)).map_err(|problem| format!("{problem:?}"))
    }

    #[tokio::test]
    async fn parameters_are_decoded() {
        assert_eq!(read("after=%32+%C3%A4&").await, Ok((None, Some("2 ä".to_owned()))));
        assert_eq!(read("limit").await, Ok((Some(String::new()), None)));
    }

    #[tokio::test]
    async fn unknown_and_repeated_parameters_are_named() {
        let unknown = read("limt=5").await.unwrap_err();
        assert!(unknown.contains("unknown field `limt`, expected `limit` or `after`"), "{unknown}");
        let repeated = read("limit=5&limit=6").await.unwrap_err();
        assert!(repeated.contains("duplicate field `limit`"), "{repeated}");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(number("n", Some("7"), 1..=1_000).unwrap(), Some(7));
        for wrong in ["1001", "-1", "", "x", "1.5"] {
            assert!(number("n", Some(wrong), 1usize..=1_000).is_err(), "{wrong}");
        }
    }
}
