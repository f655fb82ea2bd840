"""What ``policy check`` finds, and what a policy means for the authors of workspaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from wizard.policy import (
    PolicyDocument,
    check,
    effective_view,
    fuse_guarantee,
    merge_podman,
    new_policy,
    outcome_in_words,
    set_policy_word,
)

DATA = Path(__file__).with_name("data")
REQUESTS = ("workspace", "specs", "kubernetes", "resource-requests")
LIMITS = ("workspace", "specs", "kubernetes", "resource-limits")
FUSE = """\
      resource-requests: {policy: read, value: {smarter-devices/fuse: "1"}}
      resource-limits: {policy: read, value: {smarter-devices/fuse: "1"}}
"""


def kubernetes(text: str, fuse: str = FUSE) -> PolicyDocument:
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
    return PolicyDocument.parse((head + fuse + text).encode(), "policy.yaml")


def found(document: PolicyDocument) -> list[tuple[str, str, int, int]]:
    return [(problem.severity, problem.id, problem.line, problem.column) for problem in check(document)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("      cpu: {policy: Write}\n", ("problem", "wrong-word", 7, 21)),
        ("      cpu: {policy: on}\n", ("problem", "wrong-word", 7, 21)),
        ("      cpu: {policy: }\n", ("problem", "wrong-word", 7, 21)),
        ("      cpu: {policy: append}\n", ("warning", "append-to-single-value", 7, 21)),
        ("      cpu: {policy: read, value: four}\n", ("problem", "wrong-shape", 7, 34)),
        ("      cpu: {policy: read, value: -1}\n", ("problem", "wrong-shape", 7, 34)),
        ("      cpu: {policy: read, value: .inf}\n", ("problem", "wrong-shape", 7, 34)),
        ("      cpu: write\n", ("problem", "wrong-shape", 7, 12)),
        ("      cpu: {Policy: read}\n", ("warning", "unknown-field", 7, 13)),
        ("      container-based-vm: {value: 'no'}\n", ("problem", "wrong-shape", 7, 35)),
        ("      annotations: {value: {a: b}}\n", ("problem", "wrong-shape", 7, 28)),
        ("      annotations: {value: [{key: a}]}\n", ("problem", "wrong-shape", 7, 29)),
        ("      node-selector: {value: [{key: a, value: b, x: y}]}\n", ("problem", "wrong-shape", 7, 50)),
        ("      labels: {value: [{key: a, value: b}]}\n", ("problem", "wrong-shape", 7, 23)),
        ("      seccomp-profile-type: {value: None}\n", ("problem", "wrong-shape", 7, 37)),
        ("      env: {value: [a]}\n", ("warning", "wrong-shape", 7, 21)),
        ("      tolerations: {value: [{operator: Exits}]}\n", ("problem", "wrong-shape", 7, 40)),
        ("      tolerations: {value: [{operator: 5}]}\n", ("problem", "wrong-shape", 7, 40)),
        ("      tolerations: {value: [{operator: Exists, effect: NoSchedul}]}\n", ("problem", "wrong-shape", 7, 56)),
        ("      privileged: {value: no}\n", ("warning", "two-readings", 7, 27)),
        ("      gpu_count: {policy: read}\n", ("warning", "unknown-field", 7, 7)),
        ("      CPU: {policy: read}\n", ("warning", "unknown-field", 7, 7)),
        ("      cpu: !x {policy: read}\n", ("warning", "unknown-tag", 7, 12)),
        ("      cpu: {policy: read}\n      cpu: {policy: read}\n", ("problem", "duplicate-key", 8, 7)),
    ],
)
def test_each_thing_that_is_wrong_is_found_at_its_place(text: str, expected: tuple[str, str, int, int]) -> None:
    assert expected in found(kubernetes(text))


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("gpu_count", "gpu-count"),
        ("CPU", "cpu"),
        ("nodeSelector", "node-selector"),
        ("memmory", "memory"),
        ("cup", "cpu"),
        ("tolerations-", "tolerations"),
        ("zebra", ""),
    ],
)
def test_a_near_miss_is_named(text: str, near: str) -> None:
    problem = next(problem for problem in check(kubernetes(f"      {text}: {{policy: read}}\n")))
    assert (f"Did you mean {near}?" == problem.hint) == bool(near)


def test_a_field_that_ends_with_a_space_is_in_quotes() -> None:
    [problem] = check(kubernetes('      "cpu ": {policy: read}\n'))
    assert problem.message == 'workspace.specs.kubernetes."cpu " is not a field of version 0.2.'


def test_a_policy_in_order_has_nothing_to_say() -> None:
    assert check(kubernetes("      cpu: {policy: write, value: 4}\n")) == ()


@pytest.mark.parametrize("words", [("read", "1", "2"), ("read", "1", "")])
def test_a_request_unlike_its_limit_is_a_problem(words: tuple[str, str, str]) -> None:
    word, request, limit = words
    fuse = f'      resource-requests: {{policy: {word}, value: {{smarter-devices/fuse: "{request}", a.b/c: 1}}}}\n'
    fuse += f'      resource-limits: {{policy: {word}, value: {{smarter-devices/fuse: "{limit or 1}"}}}}\n'
    ids = [problem.path[-1] for problem in check(kubernetes("", fuse)) if problem.id == "request-unlike-limit"]
    assert set(ids) == ({"smarter-devices/fuse", "a.b/c"} if limit else {"a.b/c"})


@pytest.mark.parametrize(
    ("version", "id"), [('"0.1"', "version-unsupported"), ("", "version-missing"), ("[0.2]", "version-unsupported")]
)
def test_another_version_is_a_problem(version: str, id: str) -> None:
    document = PolicyDocument.parse(kubernetes("").content.replace(b'"0.2"', version.encode()), "policy.yaml")
    assert ("problem", id) in [entry[:2] for entry in found(document)]


def test_the_version_may_be_a_number() -> None:
    assert check(PolicyDocument.parse(kubernetes("").content.replace(b'"0.2"', b"0.2"), "policy.yaml")) == ()


@pytest.mark.parametrize("preset", ["podman", "complete"])
def test_the_guides_policies_have_only_the_warnings_that_write_lets_fuse_be_dropped(preset: str) -> None:
    problems = check(PolicyDocument.parse(new_policy(preset), "policy.yaml"))
    assert [(problem.severity, problem.id) for problem in problems] == [("warning", "write-with-value")] * 2
    assert "append" in problems[0].hint


@pytest.mark.parametrize("name", sorted(path.stem for path in (DATA / "merged").glob("*.yaml")))
def test_what_the_merge_adds_is_never_a_problem(name: str) -> None:
    merged = DATA / "merged" / f"{name}.yaml"
    before = {
        (problem.id, problem.path)
        for problem in check(PolicyDocument.parse((DATA / "nasty" / f"{name}.yaml").read_bytes()))
    }
    after = [problem for problem in check(PolicyDocument.parse(merged.read_bytes())) if problem.severity == "problem"]
    assert {(problem.id, problem.path) for problem in after} <= before
    assert "fuse-missing" not in [problem.id for problem in after]


def test_an_empty_policy_lacks_everything() -> None:
    ids = [problem.id for problem in check(PolicyDocument.parse(b"# nothing\n"))]
    assert ids == ["version-missing", "fuse-missing", "fuse-missing"]


def test_the_running_deployment_before_and_after() -> None:
    before = PolicyDocument.parse((DATA / "running-deployment.yaml").read_bytes(), "policy.yaml")
    result = merge_podman(before)
    assert str(result.proof) == "2 lines added, 0 other bytes changed, 24 of 24 comments kept"
    rows = {row.path: row for row in effective_view(before, result.document)}
    row = rows[REQUESTS]
    assert (row.before, row.after) == ("can add", "can add")
    assert "smarter-devices/fuse" not in row.value_before
    assert "smarter-devices/fuse" in row.value_after
    assert row.changed
    assert [other.path for other in rows.values() if other.changed] == [REQUESTS, LIMITS]
    assert rows[(*REQUESTS[:3], "memory")].after == "can replace"
    assert rows[(*REQUESTS[:3], "run-as-user")].after == "cannot change"
    assert rows[(*REQUESTS[:3], "run-as-user")].assumed
    assert not fuse_guarantee(before).sure
    guarantee = fuse_guarantee(result.document)
    assert guarantee.sure
    assert all("can only add other resources" in reason for reason in guarantee.reasons)


def test_write_is_no_guarantee_and_read_is_one() -> None:
    document = PolicyDocument.parse(new_policy("podman"))
    assert not fuse_guarantee(document).sure
    for path in (REQUESTS, LIMITS):
        document = set_policy_word(document, path, "read")
    assert fuse_guarantee(document).sure


@pytest.mark.parametrize(
    ("request_of", "limit_of", "refused"),
    [
        ({"a.b/c": "1"}, {}, True),
        ({"a.b/c": "1"}, {"a.b/c": "2"}, True),
        ({}, {"a.b/c": "1"}, False),
        ({"cpu": "1"}, {"cpu": "2"}, False),
        ({"x.kubernetes.io/y": "1"}, {"x.kubernetes.io/y": "2"}, False),
        ({"cpu": "2"}, {"cpu": "1500m"}, True),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}, False),
        ({"a.b/c": "1k"}, {"a.b/c": "1000"}, False),
        ({"a.b/c": "1"}, {"a.b/c": "1.0"}, False),
        ({"hugepages-2Mi": "100Mi"}, {"hugepages-2Mi": "200Mi"}, True),
        ({"hugepages-2Mi": "100Mi"}, {}, True),
        ({"hugepages-1Gi": "1Gi"}, {"hugepages-1Gi": "1024Mi"}, False),
    ],
    ids=[
        "no limit",
        "another limit",
        "no request",
        "cpu",
        "native",
        "request above limit",
        "same memory",
        "same thousand",
        "same one",
        "unlike huge pages",
        "huge pages without limit",
        "same huge pages",
    ],
)
def test_only_what_kubernetes_refuses_is_said_to_be_refused(
    request_of: dict[str, str], limit_of: dict[str, str], refused: bool
) -> None:
    fuse = ""
    for name, own in (("resource-requests", request_of), ("resource-limits", limit_of)):
        pairs = "".join(f', {key}: "{count}"' for key, count in own.items())
        fuse += f'      {name}: {{policy: read, value: {{smarter-devices/fuse: "1"{pairs}}}}}\n'
    assert ("request-unlike-limit" in [problem.id for problem in check(kubernetes("", fuse))]) == refused


def test_fuse_from_a_merge_key_is_fuse() -> None:
    head = 'version: "0.2"\nx-fuse: &fuse {smarter-devices/fuse: "1"}\nworkspace:\n  specs:\n    kubernetes:\n'
    fields = "".join(
        f"      {name}:\n        policy: read\n        value:\n          <<: *fuse\n"
        for name in ("resource-requests", "resource-limits")
    )
    document = PolicyDocument.parse((head + fields).encode())
    assert not merge_podman(document).changed
    assert "fuse-missing" not in [problem.id for problem in check(document)]
    assert fuse_guarantee(document).sure


def test_a_word_that_coder_does_not_know_is_no_guarantee_and_not_taken_for_write() -> None:
    document = PolicyDocument.parse(kubernetes("").content.replace(b"policy: read", b"policy: Read"))
    guarantee = fuse_guarantee(document)
    assert not guarantee.sure
    assert all("Coder does not know" in reason for reason in guarantee.reasons)


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (FUSE, "every workspace gets a FUSE device."),
        (FUSE.replace("read", "write"), "unless its template replaces"),
        (FUSE.replace('"1"', '"0"'), "do not get"),
        (FUSE.replace("read", "forbid"), "do not get"),
        (FUSE.replace('"1"', '"2"', 1), "do not get"),
        ("      cpu: {policy: read}\n", "do not get"),
    ],
    ids=["sure", "write", "none", "word", "unlike", "missing"],
)
def test_a_plan_promises_no_more_than_the_policy_holds(fuse: str, words: str) -> None:
    assert words in outcome_in_words(kubernetes("", fuse))


RESOURCES = 'resource-requests: {policy: read, value: {smarter-devices/fuse: "1", %s}}'


@pytest.mark.parametrize(
    ("amount", "id"),
    [
        ('a.b/c: "0.5"', "not-whole"),
        ('a.b/c: "500m"', "not-whole"),
        ('a.b/c: "2"', ""),
        ('a.b/c: "2000m"', ""),
        ('cpu: "0.5"', ""),
        ('memory: "1 GB"', "wrong-shape"),
        ("memory: 1GiB", "wrong-shape"),
    ],
)
def test_amounts_are_held_against_the_rules_of_kubernetes(amount: str, id: str) -> None:
    fields = "".join(f"      {RESOURCES.replace('requests', name) % amount}\n" for name in ("requests", "limits"))
    problems = check(kubernetes("", fields))
    assert {problem.id for problem in problems} == ({id} if id else set())
    assert [problem.line for problem in problems] == ([5, 6] if id else [])


@pytest.mark.parametrize(
    ("count", "message", "hint"),
    [
        ('""', 'is "", not a whole number of at least 1.', 'Write "1".'),
        ('" 1"', 'is " 1", not a whole number of at least 1.', 'Write "1".'),
        ("1.5", "is 1.5, not a whole number of at least 1.", 'Write "1".'),
        ("[1]", "is a list, not a whole number of at least 1.", 'Write "1".'),
        ("{a: 1}", "is a mapping, not a whole number of at least 1.", 'Write "1".'),
        ("1e0", "is a number without quotes.", 'Write "1".'),
        ("012", "is a number without quotes.", 'Write "10".'),
    ],
)
def test_a_count_is_judged_once_and_shown_as_it_is(count: str, message: str, hint: str) -> None:
    problems = check(kubernetes("", FUSE.replace('"1"', count)))
    said = [problem for problem in problems if problem.id not in ("two-readings", "resources-differ")]
    assert [problem.line for problem in said] == [5, 6]
    for problem in said:
        assert problem.message == f"The count of smarter-devices/fuse {message}"
        assert problem.hint == hint


@pytest.mark.parametrize(
    ("key", "word", "meant"),
    [("scheme", "htp", "Did you mean http?"), ("access", "every", "Write one of private, org, authed, public.")],
)
def test_words_of_dev_urls_are_held_against_those_that_coder_knows(key: str, word: str, meant: str) -> None:
    text = f'version: "0.2"\nworkspace:\n  dev-urls:\n    value: [{{name: a, port: 80, {key}: {word}}}]\n'
    problems = check(PolicyDocument.parse(text.encode(), "policy.yaml"))
    [wrong] = [problem for problem in problems if problem.id == "wrong-shape"]
    assert f"{key} is {word}, not one of" in wrong.message
    assert wrong.hint == meant


@pytest.mark.parametrize(
    "name",
    [
        "smarter-device/fuse",
        "Smarter-Devices/fuse",
        "smarter-devices.fuse",
        "smarter_devices/fuse",
        "smarter-devices/fuses",
        "smarter-devices/fsue",
        "smarter-device-manager/fuse",
        "fuse",
        "/dev/fuse",
    ],
)
def test_a_misspelt_fuse_resource_is_a_problem_at_its_place(name: str) -> None:
    text = FUSE.replace("smarter-devices/fuse", name)
    problems = check(kubernetes("", text))
    assert [(problem.id, problem.line, problem.column) for problem in problems] == [
        ("fuse-misspelt", 5, 49),
        ("fuse-misspelt", 6, 47),
    ]
    assert problems[0].hint == "Did you mean smarter-devices/fuse?"
    assert not fuse_guarantee(kubernetes("", text)).sure
    assert "do not get" in outcome_in_words(kubernetes("", text))


@pytest.mark.parametrize("name", ["smarter-devices/kvm", "smarter-devices/mouse", "a.b/fused", "nvidia.com/gpu"])
def test_another_device_is_not_taken_for_fuse(name: str) -> None:
    text = FUSE.replace("smarter-devices/fuse", name)
    assert {problem.id for problem in check(kubernetes("", text))} == {"fuse-missing"}
    assert len(merge_podman(kubernetes("", text)).changes) == 2


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        (
            "workspace:\n  specs:\n    Kubernetes:\n      cpu: {policy: read}\n      a: {policy: read}\n",
            4,
            "kubernetes",
        ),
        ("workspace:\n  configuration:\n    start: {policy: read}\n", 3, "configure"),
        ("workspace:\n  setup:\n    start: {policy: read}\n", 3, "configure"),
        ("workspace: {}\nVersion: 0.2\n", 3, "version"),
        ("workspace:\n  cpu: {policy: read}\n", 3, "workspace.specs.kubernetes.cpu"),
        ("workspace:\n  specs:\n    dev-urls: {policy: read}\n", 4, "workspace.dev-urls"),
        ("workspace: {}\nspecs:\n  kubernetes:\n    cpu: {policy: read}\n", 3, "workspace.specs"),
    ],
)
def test_what_was_meant_is_named_once_by_its_whole_path(text: str, line: int, hint: str) -> None:
    document = PolicyDocument.parse(f'version: "0.2"\n{text}'.encode(), "policy.yaml")
    unknown = [problem for problem in check(document) if problem.id == "unknown-field"]
    assert [problem.line for problem in unknown] == [line]
    assert hint in unknown[0].hint


def test_a_group_that_is_a_list_is_told_what_it_needs_and_not_its_own_name() -> None:
    document = PolicyDocument.parse(b'version: "0.2"\nworkspace:\n  specs: [kubernetes]\n', "policy.yaml")
    ids = [problem.id for problem in check(document)]
    assert "unknown-field" not in ids
    assert "wrong-shape" in ids


@pytest.mark.parametrize(
    ("field", "id", "hint"),
    [
        ("{polciy: read}", "unknown-field", "Did you mean policy?"),
        ("{policy: read, values: 3}", "unknown-field", "Did you mean value?"),
        ("{policy: wirte}", "wrong-word", "Did you mean write?"),
        ("{policy: appends}", "wrong-word", "Did you mean append?"),
        ("{policy: [read]}", "wrong-word", "Write read without brackets."),
        ("{policy: never}", "wrong-word", "Use read"),
    ],
)
def test_a_misspelt_key_or_word_is_recognized(field: str, id: str, hint: str) -> None:
    problems = {problem.id: problem for problem in check(kubernetes(f"      memory: {field}\n"))}
    assert problems[id].hint.startswith(hint)


def test_every_wrong_item_is_named_at_its_own_line() -> None:
    text = (
        "      tolerations:\n        policy: read\n        value:\n          - key: a\n            efect: NoSchedule\n"
        "          - text\n          - {key: b, tolerationSeconds: soon}\n          - {key: c}\n"
    )
    problems = check(kubernetes(text))
    assert [(problem.line, problem.column) for problem in problems] == [(11, 13), (12, 13), (13, 41)]
    assert [problem.path[-2:] for problem in problems] == [(0, "efect"), ("value", 1), (2, "tolerationSeconds")]
    assert problems[0].hint == "Did you mean effect?"


def test_env_can_be_a_list_of_key_and_value_as_the_documentation_writes_it() -> None:
    assert check(kubernetes("      env: {policy: read, value: [{key: A, value: b}]}\n")) == ()
    assert check(kubernetes("      env: {policy: read, value: {A: b}}\n")) == ()
    wrong = check(kubernetes("      env: {policy: read, value: [{name: A, value: b}]}\n"))
    assert {problem.id for problem in wrong} == {"wrong-shape"}


@pytest.mark.parametrize(
    ("resource", "says", "hint"),
    [
        ("memroy: 1Gi", "memroy is not a resource that a container can request.", "Did you mean memory?"),
        ("CPU: 1", "CPU is not a resource that a container can request.", "Did you mean cpu?"),
        ("gpu: 1", "gpu is not a resource that a container can request.", "nvidia.com/gpu or amd.com/gpu?"),
        ("/gpu: 1", "/gpu is not a valid resource name: nothing is before the slash.", "nvidia.com/gpu"),
        ("pods: 1", "pods is not a resource that a container can request.", "Use cpu, memory, ephemeral-storage"),
        ("storage: 1Gi", "storage is not a resource that a container can request.", "Use cpu, memory"),
        ('"cpu ": 1', '"cpu " is not a valid resource name: it begins or ends with a space.', "Did you mean cpu?"),
        ('"": 1', '"" has an empty name.', "Write a name before the colon"),
        ("a/b/c: 1", "a/b/c is not a valid resource name: it has more than one slash.", "DOMAIN/NAME"),
        ("nvidia.com/: 1", '"nvidia.com/" is not a valid resource name: nothing is after the slash.', "nvidia.com/gpu"),
        ("Nvidia.com/GPU: 1", "Nvidia.com is not a domain.", "Did you mean nvidia.com/gpu?"),
        ("a.b/c@d: 1", '"a.b/c@d" is not a valid resource name: it contains @.', "letters, digits"),
        ("requests.cpu: 1", "is a name that only quotas use.", "Did you mean cpu?"),
        ("hugepages-2MB: 2Mi", "has the page size 2MB, which is not a quantity.", "Did you mean hugepages-2Mi?"),
        (
            "hugepages-2Mi: 3Mi",
            "hugepages-2Mi is 3Mi, not a multiple of the page size 2Mi.",
            "Write a multiple of 2Mi.",
        ),
        ("cpu: -1", "cpu is -1, not an amount of at least 0.", "of at least 0"),
        ("memory: 4", "memory is 4, only 4 bytes.", "Did you mean 4Gi?"),
        ("memory: 100m", "memory is 100m, less than 1 byte.", "Did you mean 100Mi?"),
        ("memory: 2 GB", "memory is 2 GB, which is not a quantity.", "Did you mean 2G?"),
        ("memory: [1]", "memory is a list, not a quantity.", "Write a quantity"),
        ("nvidia.com/gpus: 1", "is nearly nvidia.com/gpu.", "Did you mean nvidia.com/gpu?"),
        ("cpu: 500M", "is 500M, which is 500,000,000 cores.", "Did you mean 500m?"),
        ("null: 1", "A key of workspace.specs.kubernetes.resource-", "Write text as the key."),
        ("hugepages-2Mi: 4Mi", "", ""),
        ("nvidia.com/mig-1g.5gb: 1", "", ""),
        ("ephemeral-storage: 1Gi", "", ""),
        ("x.kubernetes.io/y: 1", "", ""),
        ("nvidia.com/gpu: 0", "", ""),
    ],
)
def test_resources_are_held_against_what_kubernetes_accepts(resource: str, says: str, hint: str) -> None:
    fields = "".join(
        f'      {name}:\n        policy: read\n        value: {{smarter-devices/fuse: "1", {resource}}}\n'
        for name in ("resource-requests", "resource-limits")
    )
    problems = check(kubernetes("", fields))
    assert [problem.line for problem in problems] == ([7, 10] if says else [])
    assert all(says in problem.message and hint in problem.hint for problem in problems)
    if {problem.id for problem in problems} & {"wrong-resource", "negative", "not-whole"}:
        assert {problem.severity for problem in problems} == {"problem"}
        assert not fuse_guarantee(kubernetes("", fields)).sure


@pytest.mark.parametrize(
    ("field", "value", "where", "says", "hint"),
    [
        ("tolerations", "[{key: 5}]", (0, "key"), "is 5 (a number), not text.", 'Write "5".'),
        ("tolerations", "[{key: yes}]", (0, "key"), "is yes (a boolean), not text.", 'Write "yes".'),
        ("tolerations", "[{kye: a}]", (0, "kye"), "is an unknown key.", "Did you mean key?"),
        ("tolerations", "[{value: b}]", (0,), "has no key, and operator is not Exists.", "operator: Exists"),
        ("tolerations", '[{key: ""}]', (0, "key"), "is empty, and operator is not Exists.", "operator: Exists"),
        ("tolerations", "[{key: a b}]", (0, "key"), "is a b, not a valid taint key: it contains a space.", "letters"),
        ("tolerations", "[{key: a, value: b c}]", (0, "value"), "is b c, not a valid taint value: it", "letters"),
        (
            "tolerations",
            "[{key: a}, {key: a, operator: Exists, value: b}]",
            (1, "value"),
            "is b, though operator is Exists.",
            "Remove the value, or write Equal.",
        ),
        (
            "tolerations",
            "[{key: a, tolerationSeconds: 5}]",
            (0, "tolerationSeconds"),
            "is set, though there is no effect.",
            "effect: NoExecute",
        ),
        (
            "tolerations",
            "[{key: a, effect: NoSchedule, tolerationSeconds: 5}]",
            (0, "tolerationSeconds"),
            "is set, though effect is NoSchedule.",
            "effect: NoExecute",
        ),
        (
            "tolerations",
            '[{key: a, effect: NoExecute, tolerationSeconds: "5"}]',
            (0, "tolerationSeconds"),
            'is "5" (text), not a whole number.',
            "Write 5 without quotes.",
        ),
        ("tolerations", "[{key: a, effect: NoExecute, tolerationSeconds: -1}]", (), "", ""),
        ("tolerations", "[{operator: Exists}]", (), "", ""),
        ("tolerations", "{key: a}", (), "is a mapping, not a list.", "Put a dash before each item."),
        ("annotations", "{a: b}", (), "is a mapping, not a list.", "- {key: a, value: VALUE}"),
        ("annotations", "[{key: '', value: b}]", (0, "key"), 'is "", not a valid annotation key: it is empty.', "name"),
        ("annotations", "[{kye: a, value: b}]", (0, "kye"), "is an unknown key.", "Did you mean key?"),
        (
            "annotations",
            "[{key: a, value: b}, {key: a, value: c}]",
            (1, "key"),
            "is a, as in item [0].",
            "Coder's documentation does not say which one is used.",
        ),
        ("node-selector", "[{key: a/b/c, value: b}]", (0, "key"), "not a valid label key", "DOMAIN/NAME"),
        (
            "node-selector",
            "[{key: a, value: b}, {key: a, value: b}]",
            (1, "key"),
            "is a, as in item [0].",
            "Remove one",
        ),
        ("env", "[{name: A, value: b}]", (0, "name"), "is an unknown key.", "Did you mean key?"),
        ("env", "[{key: '', value: b}]", (0, "key"), "it is empty.", "Write a name"),
        ("env", "{'': b}", ("",), "has an empty name.", "Write a name"),
        ("env", "{A=B: c}", ("A=B",), "not a valid name of an environment variable: it contains =.", "Write a name"),
        ("env", "{1A: b}", ("1A",), "Kubernetes before 1.32 rejects it.", "no digit first"),
        ("env", "{A: yes}", ("A",), "is yes (a boolean), not text.", 'Write "yes".'),
        ("labels", "{'': b}", ("",), "has an empty name.", "Write a name"),
        ("labels", "{a: b c}", ("a",), "is b c, not a valid label value: it contains a space.", "letters"),
        ("labels", "{a b: c}", ("a b",), "is not a valid label key: it contains a space.", "letters"),
        ("labels", "[{key: a, value: b}]", (), "is a list, not a mapping.", "Write each item as an entry: a: b."),
        ("cpu", "-1", (), "is -1, not a number of at least 0.", "Write a number (cores)."),
        ("cpu", "'4'", (), 'is "4" (text), not a number of at least 0.', "Write 4 without quotes."),
        ("seccomp-profile-type", '""', (), 'is "", not one of Unconfined', "Write one of Unconfined"),
        ("seccomp-profile-type", "unconfined", (), "is unconfined, not one of", "Did you mean Unconfined?"),
        ("seccomp-profile-localhost-profile", "/a", (), "is /a, not a path below", "without a slash"),
        ("run-as-user", "4294967295", (), "is 4294967295, more than the largest ID", "smaller"),
        ("runtime-class-name", "Kata", (), "is Kata, not a valid name of a RuntimeClass.", "Did you mean kata?"),
        ("image", '""', (), 'is "", not an image: it is empty.', "Write an image"),
        (
            "image",
            "Ubuntu:24.04",
            (),
            "is Ubuntu:24.04, not an image: its name has upper",
            "Did you mean ubuntu:24.04?",
        ),
        ("image", "'${IMAGE}'", (), 'is "${IMAGE}", not an image: its form is not NAME:TAG.', "Write an image"),
        ("image", "host:5000/a/b__c:v1@sha256:" + "0" * 64, (), "", ""),
        ("gpu-count", "99999999999999999999", (), "is 99999999999999999999, too large a number.", "smaller"),
        ("cpu", "", (), "has an empty value.", "Write a value, or remove the line."),
        ("labels", "{a: 'b '}", ("a",), 'is "b ", not a valid label value: it begins or ends', "Did you mean b?"),
        ("env", "{'A ': b}", ("A ",), "it begins or ends with a space.", "Did you mean A?"),
        ("tolerations", "[{key: -1}]", (0, "key"), "is -1 (a number), not text.", 'Write "-1".'),
        ("node-selector", "[{key: a, x: b}]", (0, "x"), "is an unknown key.", "Did you mean value?"),
        ("labels", "{[a]: b}", (), "A key of workspace.specs.kubernetes.labels.value is a list.", "Write text"),
        ("seccomp-profile-type", "Localhost", (), "is Localhost, which needs seccomp-profile-localhost", "Add seccomp"),
        ("privileged", "'true'", (), 'is "true" (text), not true or false.', "Write true without quotes."),
        (
            "privileged",
            "yes",
            (),
            "yes is true (a boolean) in YAML 1.1",
            "Write true.",
        ),
        ("run-as-user", "010", (), "010 is 8 (a number) in YAML 1.1", "Write 8 or 10."),
    ],
)
def test_a_fault_is_told_once_with_its_value_its_place_and_what_to_write(
    field: str, value: str, where: tuple[str | int, ...], says: str, hint: str
) -> None:
    problems = check(kubernetes(f"      {field}: {{policy: read, value: {value}}}\n"))
    if not says:
        assert problems == ()
        return
    [problem] = problems
    assert problem.path == ("workspace", "specs", "kubernetes", field, "value", *where)
    assert says in problem.message
    assert hint in problem.hint


def test_other_faults_of_a_policy_are_told_once() -> None:
    start = "  configure:\n    start: {policy: read, value: [{command: ' '}]}\n  dev-urls: {value: [{port: 99999}]}\n"
    text = kubernetes("").content.decode().replace("workspace:\n", f"workspace:\n{start}")
    found_here = check(PolicyDocument.parse(text.encode()))
    assert [problem.path[-2:] for problem in found_here] == [(0, "command"), (0, "port")]
    fields = "      seccomp-profile-type: {value: Unconfined}\n      seccomp-profile-localhost-profile: {value: a}\n"
    [problem] = check(kubernetes(fields))
    assert "has a value, though seccomp-profile-type is Unconfined." in problem.message
    for odd in ("      cpu: {policy:\u00a0read}\n", "      cpu\u00a0: {policy: read}\n"):
        assert [problem.id for problem in check(kubernetes(odd))] == ["odd-space"]


@pytest.mark.parametrize(
    ("request_of", "limit_of", "ids", "hint"),
    [
        ("a.b/c: 1", "a.b/d: 1", ["request-unlike-limit"], "The limits have a.b/d. Write the same name in both."),
        ("a.b/c: 1", "", ["request-unlike-limit"], "Add a.b/c to resource-limits, with the same number."),
        ("hugepages-z: 1", "hugepages-z: 2", ["wrong-resource", "wrong-resource"], "Did you mean hugepages-2Mi?"),
        ("a.b/c: 1", "a.b/c: 1.5", ["not-whole"], "Write a whole number."),
        ("a.b/c: 1", "a.b/c: 1e3", ["request-unlike-limit", "two-readings"], "Set both to the same number."),
    ],
)
def test_a_request_and_a_limit_that_differ_have_one_cause(
    request_of: str, limit_of: str, ids: list[str], hint: str
) -> None:
    fields = f'      resource-requests: {{policy: read, value: {{smarter-devices/fuse: "1", {request_of}}}}}\n'
    fields += f'      resource-limits: {{policy: read, value: {{smarter-devices/fuse: "1", {limit_of}}}}}\n'
    problems = check(kubernetes("", fields))
    assert sorted(problem.id for problem in problems) == ids
    assert hint in [problem.hint for problem in problems]


def test_paths_of_two_readings_and_of_duplicates_have_the_number_of_the_item() -> None:
    text = "      env: {policy: read, value: [{key: A, value: '1'}, {key: B, value: 0o7, value: 0o7}]}\n"
    found_at = {problem.path[-2:] for problem in check(kubernetes(text))}
    assert found_at == {(1, "value")}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            'resource-requests: {policy: read, value: [{key: smarter-devices/fuse, value: "1"}]}',
            [("wrong-shape", 'Write each item as an entry: smarter-devices/fuse: "1".')],
        ),
        ("resource-requests: read", [("wrong-shape", "Write a mapping.")]),
        (
            'resource-requests: {policy: read, values: {smarter-devices/fuse: "1"}}',
            [("fuse-missing", "Write value in place of values."), ("unknown-field", "Did you mean value?")],
        ),
        (
            'resource-requests: {smarter-devices/fuse: "1"}',
            [("fuse-missing", "To add it, run podman-wizard policy merge."), ("unknown-field", "Put it under value.")],
        ),
        (
            'resource_requests: {policy: read, value: {smarter-devices/fuse: "1"}}',
            [
                ("fuse-missing", "Write resource-requests in place of resource_requests."),
                ("unknown-field", "Did you mean resource-requests?"),
            ],
        ),
        (
            'resources: {requests: {smarter-devices/fuse: "1"}}',
            [
                ("fuse-missing", "To add it, run podman-wizard policy merge."),
                ("unknown-field", "Write resource-requests and resource-limits."),
            ],
        ),
    ],
)
def test_what_keeps_fuse_from_being_requested_is_named_by_its_cause(
    fields: str, expected: list[tuple[str, str]]
) -> None:
    limits = FUSE.splitlines()[1]
    assert [(problem.id, problem.hint) for problem in check(kubernetes("", f"      {fields}\n{limits}\n"))] == expected
