//! ApiVersions: which requests the broker speaks, in which versions. The first thing every client asks.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;

use crate::api::APIS;

/// The list, with an error where a client asked for it in a version that the broker does not know.
pub(crate) fn list(error: Option<ResponseError>) -> ApiVersionsResponse {
    let keys = APIS.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.advertised_min)
            .with_max_version(*api.versions.end())
    });
    ApiVersionsResponse::default()
        .with_error_code(error.map_or(0, |error| error.code()))
        .with_api_keys(keys.collect())
}
