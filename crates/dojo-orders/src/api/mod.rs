//! The HTTP API: a file for each resource, and which request goes to which.
//!
//! A handler describes itself for `/openapi.json`, in three places:
//!
//! - What it answers is a type with `Serialize` and `ToSchema`, whose doc comments become descriptions. A field that may be null, but
//!   is always there, has `#[schema(required)]`. What it reads from the query is a type with `Deserialize` and `IntoParams`.
//!   Two types of one name would be one schema.
//! - `#[utoipa::path(…)]` above it has method, path, tag, `operation_id`, parameters, and its answers. `NotFound`, `Invalid`,
//!   `Conflict` and `Unavailable` of [`dojo_http`] stand for the refusals. Refusals that any route can answer before its
//!   handler runs, such as 403, are added to all ([`dojo_http::describe_refusals`]).
//! - [`described`] adds it with `routes!`. The handlers of one path belong into one `routes!`.
//!
//! The first line of a handler's doc comment is the summary of its operation, the rest the description.

mod asyncapi;
mod dead_letters;
mod events;
mod instances;
mod journey;
mod openapi;
mod orders;
mod rebalances;
mod records;
mod redrive;
mod rule_drafts;
mod rules;
mod runs;
mod scenarios;
mod settings;
mod status;
mod topics;

mod links;
mod run_header;
mod write_problem;

use crate::{
    app::App,
    page::{self, assets},
    read_only,
};
use axum::{Extension, Router, middleware::from_fn_with_state};
use dojo_http::{Health, describe_refusals};
use openapi::{About, Documents};
use std::sync::Arc;
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of the API, the page, and `health`. What is read-only changes nothing.
pub(crate) fn routes(app: Arc<App>, health: Health) -> Router {
    let read_only = Arc::new(app.config.page.read_only.clone());
    let (router, openapi) = described(health);
    let documents = Documents::new(&openapi, &asyncapi::document(&app.config));
    router
        .route_layer(from_fn_with_state(read_only, read_only::guard))
        .layer(Extension(documents))
        .with_state(app)
}

/// Returns every route, and its description.
fn described(health: Health) -> (Router<Arc<App>>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(About::openapi())
        .routes(routes!(page::page))
        .routes(routes!(assets::asset))
        .routes(routes!(orders::list, orders::create))
        .routes(routes!(orders::get, orders::change, orders::delete))
        .routes(routes!(journey::get))
        .routes(routes!(events::events))
        .routes(routes!(settings::get, settings::patch))
        .routes(routes!(instances::list, instances::add))
        .routes(routes!(instances::get, instances::remove))
        .routes(routes!(instances::stop))
        .routes(routes!(instances::start))
        .routes(routes!(instances::crash))
        .routes(routes!(rules::list))
        .routes(routes!(rules::get, rules::put))
        .routes(routes!(rule_drafts::check))
        .routes(routes!(rule_drafts::backtest))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::get))
        .routes(routes!(runs::report))
        .routes(routes!(runs::guess))
        .routes(routes!(runs::close))
        .routes(routes!(runs::stop))
        .routes(routes!(scenarios::list))
        .routes(routes!(scenarios::play))
        .routes(routes!(dead_letters::list))
        .routes(routes!(redrive::redrive))
        .routes(routes!(rebalances::list))
        .routes(routes!(status::status))
        .routes(routes!(topics::list))
        .routes(routes!(records::list, records::write))
        .routes(routes!(openapi::openapi))
        .routes(routes!(asyncapi::asyncapi))
        .merge(health.routes())
        .split_for_parts();
    describe_refusals(&mut document);
    (router, document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use dojo_http::Metrics;
    use std::collections::{BTreeMap, BTreeSet};

    /// Returns each path that axum serves with its methods, as its debug output has them: axum has no other list.
    fn served(router: &Router<Arc<App>>) -> BTreeSet<(String, String)> {
        let debug = format!("{router:?}");
        let routes = debug.split("fallback_router").next().unwrap().split("RouteId(").skip(1);
        let (mut paths, mut methods) = (BTreeMap::new(), BTreeMap::new());
        for route in routes {
            let (id, rest) = route.split_once("): ").unwrap();
            match rest.strip_prefix('"') {
                Some(path) => paths.insert(id, path.split('"').next().unwrap()),
                None => methods.insert(
                    id,
                    rest.split("allow_header: Bytes(b\"").nth(1).unwrap().split('"').next().unwrap(),
                ),
            };
        }
        assert_eq!(paths.len(), methods.len(), "axum's debug output has changed: {debug}");
        let of_path = |(id, path): (&str, &str)| {
            let methods = methods[id].split(',').filter(|method| *method != "HEAD");
            methods.map(|method| (path.to_owned(), method.to_owned())).collect::<Vec<_>>()
        };
        paths.into_iter().flat_map(of_path).collect()
    }

    #[test]
    fn no_description_has_a_link_that_only_the_source_can_follow() {
        let health = Health::new(Vec::new, Metrics::default());
        let (_, document) = described(health);
        let asyncapi = asyncapi::document(&config());
        for document in [serde_json::to_string(&document).unwrap(), asyncapi.to_string()] {
            for link in ["[`", "`]", "](crate::"] {
                let place = document.find(link).map(|at| &document[at.saturating_sub(60)..at + 40]);
                assert_eq!(place, None);
            }
        }
    }

    #[test]
    fn the_names_of_topics_and_groups_are_those_on_the_cluster() {
        let mut config = config();
        config.kafka.prefix = "class-7.".parse().unwrap();
        config.instance.instance_id = Some("order-2".to_owned());
        let document = asyncapi::document(&config);
        assert_eq!(document["channels"]["orders"]["address"], "class-7.orders");
        let group = |operation: &str| {
            document["operations"][operation]["bindings"]["kafka"]["groupId"]["const"].clone()
        };
        assert_eq!(group("fraudService.receive.orders"), "class-7.fraud-group");
        assert_eq!(group("orderService.receive.audit"), "class-7.sse-relay-group-order-2");
        assert_eq!(document["servers"]["kafka"]["host"], "localhost:1");
    }

    fn config() -> Config {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            config: Config,
        }
        <Cli as clap::Parser>::parse_from(["order", "--kafka-brokers", "localhost:1,localhost:2"]).config
    }

    #[test]
    fn every_route_is_described_under_an_id_of_its_own() {
        let (router, document) = described(Health::new(Vec::new, Metrics::default()));
        let document = serde_json::to_value(&document).unwrap();
        let (mut described, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert((path.clone(), method.to_uppercase()));
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{method} {path} has the id of another operation");
            }
        }
        assert_eq!(described, served(&router));
    }
}
