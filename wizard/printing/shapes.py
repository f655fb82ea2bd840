"""The shapes of the documents that commands print with ``-o json``: the contract for scripts.

A test validates every document that the tests produce against them, and ``assets/schemas`` is made from them. A new
key is added here first. Paths and lines count as in editors, times are in seconds, ``""`` and 0 mean unknown.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired, TypedDict


class Error(TypedDict):
    """What a command ended with: what happened, to which object, what to do next, and the exit code."""

    id: str
    what: str
    object: str
    todo: str
    exit_code: int


class Document(TypedDict):
    """What every document has: its version, the name of its schema, and the error that the command ended with."""

    schema_version: Literal[1]
    document: str
    error: NotRequired[Error]


class Change(TypedDict):
    """One field that changes: null before if it was not set, null after if it is removed.

    ``owners`` has its field managers, ``by`` the adjustment that changes it; ``noise`` marks what only tools write.
    """

    object: str
    path: str
    before: Any
    after: Any
    owners: list[str]
    by: str
    noise: bool


class Remedy(TypedDict):
    """A fix: the command for it, who can run it, and what it touches."""

    text: str
    command: str
    who: str
    touches: str


class FindingRemedy(Remedy):
    """A fix of a finding."""

    reboot: bool
    reversible: bool


class Finding(TypedDict):
    """A finding, with its evidence; ``nodes`` counts the nodes that it is about."""

    id: str
    category: str
    outcome: Literal["ok", "info", "warning", "blocker", "skipped", "unknown"]
    title: str
    detail: str
    evidence: list[str]
    confidence: Literal["high", "medium", "low"]
    remedies: list[FindingRemedy]
    nodes: int


class Cluster(TypedDict):
    """Which cluster, and when it was read; ``nodes`` is null if they could not be listed."""

    context: str
    server: str
    version: str
    distribution: str
    uid: str
    user: str
    sandbox: str | None
    read_at: str
    nodes: int | None


class Probe(TypedDict):
    """On how many node types a probe pod should run, and on how many it did."""

    node_types: int
    ran: int


class Check(Document):
    """The findings of ``check``; ``ready`` is false if one is a blocker."""

    cluster: Cluster
    findings: list[Finding]
    ready: bool
    probe: Probe | None


class ObjectResult(TypedDict):
    """One object that was checked by the server, applied, or deleted."""

    event: Literal["object"]
    action: str
    object: str
    change: Literal["create", "configure", "unchanged", "delete", "conflict", "failed", "skipped", "proved"]
    checked: str
    message: str
    warnings: list[str]
    changes: list[Change]


class Conflict(TypedDict):
    """A field that another field manager owns, and the decision about it."""

    object: str
    field: str
    managers: list[str]
    time: str
    theirs: Any
    ours: Any
    decision: str


class Gate(TypedDict):
    """What stops a plan until someone decides; ``alone`` gates are never opened by --yes."""

    kind: str
    text: str
    todo: str
    names: list[str]
    alone: bool
    exit_code: int


class Adjustment(TypedDict):
    """An adjustment: whether it is on, its value and where that comes from, and what is recommended and live."""

    id: str
    title: str
    why: str
    on: bool
    needed: bool
    value: str | int | bool
    source: str
    recommended: str | int | bool | None
    live: str | int | bool | None


class ManifestRender(Document):
    """The objects of the manifest."""

    objects: list[dict[str, Any]]
    adjustments: list[Adjustment]
    to: str | None


class DiffConflict(TypedDict):
    """A field of an object that another field manager owns."""

    field: str
    manager: str


class ObjectDiff(TypedDict):
    """One object of the manifest compared with the cluster."""

    object: str
    change: str
    checked: str
    message: str
    conflicts: list[DiffConflict]
    changes: list[Change]
    diff: str


class ManifestDiff(Document):
    """The manifest compared with the guide's and with the cluster; ``changed`` if an apply would change something."""

    changed: bool
    changes: list[Change]
    guide: str
    objects: list[ObjectDiff]
    adjustments: list[Adjustment]


class ManifestApply(Document):
    """What an apply changed, or with --dry-run would change."""

    changed: bool
    changes: list[Change]
    objects: list[ObjectResult]
    dry_run: bool
    overlay: list[str]
    conflicts: list[Conflict]
    gates: NotRequired[list[Gate]]
    notes: list[str]


