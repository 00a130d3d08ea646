//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use super::{Raw, text};
use bytes::Bytes;
use kafka_protocol::{
    messages::{
        GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};

pub async fn play(raw: &mut Raw) {
    joining(raw).await;
    belonging(raw).await;
    static_members(raw).await;
}

/// Joins a group whose only protocol is called `range` and has no metadata.
fn join(group: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(protocols(&["range"]))
}

fn protocols(names: &[&str]) -> Vec<JoinGroupRequestProtocol> {
    names
        .iter()
        .map(|name| {
            JoinGroupRequestProtocol::default()
                .with_name(text(name))
                .with_metadata(Bytes::from_static(b"raw"))
        })
        .collect()
}

fn sync(group: &str, member: &StrBytes, generation: i32) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(member.clone())
        .with_generation_id(generation)
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
}

fn heartbeat(group: &str, member: &StrBytes, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(member.clone())
        .with_generation_id(generation)
}

fn leave(group: &str, members: Vec<MemberIdentity>) -> LeaveGroupRequest {
    LeaveGroupRequest::default().with_group_id(GroupId(text(group))).with_members(members)
}

fn member(id: &StrBytes, instance: Option<&str>) -> MemberIdentity {
    MemberIdentity::default().with_member_id(id.clone()).with_group_instance_id(instance.map(text))
}

impl Raw {
    /// Joins in both steps and assigns nothing, without noting it. Returns the member's id and the
    /// generation.
    pub async fn enter(&mut self, group: &str) -> (StrBytes, i32) {
        let member = self.call(9, &join(group)).await.unwrap().member_id;
        let joined = self.call(9, &join(group).with_member_id(member.clone())).await.unwrap();
        assert_eq!(joined.error_code, 0, "{joined:?}");
        let share = SyncGroupRequestAssignment::default()
            .with_member_id(member.clone())
            .with_assignment(Bytes::from_static(b"share"));
        let synced =
            self.call(5, &sync(group, &member, joined.generation_id).with_assignments(vec![share])).await;
        assert_eq!(synced.unwrap().error_code, 0);
        (member, joined.generation_id)
    }

    /// Leaves a group without noting it.
    pub async fn quit(&mut self, group: &str, id: &StrBytes) {
        self.call(5, &leave(group, vec![member(id, None)])).await.unwrap();
    }
}

async fn joining(raw: &mut Raw) {
    let stranger = text("stranger");
    for (what, request) in [
        ("a group without a name", join("")),
        ("a session too short", join("raw-join").with_session_timeout_ms(5_999)),
        ("a session too long", join("raw-join").with_session_timeout_ms(1_800_001)),
        ("a negative session", join("raw-join").with_session_timeout_ms(-1)),
        ("a negative rebalance", join("raw-join").with_rebalance_timeout_ms(-1)),
        ("no protocols", join("raw-join").with_protocols(vec![])),
        ("no kind of protocol", join("raw-join").with_protocol_type(text(""))),
        ("a member nobody knows", join("raw-join").with_member_id(stranger.clone())),
        ("an instance without a name", join("raw-join").with_group_instance_id(Some(text("")))),
        ("an instance with a bad name", join("raw-join").with_group_instance_id(Some(text("a b")))),
        ("an instance of dots", join("raw-join").with_group_instance_id(Some(text("..")))),
        (
            "an unknown static member",
            join("raw-join").with_group_instance_id(Some(text("i"))).with_member_id(stranger.clone()),
        ),
        ("a new member", join("raw-join")),
    ] {
        raw.ask(what, 9, request).await;
    }
    for version in 0..=9 {
        let group = format!("raw-join-{version}");
        let joined = raw.ask(&format!("version {version}"), version, join(&group)).await;
        let id = joined.unwrap().member_id;
        if version >= 4 {
            raw.ask(
                &format!("with an id, version {version}"),
                version,
                join(&group).with_member_id(id.clone()),
            )
            .await;
        }
        raw.quit(&group, &id).await;
    }
}

