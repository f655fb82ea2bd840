"""Who owns what in a live object, and what two versions of one differ in."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.facts_for_tests import cluster, judged, nodes
from tests.live_objects import LAST_APPLIED, Server
from wizard.choices.answers import Answers, ManifestChoice
from wizard.facts.changes import changes_between, changes_of_set_fields, counts
from wizard.facts.field_sets import paths
from wizard.facts.live import TAKEN_OVER_AT, Live, content_key, migrated_entries
from wizard.facts.objects import ObjectRef, leaves, same_value
from wizard.manifest import Basis, devices_in, guide_objects, pod_of, render
from wizard.manifest.device_config import text_of, with_devices
from wizard.manifest.gitops import keeper_of
from wizard.names import FIELD_MANAGER, NUDGE_ANNOTATION

IMAGE = '.spec.template.spec.containers[name="smarter-device-manager"].image'
RECOMMENDED = render(Basis(), ManifestChoice()).objects
DAEMON_SET = ObjectRef("DaemonSet", "smarter-device-manager", "smarter-device-manager")


@pytest.fixture
def server() -> Server:
    return Server()


def live(server: Server, kind: str = "DaemonSet") -> Live:
    item = server.object(kind)
    return Live.of(item, keeper=keeper_of(item))


def fields_of(fields: Any) -> set[str]:
    return set(paths(fields))


# --- who owns what ----------------------------------------------------------------------------------------------


def test_what_an_apply_of_ours_set_is_ours(server: Server) -> None:
    server.apply(guide_objects())
    found = live(server)
    assert found.is_ours and not found.adopted and not found.others
    assert IMAGE in fields_of(found.ours)


def test_what_kubectl_apply_left_is_taken_over_and_not_ours(server: Server) -> None:
    server.kubectl_apply(guide_objects())
    found = live(server)
    assert not found.is_ours and not found.others
    assert {IMAGE, ".spec.template.spec.hostNetwork"} <= fields_of(found.adopted)
    assert f".metadata.annotations.{LAST_APPLIED}" in fields_of(found.adopted)


def test_what_a_gitops_tool_keeps_is_not_taken_over(server: Server) -> None:
    server.kubectl_apply(guide_objects())
    server.patch("DaemonSet", {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}}, "argocd")
    found = live(server)
    assert not found.adopted
    assert IMAGE in fields_of(found.others["kubectl-client-side-apply"])


def test_the_fields_of_others_are_kept_by_manager(server: Server) -> None:
    server.apply(guide_objects())
    server.patch("DaemonSet", {"spec": {"minReadySeconds": 5}}, "kubectl-edit")
    found = live(server)
    assert fields_of(found.others["kubectl-edit"]) == {".spec.minReadySeconds"}
    assert found.is_ours


def test_waking_the_controller_is_nobodys_field(server: Server) -> None:
    server.apply(guide_objects())
    before = live(server)
    server.patch("DaemonSet", {"metadata": {"annotations": {NUDGE_ANNOTATION: "now"}}}, FIELD_MANAGER)
    found = live(server)
    assert (found.ours, found.adopted, found.others) == (before.ours, {}, {})
    # Another field that an update of ours left is taken over.
    server.patch("DaemonSet", {"spec": {"minReadySeconds": 5}}, FIELD_MANAGER)
    assert fields_of(live(server).adopted) == {".spec.minReadySeconds"}


def test_a_take_over_that_was_interrupted_is_no_choice_of_ours(server: Server) -> None:
    server.kubectl_apply(guide_objects())
    before = server.object("DaemonSet")
    entries = list(migrated_entries(before, {}))
    server.json_patch("DaemonSet", [{"op": "replace", "path": "/metadata/managedFields", "value": entries}])
    halfway = live(server)
    assert server.object("DaemonSet")["spec"] == before["spec"]
    assert not halfway.is_ours and not halfway.others
    assert IMAGE in fields_of(halfway.adopted)
    # So the guide's values are not read back as what was chosen here.
    rendering = server.judged(*nodes(2)).rendering
    assert rendering.switch("image").source == "facts"
    server.apply(rendering.objects[3:])
    ended = live(server)
    assert ended.is_ours and not ended.adopted
    assert LAST_APPLIED not in (ended.object["metadata"].get("annotations") or {})


def test_a_field_that_is_left_stays_with_kubectl(server: Server) -> None:
    server.kubectl_apply(guide_objects())
    host_network: dict[str, Any] = {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}}
    entries = migrated_entries(server.object("DaemonSet"), host_network)
    (kept,) = [entry for entry in entries if entry["manager"] == "kubectl-client-side-apply"]
    assert kept["fieldsV1"] == host_network
    # Without such a decision, nothing stays with kubectl.
    assert [one["manager"] for one in migrated_entries(server.object("DaemonSet"), {})] == [FIELD_MANAGER]
    (ours,) = [entry for entry in entries if entry["manager"] == FIELD_MANAGER]
    assert ours["time"] == TAKEN_OVER_AT
    assert ".spec.template.spec.hostNetwork" not in fields_of(ours["fieldsV1"])


def test_two_versions_have_one_key_if_only_a_controller_wrote(server: Server) -> None:
    server.apply(guide_objects())
    before = server.object("DaemonSet")
    status = copy.deepcopy(before)
    status["status"]["numberReady"] = 7
    status["metadata"] |= {"resourceVersion": "999", "generation": 9}
    controller = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
    status["metadata"]["managedFields"].append({**controller, "fieldsV1": {"f:status": {}}})
    assert content_key(status) == content_key(before)
    server.patch("DaemonSet", {"spec": {"minReadySeconds": 5}})
    assert content_key(server.object("DaemonSet")) != content_key(before)


def test_who_owns_a_field_is_part_of_the_key(server: Server) -> None:
    server.apply(guide_objects())
    before = server.object("DaemonSet")
    server.apply(guide_objects()[3:], "argocd")
    after = server.object("DaemonSet")
    assert after["spec"] == before["spec"]
    assert content_key(after) != content_key(before)


# --- what differs -----------------------------------------------------------------------------------------------


def test_an_object_that_is_not_there_is_created_field_by_field() -> None:
    found = changes_between(DAEMON_SET, None, guide_objects()[3])
    assert {change.path: change.after for change in found}[IMAGE].endswith(":v1.20.7")
    assert all(change.before is None for change in found)
    removed = changes_between(DAEMON_SET, guide_objects()[3], None)
    assert {change.path for change in removed} == {change.path for change in found}


def test_a_change_has_both_values_and_who_owns_the_field_now(server: Server) -> None:
    server.apply(guide_objects(), "argocd")
    before = server.object("DaemonSet")
    server.apply(RECOMMENDED[3:], force=True)
    attributed = judged_attribution()
    found = changes_between(DAEMON_SET, before, server.object("DaemonSet"), by=attributed)
    (image,) = [change for change in found if change.path == IMAGE]
    assert (image.before, image.owners, image.by) == (
        "registry.gitlab.com/arm-research/smarter/smarter-device-manager:v1.20.7",
        ("argocd",),
        "image",
    )
    assert {change.by for change in found if not change.noise} == {"image", "memory", "linux-only", "restart-on-change"}


def judged_attribution() -> Any:
    return judged(cluster(*nodes(2)), Answers()).attribute


def test_what_tools_keep_for_themselves_is_listed_and_not_counted(server: Server) -> None:
    server.kubectl_apply(guide_objects())
    before = server.object("DaemonSet")
    after = copy.deepcopy(before)
    del after["metadata"]["annotations"][LAST_APPLIED]
    after["metadata"]["annotations"][NUDGE_ANNOTATION] = "now"
    after["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = "2"
    after["metadata"] |= {"resourceVersion": "9", "generation": 2, "managedFields": []}
    after["status"] = {"numberReady": 1}
    found = changes_between(DAEMON_SET, before, after)
    assert len(found) == 3 and all(change.noise for change in found)
    assert not counts(found)
    pod_of(after)["hostNetwork"] = False
    assert counts(changes_between(DAEMON_SET, before, after))


def test_quantities_and_the_servers_defaults_are_no_change(server: Server) -> None:
    server.apply(guide_objects())
    quota = server.object("ResourceQuota")
    wanted = copy.deepcopy(quota)
    wanted["spec"]["hard"]["pods"] = 50
    assert changes_between(ObjectRef.of(quota), quota, wanted) == ()
    wanted["spec"]["hard"]["pods"] = "1k"
    (change,) = changes_between(ObjectRef.of(quota), quota, wanted)
    assert (change.path, change.before, change.after) == (".spec.hard.pods", "50", "1k")


def test_the_order_of_named_items_is_no_change_and_that_of_others_is() -> None:
    before, after = guide_objects()[3], guide_objects()[3]
    pod_of(after)["volumes"].reverse()
    assert changes_between(DAEMON_SET, before, after) == ()
    tolerations = [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]
    pod_of(before)["tolerations"], pod_of(after)["tolerations"] = tolerations, tolerations[::-1]
    (change,) = changes_between(DAEMON_SET, before, after)
    assert change.path == ".spec.template.spec.tolerations"


def test_before_the_server_was_asked_only_set_fields_are_named(server: Server) -> None:
    server.apply(guide_objects(), "argocd")
    found = changes_of_set_fields(DAEMON_SET, server.object("DaemonSet"), RECOMMENDED[3])
    # Without the server's answer, nothing is known of the checkpoint annotation that goes.
    assert {change.path.rpartition(".")[2] for change in found} == {
        "image", "memory", "io/os", "podman-wizard/config-hash"
    }  # fmt: skip
    assert len(found) == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["spec", "data", "rules"]), JSON), JSON)
def test_an_object_does_not_differ_from_itself(content: dict[str, Any], extra: Any) -> None:
    item = {"kind": "DaemonSet", "metadata": {"name": "x"}, **content}
    assert changes_between(DAEMON_SET, item, copy.deepcopy(item)) == ()
    changed = {**item, "more": extra}
    found = changes_between(DAEMON_SET, item, changed)
    values = {path: value for path, value in leaves({"more": extra}) if value not in ({}, [], None)}
    assert {change.path: change.after for change in found} == values
    back = changes_between(DAEMON_SET, changed, item)
    assert {change.path: change.before for change in back} == values


@pytest.mark.parametrize(
    ("path", "one", "other", "same"),
    [
        (".spec.hard.pods", "1k", 1000, True),
        (".spec.hard.pods", "1k", "1000m", False),
        (".metadata.labels.x", "1k", "1000", False),
        (".spec.x", 1, "1", True),
        (".spec.x", True, 1, False),
        (".spec.x", None, "", False),
        (".spec.x", [1], ["1"], True),
        (".spec.x", {"a": 1}, [1], False),
        (".spec.limits", {"memory": "1Gi"}, {"memory": "1024Mi"}, True),
    ],
)
def test_values_are_the_same_if_the_server_says_so(path: str, one: Any, other: Any, same: bool) -> None:
    assert same_value(path, one, other) is same
    assert same_value(path, other, one) is same


# --- the device manager's configuration ---------------------------------------------------------------------------

GUIDE_TEXT = text_of(guide_objects()[2])


def config(text: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "data": {"conf.yaml": text}}


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        (GUIDE_TEXT, 50),
        ("- devicematch: ^snd$\n  nummaxdevices: 20\n- devicematch: ^fuse$\n  nummaxdevices: 7\n", 7),
        ("- devicematch: ^net/tun$\n  nummaxdevices: 20\n", None),
        ("- devicematch: fu.e\n  nummaxdevices: 9\n", 9),
        ("- devicematch: '['\n  nummaxdevices: 9\n- devicematch: ^fuse$\n  nummaxdevices: 3\n", 3),
        ("- devicematch: ^fuse$\n  nummaxdevices: many\n", None),
        ("- devicematch: ^fuse$\n  nummaxdevices: 0\n", None),
        ("- devicematch: ^fuse$\n", None),
        ("nonsense: [", None),
        ("a: mapping", None),
        ("", None),
    ],
)
def test_the_number_of_fuse_devices_is_read_as_the_device_manager_reads_it(text: str, devices: int | None) -> None:
    assert devices_in(config(text)) == devices
    assert devices_in(None) is None


OTHER = st.sampled_from(["^snd$", "^net/tun$", "^video[0-9]*$", "^kvm$"])


@given(
    st.lists(st.tuples(OTHER, st.integers(1, 999)), max_size=3),
    st.lists(st.tuples(OTHER, st.integers(1, 999)), max_size=3),
    st.integers(1, 999),
    st.integers(1, 999),
    st.sampled_from(
        [
            "- devicematch: {0}\n  nummaxdevices: {1}\n",
            "- nummaxdevices: {1}  # how many\n  devicematch: {0}\n",
            "  - devicematch: {0}\n    nummaxdevices: {1}\n",
        ]
    ),
)
def test_only_the_entry_of_fuse_changes(
    first: list[tuple[str, int]], last: list[tuple[str, int]], old: int, new: int, form: str
) -> None:
    text = "# devices\n" + "".join(form.format(*entry) for entry in [*first, ("^fuse$", old), *last])
    changed = with_devices(text, new)
    assert devices_in(config(changed)) == new
    before, after = yaml.safe_load(text), yaml.safe_load(changed)
    before[len(first)]["nummaxdevices"] = new
    assert after == before
    assert changed.count("#") == text.count("#")
    assert with_devices(changed, old) == text