class Node(TypedDict):
    """A node: whether it has the label and qualifies, and how many FUSE devices it advertises."""

    name: str
    labelled: bool
    qualifies: bool
    ready: bool
    schedulable: bool
    reasons: list[str]
    os_image: str
    kernel: str
    security_module: str
    fuse: int


class NodesList(Document):
    """The nodes that were meant."""

    nodes: list[Node]
    total: int


class UnfitNode(TypedDict):
    """A node that does not qualify, and why."""

    node: str
    reasons: list[str]


class FailedNode(TypedDict):
    """A node for which something failed, and why."""

    node: str
    reason: str


class Pod(TypedDict):
    """A pod by name, and the node that it runs on."""

    namespace: str
    name: str
    node: str


class PodsWithFuse(TypedDict):
    """The running pods that hold a FUSE device; ``not_looked`` says why they are not known."""

    pods: list[Pod]
    not_looked: str


class ForecastRow(TypedDict):
    """One node type before the rollout: ``sample`` names some of its nodes."""

    title: str
    nodes: int
    sample: list[str]
    gets_pod: bool
    why: str


class ComparedRow(ForecastRow):
    """One node type after the rollout: the forecast and the result."""

    expected: str
    happened: str
    as_forecast: bool
    seen: str
    todo: str


class Rollout(TypedDict):
    """How many nodes should advertise FUSE, how many do, and which are failing."""

    desired: int
    ready: int
    failing: list[FailedNode]
    groups: list[ComparedRow]


class NodesLabel(Document):
    """What ``nodes label`` or ``nodes unlabel`` changed, or with --dry-run would change."""

    changed: bool
    to_label: NotRequired[list[str]]
    to_unlabel: NotRequired[list[str]]
    done: list[str]
    failed: list[FailedNode]
    gone: list[str]
    unfit: list[UnfitNode]
    losing: list[str]
    pods_with_fuse: PodsWithFuse | None
    dry_run: bool
    changes: list[Change]
    rollout: NotRequired[Rollout | None]


class Action(TypedDict):
    """One action of a plan: the same by hand, how it is undone, and what it changes.

    Depending on the action, there is also what the server said (``checked``, ``warnings``), what it waits for
    (``nodes``, ``devices``, ``timeout`` in seconds), or the file that it writes (``path``).
    """

    id: str
    action: str
    title: str
    why: str
    by_hand: list[str]
    undo: str
    changes: list[Change]
    checked: NotRequired[str]
    warnings: NotRequired[list[str]]
    nodes: NotRequired[list[str]]
    devices: NotRequired[int | None]
    timeout: NotRequired[int]
    path: NotRequired[str]


class _PlanParts(TypedDict):
    stage: str
    changed: bool
    actions: list[Action]
    gates: list[Gate]
    losing: list[str]
    without_pod: list[str]
    left_to_do: list[str]
    notes: list[str]


class Plan(_PlanParts):
    """A plan: its actions in order, the gates before them, and what is left to do by hand.

    ``losing`` has the nodes that would lose FUSE, ``without_pod`` those that would get no device manager.
    """


class PlanExport(Document):
    """The files of an exported plan, and the plan."""

    files: list[str]
    plan: Plan


class PlannedPod(TypedDict):
    """A pod that a run sends to a node: a probe or a test."""

    what: Literal["probe", "test"]
    node: str
    group: str
    namespace: str
    image: str


class ImpactRow(TypedDict):
    """One workspace that a policy affects."""

    workspace: str
    owner: str
    severity: str
    when: str
    messages: list[str]


class CoderOutlook(TypedDict):
    """What an upload would meet in Coder."""

    url: str
    templates_enabled: bool | None
    impact: list[ImpactRow]
    notes: list[str]
    trouble: str | None


class RunDryRun(Document, _PlanParts):
    """What a run would do, from ``run --dry-run``."""

    changes: list[Change]
    objects: list[ObjectResult]
    conflicts: list[Conflict]
    findings: list[Finding]
    pods: list[PlannedPod]
    forecast: list[ForecastRow]
    coder: CoderOutlook | None


class Shortfall(TypedDict):
    """What failed or is late: its name, why, in short, and what to do."""

    name: str
    reason: str
    short: str
    todo: str


