"""The algebra of FieldsV1, held against plain sets of paths, and the removal of fields from an object."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.live_objects import Server
from wizard.facts.field_sets import (
    Fields,
    difference,
    intersection,
    is_member,
    overlap,
    paths,
    select,
    union,
    union_of,
    without,
)
from wizard.manifest import guide_objects

NAMES = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"t"'])


def trees(below: st.SearchStrategy[Fields]) -> st.SearchStrategy[Fields]:
    """Nodes with members below them, themselves a member or not."""
    inner = st.dictionaries(NAMES, below, min_size=1, max_size=3)
    return st.builds(lambda fields, member: {".": {}, **fields} if member else fields, inner, st.booleans())


NODES: st.SearchStrategy[Fields] = st.recursive(st.just({}), trees, max_leaves=8)
SETS: st.SearchStrategy[Fields] = st.dictionaries(NAMES, NODES, max_size=4)


def members(fields: Fields) -> set[str]:
    return set(paths(fields))


@given(SETS, SETS)
def test_sets_of_fields_behave_like_sets_of_paths(one: Fields, other: Fields) -> None:
    kept = copy.deepcopy((one, other))
    assert members(union(one, other)) == members(one) | members(other)
    assert members(intersection(one, other)) == members(one) & members(other)
    assert members(difference(one, other)) == members(one) - members(other)
    assert overlap(one, other) is bool(members(one) & members(other))
    assert (one, other) == kept


@given(SETS, SETS, SETS)
def test_a_union_of_many_is_one_after_the_other(one: Fields, two: Fields, three: Fields) -> None:
    assert members(union_of([one, two, three])) == members(one) | members(two) | members(three)
    assert union_of([]) == {}
    assert difference(union(one, two), two) == difference(one, two)


@given(SETS, SETS)
def test_no_empty_branch_is_left_that_would_be_read_as_a_member(one: Fields, other: Fields) -> None:
    def branches(node: Fields) -> None:
        for key, below in node.items():
            if key != ".":
                assert below or is_member(below)
                branches(below)

    for result in (union(one, other), intersection(one, other), difference(one, other)):
        branches(result)


@given(SETS, st.sampled_from([".a", ".b", '[name="x"]']))
def test_members_are_selected_by_the_servers_name_for_them(fields: Fields, end: str) -> None:
    chosen = select(fields, lambda path: path.endswith(end))
    assert members(chosen) == {path for path in members(fields) if path.endswith(end)}
    assert select(fields, lambda path: True) == fields


# --- removing fields --------------------------------------------------------------------------------------------

POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x", "y"]},
    "spec": {
        "containers": [{"name": "one", "image": "i", "resources": {"limits": {"cpu": "1"}}}, {"name": "two"}],
        "hostNetwork": True,
    },
}
ONE = 'k:{"name":"one"}'


def test_a_field_goes_and_a_map_goes_with_its_last_key() -> None:
    drop: dict[str, Any] = {
        "f:spec": {"f:hostNetwork": {}, "f:containers": {ONE: {"f:resources": {"f:limits": {"f:cpu": {}}}}}}
    }
    found = without(POD, drop, {})
    assert found["spec"] == {"containers": [{"name": "one", "image": "i"}, {"name": "two"}]}
    assert POD["spec"]["hostNetwork"] is True


def test_an_item_of_a_list_goes_by_its_key_or_its_value() -> None:
    drop = {"f:metadata": {"f:finalizers": {'v:"x"': {}}}, "f:spec": {"f:containers": {ONE: {".": {}, "f:name": {}}}}}
    found = without(POD, drop, {})
    assert found["metadata"]["finalizers"] == ["y"]
    assert found["spec"]["containers"] == [{"name": "two"}]


def test_a_map_in_which_another_manager_has_a_key_stays_with_that_key() -> None:
    drop = {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {"f:containers": {ONE: {".": {}, "f:image": {}}}},
    }
    kept = {"f:metadata": {"f:labels": {"f:b": {}}}, "f:spec": {"f:containers": {ONE: {"f:name": {}}}}}
    found = without(POD, drop, kept)
    assert found["metadata"]["labels"] == {"b": "2"}
    assert found["spec"]["containers"][0] == {"name": "one", "resources": {"limits": {"cpu": "1"}}}


def test_what_is_not_there_is_not_missed() -> None:
    drop = {"f:status": {"f:phase": {}}, "f:spec": {"f:containers": {'k:{"name":"three"}': {}}, "f:nothing": {}}}
    assert without(POD, drop, {}) == POD


def test_removing_all_that_a_manager_applied_leaves_nothing_but_the_servers_own() -> None:
    server = Server()
    server.apply(guide_objects())
    config = server.object("ConfigMap")
    (entry,) = config["metadata"]["managedFields"]
    left = without(config, entry["fieldsV1"], {})
    assert "data" not in left
