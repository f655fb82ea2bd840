"""Taints: which of them keep a DaemonSet's pod off a node, for good or only until they go by themselves.

A taint for a state passes: a node that starts, a node agent that is not ready yet, a disruption, a deletion. Whoever
set it removes it, or the node. It gets no toleration, which would stay after it; the node is labeled and waited for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wizard.facts.cluster import NodeFacts, Taint

CONTROL_PLANE_TAINTS: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

CONDITIONS: Final = "node.kubernetes.io/"
"""The prefix of the taints that Kubernetes sets for a node's condition."""

NETWORK: Final = f"{CONDITIONS}network-unavailable"

TOLERATED: Final = frozenset(
    f"{CONDITIONS}{condition}"
    for condition in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
"""What the DaemonSet controller tolerates for every pod; NETWORK too, but only with the host's network (Kubernetes
documentation, DaemonSet, "Taints and tolerations")."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")

_PASSING: Final = re.compile(
    r"\bnot (?:yet )?(?:\w+ )?(?:ready|initialized|bootstrapped|available|healthy|registered)\b"
    r"|\b(?:uninitialized|unregistered|initializing|bootstrapping|unhealthy|unreachable|out of service)\b"
    r"|\b(?:startup|status|ignore) taint\b"
    r"|\breadiness\b"
    r"|\b(?:to be deleted|deletion candidate|disrupted|disruption|draining|drain|cordoned|remediation|maintenance)\b"
    r"|\b(?:terminating|termination|rebalance recommendation|spot itn|upgrading|update in progress|rebooting|reboot)\b"
)
"""Words of a key for a state. Cloud providers, autoscalers, network and storage agents choose their own keys, so
there is no complete list: ``node.cilium.io/agent-not-ready``, ``karpenter.sh/disrupted``,
``ToBeDeletedByClusterAutoscaler``."""


def words_of(key: str) -> str:
    """Returns the words of a taint's key, in lower case: ``ToBeDeleted`` is "to be deleted"."""
    return " ".join(word.lower() for word in _WORD.findall(key))


def passes(taint: Taint) -> bool:
    """Tells whether a taint goes by itself: it is for a state of the node, not for a kind of workload."""
    return taint.key.startswith(CONDITIONS) or _PASSING.search(words_of(taint.key)) is not None


def keeping_off(
    node: NodeFacts, tolerations: Sequence[Mapping[str, Any]] = (), *, host_network: bool = False
) -> tuple[Taint, ...]:
    """Returns the taints that keep a DaemonSet's pod with these tolerations (as in a pod's spec) off a node now."""
    return tuple(
        taint
        for taint in node.taints
        if taint.effect in ("NoSchedule", "NoExecute")
        and taint.key not in TOLERATED
        and not (host_network and taint.key == NETWORK)
        and not any(_tolerates(toleration, taint) for toleration in tolerations)
    )


def untolerated(node: NodeFacts, tolerations: Sequence[Mapping[str, Any]] = ()) -> tuple[Taint, ...]:
    """Returns the taints that keep such a pod off a node for good: those that pass are not among them."""
    return tuple(taint for taint in keeping_off(node, tolerations) if not passes(taint))


def until_they_pass(node: NodeFacts, pod: Mapping[str, Any]) -> tuple[Taint, ...]:
    """Returns the taints that keep a DaemonSet's pod (its spec) off a node until they go by themselves."""
    tolerations, network = pod.get("tolerations") or (), bool(pod.get("hostNetwork"))
    return tuple(taint for taint in keeping_off(node, tolerations, host_network=network) if passes(taint))


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.value
