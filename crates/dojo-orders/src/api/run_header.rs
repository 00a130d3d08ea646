//! The header `Dojo-Run`, which says to which scenario run a change belongs. Such a change is put back when the run ends.

use axum::{extract::FromRequestParts, http::request::Parts};
use dojo_contract::{Run, RunId};
use dojo_http::Problem;
use utoipa::{
    IntoParams, PartialSchema as _,
    openapi::{
        Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

/// The run to which a change belongs, if it belongs to one.
pub(crate) struct RunHeader(Option<String>);

impl RunHeader {
    /// Returns the id of the run.
    pub(crate) fn id(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S: Sync> FromRequestParts<S> for RunHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(Run::HEADER).iter();
        let (first, second) = (values.next(), values.next());
        match (first.map(|value| value.to_str()), second) {
            (None, _) => Ok(Self(None)),
            (Some(Ok(id)), None) if Run::is_id(id) => Ok(Self(Some(id.to_owned()))),
            _ => Err(Problem::invalid_field(
                Run::HEADER,
                "isn't the id of one run: give the `runId` of the run to which the change belongs",
            )),
        }
    }
}

impl IntoParams for RunHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = ParameterBuilder::new().name(Run::HEADER).parameter_in(ParameterIn::Header);
        let header = header.required(Required::False).schema(Some(RunId::schema()));
        let description = "The run to which the change belongs. The change is put back when that run ends.";
        vec![header.description(Some(description)).build()]
    }
}
