from pathlib import Path

import pytest
import yaml

from tests.clusters import command
from wizard.answers_file import complete_answers, parse_answers, write_answers
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice, OwnershipChoice, PolicyChoice
from wizard.errors import InputError

WHOLE = b"""\
cluster: {kubeconfig: ~/.kube/config, context: prod}
security-modules: {acknowledged: true, probe: false}
manifest:
  preset: recommended
  set: {image: registry.example.org/sdm:v1.20.12, devices-per-node: 110}
  without: [tolerations]
ownership: take
nodes: {names: [a, b]}
rollout: {timeout: 60}
policy: {file: policy.yaml, output: policy.merged.yaml, on-conflict: replace, mode: append, devices: 2}
coder: {url: https://coder.example.org, enable-templates: true, upload: false}
verify: {run: true, image: quay.io/podman/stable:v5.3, namespace: default}
"""


def test_every_key_of_the_file_is_read() -> None:
    answers = parse_answers(WHOLE, "answers.yaml")
    assert answers.cluster.context == "prod"
    assert answers.security_modules.acknowledged
    assert answers.manifest.set == {"image": "registry.example.org/sdm:v1.20.12", "devices-per-node": 110}
    assert answers.manifest.without == ("tolerations",)
    assert answers.ownership == OwnershipChoice("take")
    assert answers.nodes == NodesChoice(all=False, names=("a", "b"))
    assert answers.rollout.timeout == 60
    assert answers.policy == PolicyChoice(
        file="policy.yaml", output="policy.merged.yaml", on_conflict="replace", mode="append", devices=2
    )
    assert answers.coder.enable_templates
    assert answers.verify.run


