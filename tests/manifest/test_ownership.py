from typing import Any

import pytest

from wizard.errors import UsageError
from wizard.manifest.ownership import check_decision, without_fields

DAEMON_SET: dict[str, Any] = {
    "metadata": {"annotations": {"example.org/a.b": "1", "c": "2"}, "finalizers": ["x", "y"]},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "one", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                    {"name": "two", "image": "j"},
                ],
                "tolerations": [{"key": "a"}, {"key": "b"}],
            }
        }
    },
}


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ('.spec.template.spec.containers[name="one"].image', lambda d: "image" not in _containers(d)[0]),
        ('.spec.template.spec.containers[name="two"]', lambda d: len(_containers(d)) == 1),
        (
            '.spec.template.spec.containers[name="one"].ports[containerPort=80,protocol="TCP"]',
            lambda d: _containers(d)[0]["ports"] == [],
        ),
        (".metadata.annotations.example.org/a.b", lambda d: d["metadata"]["annotations"] == {"c": "2"}),
        (".spec.template.spec.tolerations", lambda d: "tolerations" not in d["spec"]["template"]["spec"]),
        (
            ".spec.template.spec.tolerations[0]",
            lambda d: d["spec"]["template"]["spec"]["tolerations"] == [{"key": "b"}],
        ),
        ('.metadata.finalizers[="x"]', lambda d: d["metadata"]["finalizers"] == ["y"]),
    ],
)
def test_a_field_is_left_out_by_the_servers_name_for_it(path: str, read: Any) -> None:
    assert not read(DAEMON_SET)
    assert read(without_fields(DAEMON_SET, [path]))


@pytest.mark.parametrize(
    "path", [".spec.nothing", '.spec.template.spec.containers[name="three"].image', ".metadata.x.y"]
)
def test_a_field_that_is_not_there_changes_nothing(path: str) -> None:
    assert without_fields(DAEMON_SET, [path]) == DAEMON_SET


@pytest.mark.parametrize(
    "path",
    [
        '.spec.template.spec.containers[name="smarter-device-manager"].image',
        ".metadata.annotations.example.org/a.b",
        '.metadata.finalizers[="x"]',
        ".spec.template.spec.tolerations[0]",
        '.spec.template.spec.containers[name="one"].ports[containerPort=80,protocol="TCP"]',
    ],
)
def test_a_decision_names_a_field_as_the_server_does(path: str) -> None:
    check_decision(f"DaemonSet {path}", "leave")


@pytest.mark.parametrize(
    "path",
    [
        ".spec.template.spec.containers[name=smarter-device-manager].image",  # as a shell leaves "[name="x"]"
        '.spec.template.spec.containers[name="one"',
        '.spec.template.spec.containers[name="o\\q"]',
        ".spec..template",
        ".spec.template and more[",
    ],
)
def test_a_decision_about_what_no_field_is_called_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be read as a field of the DaemonSet") as refused:
        check_decision(f"DaemonSet {path}", "leave")
    assert "single quotes" in refused.value.todo


def _containers(daemon_set: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = daemon_set["spec"]["template"]["spec"]["containers"]
    return containers
