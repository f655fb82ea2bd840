"""``check``: what is wrong with each scenario, exactly; and each rule of the catalogue, seen from saved facts."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import command
from tests.facts_for_tests import (
    BOTTLEROCKET,
    CONTROL_PLANE,
    PLAN_RIGHTS,
    RHCOS,
    TALOS,
    UBUNTU_22,
    UBUNTU_24,
    WINDOWS,
    cluster,
    namespace,
    node,
    nodes,
)
from wizard.cli import main
from wizard.engine.collect import save_facts
from wizard.explanations import explain
from wizard.facts.cluster import DRY_RUN, ClusterFacts, DevicePlugin, Right, ScaledPool, Unread
from wizard.finding import Outcome
from wizard.findings.prerequisites import RULES
from wizard.findings.security_modules import FINDING_IDS
from wizard.manifest import guide_objects
from wizard.sandbox import Sandbox
from wizard.sandbox.scenarios import SCENARIOS

Ids = dict[str, set[str]]

POOLED = {"plugin.installed", "plugin.capacity-vs-maxpods", "docs.podman", "node.needs-fuse"}
"""What is said of every cluster that has nodes and no device manager yet."""

NOT_INSTALLED = {"info": POOLED | {"node.label-durable"}}
"""The same where the nodes show no sign of a managed pool."""

JAMMY = "modules.apparmor@ubuntu-22.04_5.15_containerd-1.7"
NOBLE = "modules.apparmor-userns@ubuntu-24.04_6.8_containerd-2.1"
RHCOS_9 = "modules.selinux@rhcos-9.6_5.14_cri-o-1.36"
TALOS_1 = "modules.userns@talos-1.11_6.12_containerd-2.1"

EXPECTED: dict[str, Ids] = {
    "mixed": {
        "warning": {
            "node.label-durable",
            NOBLE,
            JAMMY,
            "modules.userns@bottlerocket-1.48_6.12_containerd-2.1",
            TALOS_1,
            RHCOS_9,
            "modules.selinux@sles-16_6.12_containerd-2.1",
        },
        "info": POOLED | {"node.taints", "node.os-arch", "node.virtual"},
    },
    "autoscaled": {**NOT_INSTALLED, "warning": {"node.autoscaled"}},
    "quota": {
        **NOT_INSTALLED,
        "warning": {"quota.daemonset-pods", JAMMY},
    },
    "coder-v2": {**NOT_INSTALLED, "warning": {NOBLE}},
    "flaky": {
        **NOT_INSTALLED,
        "warning": {"quota.daemonset-pods", JAMMY},
    },
    "large": {
        "warning": {
            "quota.daemonset-pods",
            "node.label-durable",
            NOBLE,
            RHCOS_9,
        },
        "info": POOLED | {"node.taints"},
    },
    "restricted": {
        **NOT_INSTALLED,
        "blocker": {"rbac.plan"},
        "warning": {JAMMY, RHCOS_9},
    },
    "enforced": {
        **NOT_INSTALLED,
        "warning": {
            "adm.psa-namespace",
            TALOS_1,
            NOBLE,
        },
    },
    "owned": {
        "info": NOT_INSTALLED["info"] | {"node.drift"},
        "warning": {
            "gitops.owner",
            NOBLE,
            JAMMY,
        },
    },
    "failing": {
        **NOT_INSTALLED,
        "warning": {
            "node.ready",
            JAMMY,
            "modules.apparmor@debian-12_6.1_containerd-1.7",
            RHCOS_9,
        },
    },
    "empty": {"blocker": {"node.eligible"}, "info": {"plugin.installed", "docs.podman"}},
}


def by_outcome(document: Any) -> Ids:
    """The ids of all that is neither well nor beside the point."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for finding in document["findings"]:
        if finding["outcome"] not in ("ok", "skipped"):
            found[finding["outcome"]].add(finding["id"])
    return dict(found)


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_check_names_what_is_wrong_with_a_scenario_and_nothing_else(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = EXPECTED[scenario]
    code = main(["check", f"--sandbox={scenario}", "-o", "json"])
    document = json.loads(capsys.readouterr().out)
    assert by_outcome(document) == expected
    assert code == ("blocker" in expected)
    assert document["ready"] is ("blocker" not in expected)


@pytest.mark.parametrize(
    ("user", "unknown", "verbs"),
    [
        ("watcher", {"adm.psa-namespace", "adm.webhook"}, {"create pods in default"}),
        (
            "viewer",
            {rule.id for rule in RULES if rule.needs} | {"adm.webhook", "node.autoscaled", "modules.nodes"},
            {"list nodes", "get daemonsets.apps", "get configmaps in kube-system"},
        ),
    ],
)
async def test_a_person_who_may_not_look_is_told_which_verb_is_missing(
    user: str, unknown: set[str], verbs: set[str], tmp_path: Path
) -> None:
    async with await Sandbox.start("restricted") as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", user)
        ended = await command("check", "--kubeconfig", str(tmp_path / "kubeconfig"), "-o", "json")
    found = by_outcome(ended.document)
    assert found["unknown"] == unknown
    assert found["blocker"] == {"rbac.plan"}
    said = " ".join(one["detail"] for one in ended.document["findings"] if one["outcome"] == "unknown")
    assert all(verb in said for verb in verbs)


# --- each rule, from saved facts ---------------------------------------------------------------------------------

TOO_SMALL = 'pods "x" is forbidden: minimum memory usage per Container is 64Mi, but request is 10Mi'
NO_ROOM = 'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=5, limited: pods=5'
"""As the admission plugins of Kubernetes 1.36 word it."""
REFUSED = 'admission webhook "warden-validating.gke.io" denied the request: [denied by autogke-no-write-mode-hostpath]'
WANTS_QUOTA = (
    "insufficient quota to match these scopes: [{PriorityClass In [system-node-critical system-cluster-critical]}]"
)


def daemon_set(manager: str = "kubectl-edit", memory: str = "30Mi") -> dict[str, Any]:
    item = guide_objects()[3]
    container = item["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["limits"]["memory"] = memory
    owned: dict[str, Any] = {"f:containers": {'k:{"name":"smarter-device-manager"}': {".": {}, "f:image": {}}}}
    item["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "time": "2026-11-01T10:00:00Z",
            "fieldsV1": {"f:spec": {"f:template": {"f:spec": owned}}},
        }
    ]
    return item


def installed(kind: str, item: dict[str, Any]) -> ClusterFacts:
    return cluster(node(), objects={kind: item})


def plugin_pod(**container: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "smarter-device-manager-x7k2p"},
        "spec": {"nodeName": "node-1", "containers": [{"name": "smarter-device-manager"}]},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def selecting(labels: dict[str, str]) -> dict[str, Any]:
    item = daemon_set()
    item["spec"]["selector"] = {"matchLabels": labels}
    return item


RUN = {"a": "2026-11-21T00:00:00Z", "b": "2026-11-21T00:00:00Z"}
INSTALLED = cluster(
    node("a", labelled=True), node("b", created="2026-11-20T10:00:00Z"), objects={"DaemonSet": daemon_set()}
)


def denied() -> tuple[Right, ...]:
    return (replace(PLAN_RIGHTS[0], allowed=False), *PLAN_RIGHTS[1:])


OTHER = DevicePlugin("kube-system", "fuse-device-plugin", "soolaugust/fuse-device-plugin:v1.0")
SECOND = DevicePlugin("iot", "sdm", "ghcr.io/smarter-project/smarter-device-manager:v1.20.12")
TWO = node("node-1", allocatable={"pods": 50, "github.com/fuse": 5})
MINE = node("node-1", allocatable={"pods": 50, "smarter-devices/fuse": 20})
GKE_ZERO = ScaledPool(
    "cluster autoscaler",
    "https://www.googleapis.com/compute/v1/p/zones/z/instanceGroups/gke-a-big-1a2b-grp",
    0,
    0,
    9,
)
KARPENTER = ScaledPool("Karpenter", "default", 3, 0, None, {})
LABELLED = replace(KARPENTER, labels={"smarter-device-manager": "enabled"})
OLD = replace(GKE_ZERO, as_of="2026-11-20T00:00:00Z")
NO_POD = Unread(DRY_RUN, "create", "pods in default", 'User "dev" cannot create resource "pods"')
NO_STATUS = Unread("the cluster autoscaler's status", "get", "configmaps in kube-system", "forbidden")
OOM = {"state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled"}}}
PENDING = {
    "metadata": {"name": "smarter-device-manager-x7k2p"},
    "spec": {"containers": [{"name": "smarter-device-manager"}]},
    "status": {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
        ],
    },
}