async fn belonging(raw: &mut Raw) {
    let stranger = text("stranger");
    raw.ask("of an unknown group", 5, sync("raw-nobodys", &stranger, 1)).await;
    raw.ask("of an unknown group", 4, heartbeat("raw-nobodys", &stranger, 1)).await;
    raw.ask("of an unknown group", 5, leave("raw-nobodys", vec![member(&stranger, None)])).await;
    raw.ask("of a group without a name", 5, sync("", &stranger, 1)).await;
    raw.ask("of a group without a name", 4, heartbeat("", &stranger, 1)).await;
    raw.ask("of a group without a name", 5, leave("", vec![member(&stranger, None)])).await;

    let (id, generation) = raw.enter("raw-life").await;
    raw.notes.note("first generation", generation);
    raw.ask("by a stranger", 5, sync("raw-life", &stranger, generation)).await;
    raw.ask("of an old generation", 5, sync("raw-life", &id, generation - 1)).await;
    raw.ask("of a generation to come", 5, sync("raw-life", &id, generation + 1)).await;
    raw.ask("of another protocol", 5, sync("raw-life", &id, generation).with_protocol_name(Some(text("x"))))
        .await;
    raw.ask("of another kind", 5, sync("raw-life", &id, generation).with_protocol_type(Some(text("x"))))
        .await;
    raw.ask(
        "without a kind",
        5,
        sync("raw-life", &id, generation).with_protocol_type(None).with_protocol_name(None),
    )
    .await;
    for version in 0..=5 {
        raw.ask(&format!("again, version {version}"), version, sync("raw-life", &id, generation)).await;
    }
    for version in 0..=4 {
        raw.ask(&format!("version {version}"), version, heartbeat("raw-life", &id, generation)).await;
    }
    raw.ask("by a stranger", 4, heartbeat("raw-life", &stranger, generation)).await;
    raw.ask("of an old generation", 4, heartbeat("raw-life", &id, generation - 1)).await;
    raw.ask(
        "with a new instance",
        4,
        heartbeat("raw-life", &id, generation).with_group_instance_id(Some(text("i"))),
    )
    .await;
    raw.ask("other protocols", 9, join("raw-life").with_protocols(protocols(&["other"]))).await;
    let other =
        raw.ask("another kind of protocol", 9, join("raw-life").with_protocol_type(text("connect"))).await;
    drop(other);
    raw.ask("again by the only member", 9, join("raw-life").with_member_id(id.clone())).await;
    raw.ask("while nothing is shared out", 4, heartbeat("raw-life", &id, generation + 1)).await;
    let share = SyncGroupRequestAssignment::default()
        .with_member_id(id.clone())
        .with_assignment(Bytes::from_static(b"more"));
    raw.ask("shared out", 5, sync("raw-life", &id, generation + 1).with_assignments(vec![share])).await;
    // A second member waits for the first, which learns of it from its next heartbeat.
    let mut second = Raw {
        stream: None,
        correlation: 0,
        notes: crate::notes::Notes::default(),
        bootstrap: raw.bootstrap.clone(),
    };
    let second_id = second.call(9, &join("raw-life")).await.unwrap().member_id;
    let waiting = join("raw-life").with_member_id(second_id.clone());
    let waits = tokio::spawn(async move {
        let answer = second.call(9, &waiting).await.unwrap();
        (second, answer)
    });
    let until_told = async {
        while raw.call(4, &heartbeat("raw-life", &id, generation + 1)).await.unwrap().error_code == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, until_told).await.expect("a rebalance");
    raw.ask("while another waits", 4, heartbeat("raw-life", &id, generation + 1)).await;
    raw.ask("while another waits", 5, sync("raw-life", &id, generation + 1)).await;
    let joined = raw.call(9, &join("raw-life").with_member_id(id.clone())).await.unwrap();
    let (mut second, answer) = waits.await.unwrap();
    raw.notes.note("two members: generation", joined.generation_id);
    raw.notes.note("two members: the first leads", joined.leader == id && answer.leader == id);
    raw.notes.note(
        "two members: told to the leader, to the other",
        format!("{} {}", joined.members.len(), answer.members.len()),
    );
    raw.notes
        .note("two members: told apart from errors", format!("{} {}", joined.error_code, answer.error_code));
    raw.ask(
        "by two, at once: the leader leaves",
        5,
        leave("raw-life", vec![member(&id, None), member(&stranger, None)]),
    )
    .await;
    let rest = second.call(4, &heartbeat("raw-life", &second_id, joined.generation_id)).await.unwrap();
    raw.notes.note("two members: what the other hears when one leaves", rest.error_code);
    for version in 0..=5 {
        let request = if version < 3 {
            leave("raw-life", vec![]).with_member_id(second_id.clone())
        } else {
            leave("raw-life", vec![member(&second_id, None)])
        };
        raw.ask(&format!("version {version}"), version, request).await;
    }
    raw.ask("by nobody", 5, leave("raw-life", vec![])).await;
    raw.ask("of an empty group", 4, heartbeat("raw-life", &id, 4)).await;
}

async fn static_members(raw: &mut Raw) {
    let named = |instance: &str| join("raw-static").with_group_instance_id(Some(text(instance)));
    let first = raw.ask("a static member", 9, named("one")).await.unwrap();
    let share = SyncGroupRequestAssignment::default()
        .with_member_id(first.member_id.clone())
        .with_assignment(Bytes::from_static(b"share"));
    let sync_as = |id: &StrBytes, generation| {
        sync("raw-static", id, generation).with_group_instance_id(Some(text("one")))
    };
    raw.ask(
        "as a static member",
        5,
        sync_as(&first.member_id, first.generation_id).with_assignments(vec![share]),
    )
    .await;
    let second = raw.ask("a static member back again", 9, named("one")).await.unwrap();
    raw.notes.note(
        "static member: another id, the same generation",
        format!("{} {}", first.member_id != second.member_id, second.generation_id == first.generation_id),
    );
    raw.ask("as the static member back again", 5, sync_as(&second.member_id, second.generation_id)).await;
    let beat = |id: &StrBytes| {
        heartbeat("raw-static", id, second.generation_id).with_group_instance_id(Some(text("one")))
    };
    raw.ask("of the one fenced off", 4, beat(&first.member_id)).await;
    raw.ask("of the one that is", 4, beat(&second.member_id)).await;
    raw.ask("as the one fenced off", 5, sync_as(&first.member_id, second.generation_id)).await;
    raw.ask("as the one fenced off", 9, named("one").with_member_id(first.member_id.clone())).await;
    raw.ask("as the one fenced off", 5, leave("raw-static", vec![member(&first.member_id, Some("one"))]))
        .await;
    raw.ask("of an unknown instance", 5, leave("raw-static", vec![member(&text(""), Some("two"))])).await;
    raw.ask("by name", 5, leave("raw-static", vec![member(&text(""), Some("one"))])).await;
    raw.ask("by name, again", 5, leave("raw-static", vec![member(&text(""), Some("one"))])).await;
}
