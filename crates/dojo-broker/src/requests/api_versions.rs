//! ApiVersions: the requests that the broker speaks, each with its versions. Every client asks this first.
//!
//! The answer also lists the cluster's *features* (KIP-584): `transaction.version` 2 makes clients use the
//! second protocol of [`transaction`](crate::transaction).

use super::{caller::Caller, fields::text};
use crate::api::{APIS, Api};
use kafka_protocol::{
    ResponseError,
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
};

/// From this version on, a client sends its name and version (KIP-511).
const SOFTWARE: i16 = 3;
/// From this version on, the answer has room for features.
const FEATURES: i16 = 3;
/// From this version on, a client understands that a feature can be off, which is level 0 (KIP-1022).
const LEVEL_ZERO: i16 = 4;
const TRANSACTION_FEATURE: &str = "transaction.version";
const TRANSACTION_VERSION: i16 = 2;

/// Returns the list, with the cluster's features if the answer has room for them.
pub(super) fn answer(caller: &Caller, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if caller.version >= SOFTWARE
        && !(is_name(&request.client_software_name) && is_name(&request.client_software_version))
    {
        return ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    let mut response = ApiVersionsResponse::default().with_api_keys(APIS.iter().map(entry).collect());
    if caller.version >= FEATURES {
        let finalized = FinalizedFeatureKey::default()
            .with_name(text(TRANSACTION_FEATURE))
            .with_max_version_level(TRANSACTION_VERSION)
            .with_min_version_level(TRANSACTION_VERSION);
        response = response.with_finalized_features_epoch(0).with_finalized_features(vec![finalized]);
    }
    if caller.version >= LEVEL_ZERO {
        let supported = SupportedFeatureKey::default()
            .with_name(text(TRANSACTION_FEATURE))
            .with_min_version(0)
            .with_max_version(TRANSACTION_VERSION);
        response = response.with_supported_features(vec![supported]);
    }
    response
}

/// Answers a client that asks in a newer version, with the versions in which it can ask again (KIP-511).
pub(crate) fn unsupported() -> ApiVersionsResponse {
    let this = APIS.iter().filter(|api| api.key == ApiKey::ApiVersions);
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(this.map(entry).collect())
}

fn entry(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(api.advertised_min)
        .with_max_version(*api.versions.end())
}

/// Returns whether a client's software or its version can have this name: letters and digits, with `-` and
/// `.` in between.
fn is_name(name: &str) -> bool {
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_named_in_letters_and_digits_with_dashes_and_dots_in_between() {
        for name in ["librdkafka", "apache-kafka-java", "2.0.0-rc.1", "7"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-x", "x.", "a b", "größe"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
