//! The address of the dojo under test.

use reqwest::Url;
use std::{fmt, str::FromStr};

/// The order service's address: `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Returns the address of a path, such as `/orders`, which may have a query.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        url
    }
}

/// Writes the address without a slash at the end, as on a command line.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Why a text isn't the address of a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; give an address such as http://localhost:3001")]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let url = Url::parse(text).map_err(|e| TargetError(e.to_string()))?;
        // A workshop runs on a local network, and this program has no TLS.
        if url.scheme() != "http" {
            return Err(TargetError(format!("`{}` is not http", url.scheme())));
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
        {
            return Err(TargetError("the address has more than a host and a port".to_owned()));
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let target: Target = "http://localhost:3001/".parse().unwrap();
        assert_eq!(
            (target.to_string().as_str(), target.url("/orders").as_str()),
            ("http://localhost:3001", "http://localhost:3001/orders")
        );
        for text in [
            "",
            "localhost:3001",
            "https://localhost",
            "http://localhost/a",
            "http://u@localhost",
            "http://a?b",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