@pytest.mark.parametrize(
    "text", [b"", b"# nothing yet\n", b"{}\n", b"ownership:\nnodes:\n", b"nodes: {selector: }\npolicy:\n"]
)
def test_an_empty_file_means_the_defaults(text: bytes) -> None:
    assert parse_answers(text, "answers.yaml") == Answers()


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        (b"nodes:\n  al: true\n", "a.yaml:2:3", "nodes.al is not a key"),
        (b"polcy: {}\n", "a.yaml:1:1", "polcy is not a key"),
        (b"ownership: force\n", "a.yaml:1:12", "ownership must be one of fail, take, leave"),
        (b"ownership:\n  DeamonSet: skip\n", "a.yaml:2:3", "does not name an object of the manifest"),
        (b"ownership: {DaemonSet .spec: skip}\n", "a.yaml:1:13", "Only a whole object can be skipped"),
        (b"ownership: {DaemonSet: fail}\n", "a.yaml:1:24", "must be one of take, leave, skip"),
        (b"ownership: {DaemonSet: take, DaemonSet: skip}\n", "a.yaml:1:30", "appears twice"),
        (b"rollout: {timeout: soon}\n", "a.yaml:1:20", "rollout.timeout: 'soon' is not a duration above 0"),
        (b"nodes: {names: a}\n", "a.yaml:1:16", "nodes.names must be a list"),
        (b"nodes: [a]\n", "a.yaml:1:8", "nodes must be a mapping"),
        (b"nodes: {all: true, all: false}\n", "a.yaml:1:20", "nodes.all appears twice"),
        (b"nodes: {\n", "a.yaml:2:1", "not valid YAML"),
        (b"- a\n", "a.yaml:1:1", "must be a mapping"),
        (b"\xff\xfe", "a.yaml", "not UTF-8"),
        (b"rollout: {}\nnodes: {names: [a], selector: b}\n", "a.yaml:2:8", "cannot be combined"),
        (b"rollout: {timeout: 0}\n", "a.yaml:1:20", "rollout.timeout must be above 0"),
        (b"rollout: {timeout: 0300}\n", "a.yaml:1:20", "0300 is not a decimal number"),
        (b"rollout: {timeout: 5:00}\n", "a.yaml:1:20", "5:00 is not a decimal number"),
        (b"policy: {mode: delete}\n", "a.yaml:1:16", "policy.mode must be one of write, read, append"),
        (b"policy: {devices: -1}\n", "a.yaml:1:19", "policy.devices must be above 0"),
        (b"nodes: {selector: a b}\n", "a.yaml:1:19", "nodes.selector: The label selector 'a b' is invalid"),
        (b"verify: {image: a b}\n", "a.yaml:1:17", "verify.image: 'a b' is not an image reference"),
        (b"verify: {namespace: A_B}\n", "a.yaml:1:21", "verify.namespace: 'A_B' cannot be the name of a namespace"),
        (b"coder: {url: coder}\n", "a.yaml:1:14", "coder.url: coder is not the URL of a Coder"),
        (b"manifest:\n  set: {image: a, image: b}\n", "a.yaml:2:19", "manifest.set.image appears twice"),
        (b"manifest: {set: {imgae: a}}\n", "a.yaml:1:25", "There is no adjustment 'imgae'. Did you mean image?"),
        (b"manifest: {set: {memory: lots}}\n", "a.yaml:1:26", "'lots' is not a valid value"),
        (b"manifest:\n  without:\n  - image\n  - quota\n", "a.yaml:4:5", "There is no adjustment 'quota'"),
        (b"manifest: {set: {image: a}, without: [image]}\n", "a.yaml:1:39", "is both turned on (set) and turned off"),
        (b"a: 1\n---\nb: 2\n", "a.yaml:2:1", "not valid YAML"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text: bytes, place: str, word: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_answers(text, "a.yaml")
    assert refused.value.place == place
    assert word in refused.value.what
    assert refused.value.exit_code == 4


def test_the_file_that_is_offered_repeats_the_choices() -> None:
    answers = parse_answers(WHOLE, "answers.yaml")
    assert parse_answers(write_answers(answers).encode(), "again.yaml") == answers
    assert parse_answers(write_answers(Answers()).encode(), "again.yaml") == Answers()


def test_the_complete_file_has_the_defaults_and_is_read_as_the_same_choices() -> None:
    answers = parse_answers(WHOLE, "answers.yaml")
    assert parse_answers(complete_answers(answers).encode(), "again.yaml") == answers
    plain = complete_answers(Answers())
    assert parse_answers(plain.encode(), "again.yaml") == Answers()
    assert {"manifest", "ownership", "nodes", "rollout"} <= set(yaml.safe_load(plain))
    assert not {"policy", "coder", "cluster"} & set(yaml.safe_load(plain))


@pytest.mark.parametrize(
    "choice",
    [
        NodesChoice(label=False),
        NodesChoice(all=False, label=False),
        NodesChoice(all=False, names=("a",)),
        NodesChoice(all=False, selector="pool=a"),
    ],
)
def test_every_choice_of_nodes_is_written_completely(choice: NodesChoice) -> None:
    text = complete_answers(Answers(nodes=choice))
    assert parse_answers(text.encode(), "again.yaml").nodes == choice


def test_only_what_departs_from_the_defaults_is_written() -> None:
    answers = Answers(manifest=ManifestChoice(set={"memory": "64Mi"}))
    assert write_answers(answers) == "manifest:\n  set:\n    memory: 64Mi\n"


def test_decisions_about_objects_and_fields_are_read_and_written() -> None:
    text = """\
ownership:
  default: leave
  DaemonSet .spec.template.spec.containers[name="smarter-device-manager"].image: take
  ResourceQuota: skip
"""
    choice = parse_answers(text.encode(), "answers.yaml").ownership
    assert choice.of("DaemonSet", '.spec.template.spec.containers[name="smarter-device-manager"].image') == "take"
    assert choice.of("DaemonSet", ".spec.template.spec.nodeSelector") == "leave"
    assert choice.of("ResourceQuota", ".spec.hard.pods") == "skip"
    assert write_answers(Answers(ownership=choice)) == text


async def test_answers_can_come_from_stdin(tmp_path: Path) -> None:
    text = "policy: {output: merged.yaml}\n"
    ended = await command("run", "--answers", "-", "--yes", folder=tmp_path, typed=text)
    assert ended.code == 0, ended.error
    assert (tmp_path / "merged.yaml").exists(), "a path counts from the current folder"
    ended = await command("run", "--answers", "-", "--yes", folder=tmp_path, typed="polic: {}\n")
    assert ended.code == 4
    assert "stdin" in ended.error
    for arguments in (("run", "--answers", "-", "--yes"), ("--plain", "--answers", "-")):
        ended = await command(*arguments, folder=tmp_path)
        assert ended.code in (2, 4)
        assert "stdin" in ended.error
