//! DescribeCluster and FindCoordinator: the only node is every broker, controller and coordinator.

use super::{
    authorized,
    caller::Caller,
    fields::{NODE_ID, text},
};
use crate::{node::Node, refusal::Refusal};
use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, describe_cluster_response::DescribeClusterBroker,
        find_coordinator_response::Coordinator,
    },
    protocol::StrBytes,
};

/// The kinds of coordinators.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// From this version on, a request asks for several coordinators.
const BATCHED: i16 = 4;

/// The message that Apache Kafka sends with success in these versions.
const NO_ERROR: &str = "NONE";

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn describe_cluster(
    node: &Node,
    caller: &Caller,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default();
    if request.endpoint_type != BROKERS {
        let (error, message) = match request.endpoint_type {
            CONTROLLERS => (
                ResponseError::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                    .to_owned(),
            ),
            other => (ResponseError::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
        };
        return response.with_error_code(error.code()).with_error_message(Some(text(message)));
    }
    let asked = request.include_cluster_authorized_operations;
    let broker = DescribeClusterBroker::default()
        .with_broker_id(NODE_ID)
        .with_host(text(&caller.endpoint.host))
        .with_port(i32::from(caller.endpoint.port));
    response
        .with_cluster_id(text(&node.cluster_id))
        .with_controller_id(NODE_ID)
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(authorized::shown(authorized::ON_CLUSTER, asked))
}

pub(super) fn find_coordinator(caller: &Caller, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let outcome = match request.key_type {
        GROUP | TRANSACTION => Ok(()),
        other => Err(Refusal::new(
            ResponseError::InvalidRequest,
            format!("there is no coordinator of type {other}"),
        )),
    };
    if caller.version >= BATCHED {
        let keys = request.coordinator_keys.into_iter();
        return FindCoordinatorResponse::default()
            .with_coordinators(keys.map(|key| coordinator(caller, key, &outcome)).collect());
    }
    match outcome {
        Ok(()) => FindCoordinatorResponse::default()
            .with_error_message(Some(text(NO_ERROR)))
            .with_node_id(NODE_ID)
            .with_host(text(&caller.endpoint.host))
            .with_port(i32::from(caller.endpoint.port)),
        Err(refusal) => FindCoordinatorResponse::default()
            .with_error_code(refusal.error.code())
            .with_error_message(refusal.text())
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}

fn coordinator(caller: &Caller, key: StrBytes, outcome: &Result<(), Refusal>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key);
    match outcome {
        Ok(()) => coordinator
            .with_node_id(NODE_ID)
            .with_host(text(&caller.endpoint.host))
            .with_port(i32::from(caller.endpoint.port)),
        Err(refusal) => coordinator
            .with_error_code(refusal.error.code())
            .with_error_message(refusal.text())
            .with_node_id(BrokerId(-1))
            .with_port(-1),
    }
}