class RunPlan(Document, _PlanParts):
    """The plan of a run, first of all."""

    event: Literal["plan"]


class RunNote(Document):
    """A message that is neither progress nor a result."""

    event: Literal["note"]
    text: str


class RunStarted(Document):
    """An action starts; ``total`` counts its objects or nodes."""

    event: Literal["started"]
    action: str
    title: str
    total: int


class RunProgress(Document):
    """The progress of an action, ``seconds`` after its start.

    ``quiet`` counts the seconds since the last one was done; after ``patience`` seconds without another the wait ends.
    """

    event: Literal["progress"]
    action: str
    done: int
    total: int
    seconds: float
    shortfalls: list[Shortfall]
    waiting: int
    quiet: float | None
    patience: float | None


class RunObject(Document, ObjectResult):
    """One object that was checked by the server, applied, or deleted."""


class RunEnded(Document):
    """An action ended; ``detail`` summarizes it."""

    event: Literal["ended"]
    action: str
    result: Literal["done", "failed", "stopped", "skipped"]
    detail: str
    shortfalls: list[Shortfall]


class DoneAction(TypedDict):
    """What became of one action."""

    id: str
    title: str
    result: str
    message: str
    todo: str
    changes: list[Change]


class Version(TypedDict):
    """A version of a template in Coder."""

    id: str
    name: str


class PushedVersion(Version):
    """A version that was pushed, and whether it is active."""

    promoted: bool


class WrittenTemplate(TypedDict):
    """The template that was written or pushed."""

    file: str | None
    version: PushedVersion | None


class Templates(TypedDict):
    """Whether workspace templates were enabled in Coder before, and are now."""

    before: bool
    after: bool


class TemplatePolicy(TypedDict):
    """A template policy in Coder."""

    id: str
    file_hash: str


class RunInCoder(TypedDict):
    """What a run did in Coder."""

    url: str
    templates: Templates | None
    uploaded: Any
    template: TemplatePolicy | None
    impact: list[ImpactRow]


class VerifyCheck(TypedDict):
    """One check of the Podman test; ``ok`` is null if it was not made."""

    id: str
    ok: bool | None
    detail: str
    symptom: str | None
    excerpt: list[str]
    remedies: list[Remedy]


class VerifyResult(TypedDict):
    """The Podman test on one node type: ``ok`` is null if the test did not run."""

    group: str
    node: str
    nodes: int
    ok: bool | None
    id: str
    text: str
    needs_fuse: str
    means: str
    checks: list[VerifyCheck]
    facts: dict[str, Any]
    excerpt: list[str]
    remedies: list[Remedy]


class RunSummary(TypedDict):
    """The summary of a run, its last line."""

    schema_version: Literal[1]
    document: str
    event: Literal["summary"]
    result: Literal["done", "failed", "stopped"]
    changed: bool
    changes: list[Change]
    actions: list[DoneAction]
    applied: list[str]
    skipped: list[str]
    labelled: int
    rollout: Rollout
    policy: str | None
    template: WrittenTemplate | None
    coder: RunInCoder | None
    verify: list[VerifyResult]
    left_to_do: list[str]
    error: Error | None


class Verify(Document):
    """The Podman tests, one for each node type; ``fuse`` is false if only native overlay was tested."""

    results: list[VerifyResult]
    fuse: bool
    dry_run: bool


class JournaledRun(TypedDict):
    """A run in the journal; ``resumes`` has the id of the run that it went on with."""

    id: str
    started: str
    interrupted: bool
    resumes: str | None


class UndoStep(TypedDict):
    """One step of an undo; ``left`` says why it is not done."""

    title: str
    what: str
    left: str
    changes: list[Change]
    nodes: int


class Reason(TypedDict):
    """A step by title, and the reason for its result."""

    title: str
    reason: str


class Undo(Document):
    """What an undo takes back; ``undone`` is false if it was only shown."""

    runs: list[JournaledRun]
    pods_with_fuse: PodsWithFuse | None
    steps: list[UndoStep]
    notes: list[str]
    undone: bool
    changed: bool
    left: list[Reason]
    failed: list[Reason]


class RefusedFile(Error):
    """A file that cannot be used, and the place in it."""

    file: str
    line: int
    column: int