CASES: list[tuple[str, str, str, ClusterFacts]] = [
    ("kube.reachable", "ok", "API server answers", cluster(node())),
    ("rbac.plan", "blocker", "You lack 1 of the 7 permissions", cluster(node(), rights=denied())),
    ("node.eligible", "blocker", "This cluster has no nodes", cluster()),
    ("kube.version", "ok", "version is supported", cluster(node())),
    ("kube.clock-skew", "warning", "95 s behind", cluster(node(), clock_skew=-95.0)),
    (
        "namespace.terminating",
        "blocker",
        "being deleted",
        installed("Namespace", namespace("Terminating")),
    ),
    ("adm.psa-namespace", "warning", "Pod Security baseline", cluster(node(), distribution="Talos")),
    ("adm.psa-namespace", "unknown", "create pods in default", cluster(node(), unread=(NO_POD,))),
    (
        "adm.psa-namespace",
        "ok",
        "is privileged",
        cluster(
            node(),
            unread=(NO_POD,),
            objects={"Namespace": namespace(**{"pod-security.kubernetes.io__enforce": "privileged"})},
        ),
    ),
    ("adm.autopilot", "blocker", "GKE Autopilot rejects", cluster(node("gk3-p-1"), pod_refusal=REFUSED)),
    ("adm.autopilot", "warning", "GKE Autopilot does not allow", cluster(node("gk3-p-1"))),
    (
        "adm.webhook",
        "warning",
        "An admission policy rejects",
        cluster(node(), pod_refusal='admission webhook "validate.kyverno.svc-fail" denied the request: no host paths'),
    ),
    (
        "adm.webhook",
        "warning",
        "An admission policy rejects",
        cluster(
            node(),
            pod_refusal="pods \"x\" is forbidden: ValidatingAdmissionPolicy 'no-host-paths' with binding 'all' denied "
            "request: no host paths",
        ),
    ),
    (
        "adm.webhook",
        "warning",
        "An admission webhook does not respond",
        cluster(node(), pod_refusal='Internal error occurred: failed calling webhook "x": failed to call webhook'),
    ),
    (
        "adm.webhook",
        "warning",
        "A LimitRange rejects",
        cluster(node(), pod_refusal=TOO_SMALL, objects={"Namespace": namespace()}),
    ),
    (
        "adm.webhook",
        "warning",
        "A ResourceQuota rejects",
        cluster(node(), pod_refusal=NO_ROOM, objects={"Namespace": namespace()}),
    ),
    ("adm.webhook", "unknown", "the pod was tried in default. A LimitRange", cluster(node(), pod_refusal=TOO_SMALL)),
    ("adm.webhook", "unknown", "the pod was tried in default. A ResourceQuota", cluster(node(), pod_refusal=NO_ROOM)),
    ("adm.webhook", "unknown", "create pods in default", cluster(node(), unread=(NO_POD,))),
    ("adm.webhook", "ok", "No known admission policy", cluster(node(), pod_refusal=WANTS_QUOTA)),
    ("adm.openshift-scc", "warning", "requires an SCC", cluster(node(), distribution="OpenShift")),
    (
        "adm.openshift-scc",
        "ok",
        "admits the device manager's pods",
        cluster(node(), distribution="OpenShift", plugin_pods=(plugin_pod(state={"running": {}}),)),
    ),
    ("quota.daemonset-pods", "warning", "50 pods is too small", cluster(*nodes(80))),
    ("quota.daemonset-pods", "skipped", "No node needs a pod", cluster(node(**WINDOWS))),
    ("quota.critical-class", "info", "GKE requires it for critical pods", cluster(node(), distribution="GKE")),
    ("quota.critical-class", "info", "the cluster requires it", cluster(node(), pod_refusal=WANTS_QUOTA)),
    ("node.taints", "info", "1 node is tainted", cluster(node(), node("cp", taints=(CONTROL_PLANE,)))),
    (
        "node.os-arch",
        "warning",
        "has an unsupported OS or CPU",
        cluster(node(), node("s", labelled=True, architecture="s390x")),
    ),
    (
        "node.virtual",
        "info",
        "is virtual (Fargate or similar)",
        cluster(node(), node("v", labels={"type": "virtual-kubelet"})),
    ),
    ("node.kernel-min", "warning", "has an old kernel", cluster(node(), node("o", labelled=True, kernel="4.14.1"))),
    ("node.ready", "warning", "1 of 2 selected nodes not ready", cluster(node(), node("late", ready=False))),
    (
        "node.label-durable",
        "warning",
        "do not last",
        cluster(node(labels={"karpenter.sh/nodepool": "default"}), scaled_pools=(KARPENTER,)),
    ),
    (
        "node.label-durable",
        "ok",
        "The pools set the label themselves",
        cluster(node(labels={"karpenter.sh/nodepool": "default"}), scaled_pools=(LABELLED,)),
    ),
    ("node.needs-fuse", "info", "Only storage in the container needs FUSE", cluster(node())),
    ("node.needs-fuse", "unknown", "Not known whether", cluster(node(kernel="4.18.0-553.el8_10.x86_64"))),
    ("node.label-durable", "info", "Labels last while the nodes do", cluster(node(provider_id="k3s://a"))),
    ("node.label-durable", "unknown", "Not known whether", cluster(node(provider_id="vsphere://42"))),
    ("node.ready", "info", "1 of 2 selected nodes cordoned", cluster(node(), node("c", unschedulable=True))),
    ("node.drift", "skipped", "Nothing installed", cluster(node())),
    ("node.drift", "skipped", "No node is labeled yet", installed("DaemonSet", daemon_set())),
    ("node.drift", "ok", "Every node that qualifies has", replace(INSTALLED, nodes=(node("a", labelled=True),))),
    ("node.drift", "info", "1 of 2 qualifying nodes lacks the label", INSTALLED),
    ("node.drift", "warning", "1 of 2 qualifying nodes lost the label", replace(INSTALLED, labelled_by_run=RUN)),
    (
        "node.drift",
        "warning",
        "1 of 2 qualifying nodes came without it",
        replace(INSTALLED, labelled_by_run={"a": "2026-11-19T00:00:00Z"}),
    ),
    ("node.autoscaled", "skipped", "No autoscaled pools found", cluster(node())),
    ("node.autoscaled", "skipped", "No autoscaled pools found", cluster(node(), scaled_pools=(OLD,))),
    ("node.autoscaled", "unknown", "get configmaps in kube-system", cluster(node(), unread=(NO_STATUS,))),
    ("node.autoscaled", "warning", "1 autoscaled pool cannot scale up", cluster(node(), scaled_pools=(GKE_ZERO,))),
    (
        "node.autoscaled",
        "warning",
        "2 autoscaled pools cannot scale up",
        cluster(node(), scaled_pools=(GKE_ZERO, KARPENTER), unread=(NO_STATUS,)),
    ),
    ("node.autoscaled", "ok", "can scale up", cluster(node(), scaled_pools=(replace(KARPENTER, knows_fuse=True),))),
    ("node.autoscaled", "ok", "can scale up", cluster(node(), scaled_pools=(replace(GKE_ZERO, nodes=2),))),
    ("plugin.installed", "info", "installed by kubectl-edit", installed("DaemonSet", daemon_set())),
    (
        "plugin.installed",
        "blocker",
        "The existing DaemonSet selects other pods",
        installed("DaemonSet", selecting({"app": "sdm"})),
    ),
    (
        "plugin.running",
        "warning",
        "1 of 1 device manager pod failing",
        cluster(node(), plugin_pods=(plugin_pod(state={"waiting": {"reason": "ImagePullBackOff"}}),)),
    ),
    ("plugin.running", "warning", "fail", cluster(node(), plugin_pods=(plugin_pod(**OOM),))),
    ("plugin.running", "warning", "fail", cluster(node(), plugin_pods=(PENDING,))),
    (
        "plugin.duplicate-resource",
        "warning",
        "device manager may offer FUSE",
        cluster(node(), device_plugins=(SECOND,)),
    ),
    ("plugin.duplicate-resource", "warning", "device manager offers FUSE", cluster(MINE, device_plugins=(SECOND,))),
    ("plugin.duplicate-resource", "info", "under another name", cluster(TWO, device_plugins=(OTHER,))),
    ("plugin.duplicate-resource", "info", "plugin may offer FUSE", cluster(node(), device_plugins=(OTHER,))),
    ("plugin.duplicate-resource", "warning", "An unknown plugin offers", cluster(MINE)),
    ("plugin.duplicate-resource", "ok", "No other", cluster(MINE, objects={"DaemonSet": daemon_set()})),
    (
        "plugin.kubelet-path",
        "warning",
        "1 kubelet may use another",
        cluster(node(labels={"microk8s.io/cluster": "true"}, kubelet_version="v1.26.9")),
    ),
    (
        "plugin.kubelet-path",
        "ok",
        "standard plugin folder",
        cluster(node(labels={"microk8s.io/cluster": "true"}, kubelet_version="v1.28.1")),
    ),
    ("plugin.capacity-vs-maxpods", "info", "but 110 pods fit", cluster(node(allocatable={"pods": 110}))),
    ("plugin.capacity-vs-maxpods", "skipped", "No node", cluster(node(**WINDOWS))),
    ("plugin.capacity-vs-maxpods", "skipped", "No nodes", cluster()),
    (
        "plugin.memory-limit",
        "warning",
        "15Mi is too small",
        installed("DaemonSet", daemon_set(memory="15Mi")),
    ),
    (
        "plugin.memory-limit",
        "warning",
        "16000Ki is too small",
        installed("DaemonSet", daemon_set(memory="16000Ki")),
    ),
    ("plugin.memory-limit", "ok", "enough", installed("DaemonSet", daemon_set(memory="31457280"))),
    (
        "gitops.owner",
        "warning",
        "managed by Argo CD",
        installed("DaemonSet", daemon_set("argocd-controller")),
    ),
    ("gitops.owner", "skipped", "No GitOps tool", cluster(node())),
    ("field.owner", "warning", "1 conflict with kubectl-edit", installed("DaemonSet", daemon_set())),
    ("docs.podman", "info", "documents", cluster(node())),
    ("modules.apparmor", "warning", "AppArmor", cluster(node(**UBUNTU_22))),
    ("modules.apparmor-userns", "warning", "userns restricted", cluster(node(**UBUNTU_24))),
    ("modules.selinux", "warning", "SELinux enforcing", cluster(node(**RHCOS))),
    ("modules.userns", "warning", "no user namespaces", cluster(node(**BOTTLEROCKET))),
    ("modules.userns", "warning", "no user namespaces, seccomp", cluster(node(**TALOS))),
    ("modules.clear", "ok", "SELinux permissive", cluster(node())),
    ("modules.unknown", "unknown", "not recognized", cluster(node(os_image="Gentoo/Linux"))),
    ("modules.nodes", "unknown", "no permission to list nodes", cluster(nodes=None)),
]

