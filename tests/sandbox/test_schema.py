from __future__ import annotations

import pytest
from kubernetes.aio.client import models

from wizard.quantities import QuantityError, amount, canonical
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.schema import types
from wizard.sandbox.selectors import label_selector

NEWER = {"podPreemptionPolicy", "runningInUserNamespace", "evictionResponders", "volumeHealth", "bindMountOptions"}
"""Fields of the client's release (1.37) that a server of 1.36 does not have."""


@pytest.mark.parametrize(
    "name",
    [
        "Namespace",
        "Node",
        "NodeSpec",
        "NodeStatus",
        "ConfigMap",
        "ResourceQuotaSpec",
        "DaemonSetSpec",
        "DaemonSetStatus",
        "PodSpec",
        "PodStatus",
        "PodSecurityContext",
        "Container",
        "SecurityContext",
        "Volume",
        "VolumeMount",
        "Toleration",
        "ResourceRequirements",
        "ObjectMeta",
        "ContainerStatus",
    ],
)
def test_types_have_the_fields_that_the_client_knows(name: str) -> None:
    model = getattr(models, f"V1{name}")
    known = set(model.attribute_map.values())
    assert set(types()[name].fields) == known - NEWER


@pytest.mark.parametrize(
    ("given", "kept", "value"),
    [
        (50, "50", 50), ("0.1", "100m", 0.1), ("1000m", "1", 1), ("1024Mi", "1Gi", 2**30), ("15Mi", "15Mi", 15 * 2**20),
        ("1500", "1500", 1500), ("2000", "2k", 2000), ("1e3", "1e3", 1000), ("0", "0", 0),
        ("1.5Gi", "1536Mi", 1.5 * 2**30),
    ],
)  # fmt: skip
def test_quantities(given: int | str, kept: str, value: float) -> None:
    assert canonical(given) == kept
    assert float(amount(given)) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "lots", "15 Mi", "1Xi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        canonical(text)


@pytest.mark.parametrize("text", ["a=b c", "a in b", "=x", "!a=b", "a==="])
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(Refusal, match="unable to parse requirement"):
        label_selector(text)