class Problem(TypedDict):
    """A problem or a warning at a place in a file."""

    file: str
    line: int
    column: int
    severity: Literal["problem", "warning", "info"]
    id: str
    message: str
    hint: str


class PolicyProblem(Problem):
    """A problem or a warning in a policy, with its path there."""

    path: str


class PolicyCheck(Document):
    """The problems of the policies; ``refused`` has the files that could not be checked."""

    passed: bool
    problems: list[PolicyProblem]
    refused: list[RefusedFile]


class PolicyChange(TypedDict):
    """A value of a policy that changes: null before if it was not there, null after if it is removed."""

    path: str
    before: Any
    after: Any
    line: int


class MergeChange(PolicyChange):
    """A value of a policy that a merge adds or changes."""

    action: str


class PolicyConflict(TypedDict):
    """A value that is not what the merge wants, and whether it was kept."""

    path: str
    found: Any
    wanted: Any
    line: int
    kept: bool
    kind: str


class PolicyMerge(Document):
    """A merge of what Podman needs into a policy; ``text`` is the merged policy."""

    changed: bool
    changes: list[MergeChange]
    conflicts: list[PolicyConflict]
    refused: list[RefusedFile]
    warnings: list[PolicyProblem]
    proof: str
    text: str


class PolicySet(Document):
    """An edit of one value of a policy; ``text`` is the edited policy."""

    changed: bool
    changes: list[PolicyChange]
    refused: list[RefusedFile]
    warnings: list[PolicyProblem]
    proof: str
    text: str


class PolicyNew(Document):
    """A new policy."""

    preset: str
    text: str


class EffectRow(TypedDict):
    """What users can do with one field of the policy."""

    path: str
    effect: str
    value: str
    assumed: bool


class FuseGuarantee(TypedDict):
    """Whether every workspace gets a FUSE device, and why not."""

    sure: bool
    reasons: list[str]


class PolicyEffect(Document):
    """What a policy means for workspaces."""

    fields: list[EffectRow]
    fuse: FuseGuarantee | None
    refused: list[RefusedFile]


class PolicyUpload(Document):
    """An upload of a template policy to Coder, and its impact on workspaces."""

    changed: bool
    changes: list[Change]
    file: str | None
    url: str
    user: str
    dry_run: bool
    uploaded: bool
    templates: Templates | None
    template: TemplatePolicy | None
    impact: list[ImpactRow]
    workspaces: int
    notes: list[str]


class TemplateChange(TypedDict):
    """One change of a Terraform template."""

    part: str
    path: str
    action: str
    before: str | None
    after: str
    line: int


class TemplateConflict(TypedDict):
    """A part that is there with another value, and the decision about it."""

    part: str
    path: str
    found: str
    wanted: str
    line: int
    decision: str | None


class TemplateRefusal(TypedDict):
    """A part that cannot be merged, and why."""

    part: str
    file: str
    line: int
    what: str
    todo: str


class TemplateNote(TypedDict):
    """What to know about a part."""

    part: str
    line: int
    text: str


class TemplateMerge(Document):
    """A merge of what Podman needs into a Terraform template; ``text`` is the merged file."""

    file: str
    resource: str
    container: str | None
    changed: bool
    changes: list[TemplateChange]
    conflicts: list[TemplateConflict]
    refused: list[TemplateRefusal]
    notes: list[TemplateNote]
    findings: list[Finding] | None
    proof: str
    text: str


class CheckedTemplate(TypedDict):
    """The problems of one Terraform template; ``findings`` is null without a cluster."""

    file: str
    resource: str
    container: str | None
    passed: bool
    problems: list[Problem]
    findings: list[Finding] | None


class TemplateCheck(Document):
    """The problems of Terraform templates."""

    passed: bool
    templates: list[CheckedTemplate]


class Part(TypedDict):
    """One part for a template, and where it goes."""

    id: str
    title: str
    place: str
    mind: str
    text: str


class TemplateParts(Document):
    """The parts for a Coder v2 template."""

    resource: str
    plugin: str
    limits: list[str]
    parts: list[Part]
    optional: list[Part]
    outline: str
    documented: list[str]
    contradictions: list[str]
    text: str
    to: str | None


class ListedCheck(TypedDict):
    """The check of a template in Coder; ``passed`` is null if there was nothing to check, and ``why`` says so."""

    passed: bool | None
    problems: list[Problem]
    why: str