ONLY_PROBED = {"modules.seccomp", "modules.no-new-privileges", "modules.denied", "modules.fuse-module"}
"""What the API never tells as the first hindrance: a probe pod sees it (test_security_modules)."""


def as_read(facts: ClusterFacts) -> ClusterFacts:
    """The facts with what a server adds to each object, which the reading of a facts file requires."""

    def stored(item: Any, number: int) -> Any:
        return {**item, "metadata": {"uid": f"u{number}", "resourceVersion": f"{number}", **item["metadata"]}}

    objects = {kind: stored(item, number) for number, (kind, item) in enumerate(facts.objects.items(), 1)}
    pods = tuple(stored(pod, number) for number, pod in enumerate(facts.plugin_pods, 100))
    return replace(facts, objects=objects, plugin_pods=pods)


@pytest.mark.parametrize(
    ("name", "outcome", "words", "facts"), CASES, ids=[f"{name}-{outcome}" for name, outcome, _, _ in CASES]
)
def test_each_rule_is_heard_from_saved_facts(
    name: str, outcome: str, words: str, facts: ClusterFacts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_facts(as_read(facts), tmp_path / "facts.json")
    main(["check", "--from", str(tmp_path / "facts.json"), "-o", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    finding = next(one for one in found if one["id"].partition("@")[0] == name)
    assert finding["outcome"] == outcome
    assert words in finding["title"] + finding["detail"]
    assert len(finding["title"]) <= 55
    assert explain(finding["id"])
    if outcome in (Outcome.WARNING, Outcome.BLOCKER):
        assert finding["evidence"]
        assert finding["remedies"] or name == "node.eligible"


def test_no_rule_is_left_out_above() -> None:
    named = {name for name, _, _, _ in CASES}
    assert {rule.id for rule in RULES} | set(FINDING_IDS) == named | ONLY_PROBED
