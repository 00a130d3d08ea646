//! DescribeAcls, CreateAcls and DeleteAcls: each is refused, as by Apache Kafka without an authorizer.

use super::fields::text;
use kafka_protocol::{
    ResponseError,
    messages::{
        CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsResponse,
        create_acls_response::AclCreationResult, delete_acls_response::DeleteAclsFilterResult,
    },
};

const CODE: i16 = ResponseError::SecurityDisabled.code();

const MESSAGE: &str = "No Authorizer is configured.";

pub(super) fn describe_acls() -> DescribeAclsResponse {
    DescribeAclsResponse::default()
        .with_error_code(CODE)
        .with_error_message(Some(text("No Authorizer is configured on the broker")))
}

pub(super) fn create_acls(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused = AclCreationResult::default().with_error_code(CODE).with_error_message(Some(text(MESSAGE)));
    CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
}

pub(super) fn delete_acls(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused =
        DeleteAclsFilterResult::default().with_error_code(CODE).with_error_message(Some(text(MESSAGE)));
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
}
