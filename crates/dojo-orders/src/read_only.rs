//! `READ_ONLY`: parts of the API that change nothing, so that a facilitator can share a dojo.

use axum::{
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use dojo_http::Problem;
use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

/// A part of the API that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Orders: placing, changing, deleting.
    Orders,
    /// Settings.
    Settings,
    /// Instances: stopping, starting, crashing, adding, removing.
    Instances,
    /// Dead letters: sending them back.
    Dlq,
    /// Records by hand.
    Records,
    /// Rules.
    Rules,
    /// Scenarios: playing them.
    Scenarios,
}

/// The route of the room's guesses.
const GUESSES: &str = "/runs/{id}/questions/{number}/guesses";

impl Part {
    const ALL: [Self; 7] = [
        Self::Orders,
        Self::Settings,
        Self::Instances,
        Self::Dlq,
        Self::Records,
        Self::Rules,
        Self::Scenarios,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Settings => "settings",
            Self::Instances => "instances",
            Self::Dlq => "dlq",
            Self::Records => "records",
            Self::Rules => "rules",
            Self::Scenarios => "scenarios",
        }
    }

    /// Returns the part that a route changes, which its path begins with. Records are below the topics, and a run plays a scenario.
    /// Guessing is for everybody: it changes nothing but what a question shows.
    fn of_route(path: &str) -> Option<Self> {
        if path == GUESSES {
            return None;
        }
        let first = path.split('/').nth(1)?;
        let name = match first {
            "topics" => "records",
            "runs" => "scenarios",
            first => first,
        };
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// The parts of the API through which nothing may be changed; as text, their names, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOnly(BTreeSet<Part>);

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|part| part.name()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for ReadOnly {
    type Err = String;

    /// An empty text, such as the value of an unset variable, names no part.
    fn from_str(names: &str) -> Result<Self, String> {
        let part = |name: &str| {
            let found = Part::ALL.into_iter().find(|part| part.name() == name);
            let all = Part::ALL.map(Part::name).join(",");
            found.ok_or_else(|| format!("`{name}` can't be read-only: give any of {all}"))
        };
        names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(part)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl ReadOnly {
    /// Whether nothing is read-only.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `part` may be changed.
    pub(crate) fn allows(&self, part: Part) -> bool {
        !self.0.contains(&part)
    }
}

/// Middleware of the routes: refuses to change what is read-only.
pub(crate) async fn guard(State(read_only): State<Arc<ReadOnly>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match Part::of_route(route) {
        Some(part) if !request.method().is_safe() && !read_only.allows(part) => {
            let detail = format!(
                "`{}` can't be changed here: it is in this dojo's READ_ONLY (--read-only)",
                part.name()
            );
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_parts_is_read_and_a_wrong_name_is_refused_with_those_that_there_are() {
        let read_only: ReadOnly = " dlq,orders, ".parse().unwrap();
        assert_eq!(read_only.to_string(), "orders,dlq");
        assert!(!read_only.allows(Part::Dlq) && read_only.allows(Part::Rules));
        assert!("".parse::<ReadOnly>().unwrap().is_empty());
        let refused = "dlq,order".parse::<ReadOnly>().unwrap_err();
        assert_eq!(
            refused,
            "`order` can't be read-only: give any of orders,settings,instances,dlq,records,rules,scenarios"
        );
    }

    #[test]
    fn every_route_that_changes_something_belongs_to_a_part() {
        for (route, part) in [
            ("/orders/{id}", Part::Orders),
            ("/settings", Part::Settings),
            ("/instances/{id}/stop", Part::Instances),
            ("/dlq/redrive", Part::Dlq),
            ("/topics/{topic}/records", Part::Records),
            ("/rules/{name}", Part::Rules),
            ("/scenarios/{name}/play", Part::Scenarios),
            ("/runs/{id}/events", Part::Scenarios),
            ("/runs/{id}/questions/{number}/close", Part::Scenarios),
        ] {
            assert_eq!(Part::of_route(route), Some(part), "{route}");
        }
        assert_eq!((Part::of_route("/"), Part::of_route(GUESSES)), (None, None));
    }
}