class ListedTemplate(TypedDict):
    """A template in Coder; ``check`` is null without --check."""

    name: str
    organization: str
    id: str
    check: ListedCheck | None
    active_version: Version


class TemplateList(Document):
    """The templates of a deployment."""

    url: str
    version: str
    templates: list[ListedTemplate]


class TemplatePull(Document):
    """The files of a template's active version, written to a folder."""

    changed: bool
    url: str
    template: str
    organization: str
    version: Version
    to: str
    files: list[str]


class TemplateWorkspace(TypedDict):
    """A workspace of a template, and what a new version means for it."""

    workspace: str
    owner: str
    status: str
    becomes_outdated: bool
    updates_at_start: bool


class TemplateImpact(TypedDict):
    """The workspaces of a template: how many become outdated, and how many update when they start."""

    total: int
    outdated: int
    updating: int
    workspaces: list[TemplateWorkspace]


class PushedMerge(TypedDict):
    """The merge that made a pushed version."""

    changed: bool
    changes: list[TemplateChange]
    conflicts: list[TemplateConflict]
    notes: list[TemplateNote]


class TemplatePush(Document):
    """A push of a template: ``version`` is null if nothing was pushed."""

    changed: bool
    changes: list[Change]
    url: str
    user: str
    template: str
    organization: str
    file: str
    dry_run: bool
    can_push: bool
    active_version: Version
    version: Version | None
    promoted: bool
    impact: TemplateImpact
    merge: PushedMerge
    diff: str


class CoderStatus(Document):
    """A deployment of Coder v1, your user, and what an upload still needs."""

    url: str
    kind: str
    version: str | None
    user: str | None
    roles: list[str]
    site_admin: bool | None
    templates_enabled: bool | None
    ready: bool
    problems: list[str]
    notes: list[str]
    credentials: str
    untried: str


class Organization(TypedDict):
    """An organization of Coder v2, and whether you can push templates there."""

    name: str
    templates: int
    can_push: bool | None


class CoderV2Status(Document):
    """A deployment of Coder v2, and your user."""

    url: str
    kind: Literal["v2"]
    version: str
    user: str
    roles: list[str]
    organizations: list[Organization]
    credentials: str


class SandboxCoder(TypedDict):
    """The simulated Coder."""

    url: str
    token: str


class Sandbox(Document):
    """A simulated cluster that is running."""

    scenario: str
    url: str
    kubeconfig: str | None
    coder: NotRequired[SandboxCoder]


class ProgramVersion(Document):
    """The version of podman-wizard, of Python, and of the system."""

    version: str
    python: str
    platform: str


class Image(TypedDict):
    """An image, who pulls it, its name in the mirror ("" without one), and the option that uses another image.

    ``{}`` stands for the other image; ``option`` is "" if there is none.
    """

    image: str
    used_by: str
    option: str
    mirror: str


class Images(Document):
    """Every image that an apply, a probe, or a test pulls."""

    images: list[Image]


SHAPES: Final[dict[str, Any]] = {
    "check": Check,
    "manifest-render": ManifestRender,
    "manifest-diff": ManifestDiff,
    "manifest-apply": ManifestApply,
    "nodes-list": NodesList,
    "nodes-label": NodesLabel,
    "policy-merge": PolicyMerge,
    "policy-new": PolicyNew,
    "policy-check": PolicyCheck,
    "policy-set": PolicySet,
    "policy-effect": PolicyEffect,
    "policy-upload": PolicyUpload,
    "template-merge": TemplateMerge,
    "template-check": TemplateCheck,
    "template-parts": TemplateParts,
    "template-list": TemplateList,
    "template-pull": TemplatePull,
    "template-push": TemplatePush,
    "coder-status": CoderStatus | CoderV2Status,
    "verify": Verify,
    "run": RunPlan | RunNote | RunStarted | RunProgress | RunObject | RunEnded | RunSummary,
    "run-dry-run": RunDryRun,
    "plan": PlanExport,
    "undo": Undo,
    "sandbox": Sandbox,
    "images": Images,
    "version": ProgramVersion,
    "error": Document,
}
"""The shape of each document, by the name of its schema. ``run`` prints one of several on each line."""
