"""Templates as people write them: what the merge adds to them, or why it adds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.template.templates import ANNOTATION, CONTAINER, FUSE, LIMITS, STARTER, container, limits, pod
from tests.template.terraform import needs_terraform, rejected
from wizard.errors import InputError, UsageError, WizardError
from wizard.template.checks import check_template
from wizard.template.merge import MergeResult, merge_template
from wizard.template.module import Module, read_stdin, read_template

ALL = ("device", "apparmor", "seccomp", "selinux", "user")


def module_of(text: str | bytes) -> Module:
    return read_stdin(text if isinstance(text, bytes) else text.encode())


def merge(text: str | bytes, *parts: str, on_conflict: str = "fail", **options: str) -> MergeResult:
    """The merge, of which a second one changes nothing, and whose additions are all that is new."""
    parts = parts or ("device",)
    result = merge_template(module_of(text), parts, on_conflict=on_conflict, **options)  # type: ignore[arg-type]
    if result.changed:
        again = merge_template(module_of(result.document.content), parts, on_conflict=on_conflict, **options)  # type: ignore[arg-type]
        assert not again.changed
        assert not again.refusals
        assert result.counts.other_bytes_changed == 0
    return result


def added(result: MergeResult) -> list[str]:
    """The lines that are new, without their indentation."""
    return [line[1:].strip() for line in result.diff().splitlines()[2:] if line.startswith("+")]


def removed(result: MergeResult) -> list[str]:
    return [line[1:].strip() for line in result.diff().splitlines()[2:] if line.startswith("-")]


def refused(text: str, *parts: str, **options: str) -> InputError:
    """The error of a merge that changes nothing."""
    try:
        result = merge(text, *parts, **options)
    except InputError as error:
        return error
    assert not result.changed
    assert result.document.content == result.before.content
    assert isinstance(result.error, InputError)
    return result.error


def ids(text: str) -> list[str]:
    return [problem.id for problem in check_template(module_of(text))]


# What can be merged ----------------------------------------------------------------------------------------------


def test_the_starter_gets_the_device_in_both_maps_and_the_annotation_in_the_pod() -> None:
    result = merge(STARTER, "device", "apparmor")
    key = f'"{ANNOTATION}/dev" = "unconfined"'
    assert added(result) == ["annotations = {", key, "}", FUSE, "", FUSE, ""]
    assert removed(result) == []
    text = result.document.text
    assert text.index(key) > text.index("template {")
    assert "run_as_non_root = true" in text


def test_an_annotation_in_the_deployments_own_metadata_does_not_count() -> None:
    wrong = STARTER.replace(
        '      "com.coder.user.email"', f'      "{ANNOTATION}/dev" = "unconfined"\n      "com.coder.user.email"', 1
    )
    assert "annotation-place" in ids(wrong)
    assert added(merge(wrong, "apparmor"))[1] == f'"{ANNOTATION}/dev" = "unconfined"'


def test_the_annotation_has_the_containers_own_name() -> None:
    text = pod().replace('"dev"', '"coder-container"')
    assert f'"{ANNOTATION}/coder-container" = "unconfined"' in added(merge(text, "apparmor"))


def test_a_name_that_is_evaluated_stops_the_annotation_only() -> None:
    text = pod().replace('"dev"', '"workspace-${data.coder_workspace.me.name}"')
    error = refused(text, "device", "apparmor")
    assert error.line == text[: text.index('"workspace-')].count("\n") + 1
    assert f'"{ANNOTATION}/workspace-${{data.coder_workspace.me.name}}" = "unconfined"' in error.todo
    assert "--without apparmor" in error.todo
    assert added(merge(text, "device")) == [FUSE, ""]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{ cpu = "2", memory = "4Gi" }', '{ "smarter-devices/fuse" = "1", cpu = "2", memory = "4Gi" }'),
        ("{}", '{ "smarter-devices/fuse" = "1" }'),
        ("{ }", '{ "smarter-devices/fuse" = "1" }'),
        ("{ /* none } */ }", '{ /* none } */ "smarter-devices/fuse" = "1" }'),
        ('{ cpu: "2" }', '{ "smarter-devices/fuse": "1", cpu: "2" }'),
        (
            '{ # one }\n          cpu : "2",\n        }',
            '{ # one }\n          "smarter-devices/fuse" : "1",\n          cpu : "2",\n        }',
        ),
        (
            '{\n          cpu = "2" # last }\n          # end\n        }',
            '{\n          "smarter-devices/fuse" = "1"\n\n          cpu = "2" # last }\n          # end\n        }',
        ),
        (
            '{\n          # first\n          cpu = "2"\n        }',
            '{\n          "smarter-devices/fuse" = "1"\n          # first\n          cpu = "2"\n        }',
        ),
        ("{\n          # none\n        }", '{\n          "smarter-devices/fuse" = "1"\n          # none\n        }'),
        (
            '{\n          "requests.nvidia.com/gpu" = "1"\n        }',
            '{\n          "smarter-devices/fuse"    = "1"\n          "requests.nvidia.com/gpu" = "1"\n        }',
        ),
        ('{ cpu = "2"\n memory = "4Gi" }', '{ "smarter-devices/fuse" = "1", cpu = "2"\n memory = "4Gi" }'),
        ('{ "a/${b}" = 1 }', '{ "smarter-devices/fuse" = "1", "a/${b}" = 1 }'),
    ],
)
def test_an_item_is_written_as_its_neighbors_are(before: str, after: str) -> None:
    assert merge(limits(before)).document.text == limits(after)


@pytest.mark.parametrize(
    "item", ['"smarter-devices/fuse" : 1', '("smarter-devices/fuse") = "1"', '"smarter-devices/fuse" = 1.0']
)
def test_the_device_that_is_there_is_recognized(item: str) -> None:
    assert not merge(limits(f"{{ {item} }}")).changed


def test_more_than_one_device_is_kept_and_copied_into_requests() -> None:
    two = '        limits = { "smarter-devices/fuse" = "2" }\n'
    result = merge(pod(container(two)))
    assert not result.changed
    assert "2 devices" in result.notes[0].text
    both = merge(pod(container(two + '        requests = { cpu = "1" }\n')))
    assert '{ "smarter-devices/fuse" = "2", cpu = "1" }' in both.document.text


def test_a_container_without_resources_gets_them_with_its_own_indentation() -> None:
    text = 'resource "kubernetes_pod" "main" {\n\tspec {\n\t\tcontainer {\n\t\t\tname = "dev"\n\t\t}\n\t}\n}\n'
    result = merge(text)
    assert "\t\t\tresources {\n\t\t\t\tlimits = {\n\t\t\t\t\t" + FUSE in result.document.text
    assert " " not in result.document.text.replace(" = ", "").replace(" {", "").replace('" "', "").replace('e "', "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("metadata {}", "metadata {\n    annotations = {\n      KEY\n    }\n  }"),
        ("metadata { }", "metadata {\n    annotations = {\n      KEY\n    }\n  }"),
        ('metadata { name = "x" }', 'metadata {\n    name = "x"\n    annotations = {\n      KEY\n    }\n  }'),
        ("metadata { # c }\n  }", "metadata { # c }\n    annotations = {\n      KEY\n    }\n  }"),
        (
            'metadata {\n    name = "x"\n  /* c\n  */ }',
            'metadata {\n    name = "x"\n    annotations = {\n      KEY\n    }\n  /* c\n  */ }',
        ),
        ("metadata { /* c\n  */ }", "metadata {\n    annotations = {\n      KEY\n    }\n  /* c\n  */ }"),
    ],
)
def test_a_block_on_one_line_is_opened(before: str, after: str) -> None:
    usual = '  metadata {\n    name = "coder"\n  }'
    text = pod().replace(usual, "  " + before)
    wanted = pod().replace(usual, "  " + after.replace("KEY", f'"{ANNOTATION}/dev" = "unconfined"'))
    assert merge(text, "apparmor").document.text == wanted


def test_a_pod_without_metadata_gets_it() -> None:
    text = pod().replace('  metadata {\n    name = "coder"\n  }\n', "")
    assert added(merge(text, "apparmor"))[:2] == ["metadata {", "annotations = {"]


def test_other_evaluated_annotations_are_no_obstacle() -> None:
    there = '  metadata {\n    annotations = {\n      "x/${local.c}" = "1"\n    }\n'
    text = pod().replace('  metadata {\n    name = "coder"\n', there)
    assert added(merge(text, "apparmor")) == [f'"{ANNOTATION}/dev" = "unconfined"', ""]
    assert "could be" in refused(text.replace('"x/$', f'"{ANNOTATION}/$'), "apparmor").what


def test_the_container_with_the_agent_is_the_workspace() -> None:
    dind = '    container {\n      name = "dind"\n      security_context {\n        privileged = true\n      }\n    }\n'
    result = merge(pod(dind + container()))
    assert result.workload.container_name == "dev"
    assert dind in result.document.text


def test_an_agent_is_followed_through_local_values() -> None:
    text = pod(container() + container().replace('"dev"', '"other"').replace("coder_agent.main.init_script", "local.c"))
    text = text.replace("coder_agent.main.init_script", '"true"')
    result = merge(text + "locals {\n  a = coder_agent.main.init_script\n  c = local.a\n}\n")
    assert result.workload.container_name == "other"


def test_an_init_container_is_never_touched() -> None:
    init = container().replace("    container {", "    init_container {")
    result = merge(pod(init + container()))
    assert init in result.document.text
    assert added(result) == [FUSE, ""]


def test_what_a_text_block_or_a_comment_holds_is_not_taken_for_real() -> None:
    fake = (
        "  startup_script = <<-EOT\n  container {\n    resources {\n      limits = {\n    EOTX\n  # }\n"
        '  ${x ? "}" : "{"}\n    EOT  \n'
    )
    old = "/* old:\n" + container() + "*/\n// limits = {\n"
    text = old + pod().replace('  os = "linux"\n', fake)
    result = merge(text, *ALL)
    assert result.document.text.startswith(old)
    assert fake in result.document.text


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_line_endings_byte_order_mark_and_end_are_kept(end: str) -> None:
    text = "\ufeff" + STARTER.rstrip("\n").replace("\n", "\r\n") + end
    result = merge(text, *ALL)
    content = result.document.content
    assert content.startswith(b"\xef\xbb\xbfresource")
    assert content.endswith(b"}" + end.encode())
    assert content.count(b"\n") == content.count(b"\r\n")
    assert "-\ufeff" not in result.diff()


def test_mixed_line_endings_follow_the_line_before() -> None:
    text = pod().replace("limits = {\n", "limits = {\r\n")
    assert '{\r\n          "smarter-devices/fuse" = "1"\r\n\r\n          cpu = "2"\n' in merge(text).document.text


def test_security_settings_go_into_the_containers_own_context() -> None:
    result = merge(STARTER, "seccomp", "selinux")
    assert added(result) == [
        "seccomp_profile {",
        'type = "Unconfined"',
        "}",
        "se_linux_options {",
        'type = "container_engine_t"',
        "}",
    ]
    assert removed(result) == []
    fresh = merge(pod(), "seccomp", "selinux")
    assert added(fresh)[0] == "security_context {"
    assert fresh.document.text.count("security_context") == 1


def test_a_user_that_is_set_anywhere_is_kept() -> None:
    result = merge(STARTER, "user")
    assert not result.changed
    assert "run_as_user" in result.notes[0].text
    assert added(merge(pod(), "user")) == ["security_context {", "run_as_user = 1000", "fs_group    = 1000", "}"]


def test_envbuilder_gets_the_device_but_no_user() -> None:
    text = pod().replace('"example.org/podman:1"', '"ghcr.io/coder/envbuilder:1"')
    assert "must run as root" in refused(text, "device", "user").what
    assert added(merge(text)) == [FUSE, ""]
    assert "envbuilder" in ids(text)


# Conflicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ['"0"', "0", '"none"', "false"])
def test_a_number_below_one_is_a_conflict(value: str) -> None:
    text = limits(f'{{ "smarter-devices/fuse" = {value} }}')
    result = merge(text)
    assert result.error is not None
    assert result.error.exit_code == 5
    assert result.undecided[0].line == text[: text.index('"smarter')].count("\n") + 1
    assert merge(text, on_conflict="replace").document.text == limits('{ "smarter-devices/fuse" = "1" }')
    kept = merge(text, on_conflict="keep")
    assert (kept.changed, kept.error) == (False, None)
    assert merge(text, on_conflict="both").error is not None


@pytest.mark.parametrize(
    "name", ["github.com/fuse", "squat.ai/fuse", "smarter-device/fuse", "smarter-devices.fuse", "Smarter-Devices/FUSE"]
)
def test_another_resource_for_fuse_is_a_conflict_with_three_ways_out(name: str) -> None:
    text = limits(f'{{\n          "{name}" : 1\n        }}')
    assert merge(text).error is not None
    assert name in str(merge(text).undecided[0].found)
    assert merge(text, on_conflict="replace").document.text == text.replace(name, "smarter-devices/fuse")
    assert added(merge(text, on_conflict="both")) == ['"smarter-devices/fuse" : "1"']
    assert not merge(text, on_conflict="keep").changed


def test_what_both_left_is_no_conflict_any_more() -> None:
    result = merge(limits('{ "github.com/fuse" = "1" }'), on_conflict="both")
    assert not merge(result.document.content).conflicts


def test_replacing_renames_in_one_map_and_adds_in_the_other() -> None:
    text = pod(container('        limits = { "github.com/fuse" = "1" }\n        requests = {}\n'))
    merged = merge(text, on_conflict="replace").document.text
    assert merged.count(FUSE) == 2
    assert "github.com" not in merged


def test_different_numbers_in_the_two_maps_are_a_conflict() -> None:
    maps = '        limits = { "smarter-devices/fuse" = 2 }\n        requests = { "smarter-devices/fuse" = 1 }\n'
    assert merge(pod(container(maps))).error is not None
    assert "device-counts-differ" in ids(pod(container(maps)))
    assert (
        'requests = { "smarter-devices/fuse" = "2" }'
        in merge(pod(container(maps)), on_conflict="replace").document.text
    )


@pytest.mark.parametrize(
    ("part", "there"),
    [
        ("seccomp", 'seccomp_profile {\n          type = "RuntimeDefault"\n        }'),
        ("selinux", 'se_linux_options {\n          type = "container_t"\n        }'),
    ],
)
def test_another_security_setting_is_a_conflict(part: str, there: str) -> None:
    text = pod(container(LIMITS + "      }\n      security_context {\n        " + there + "\n"))
    assert merge(text, part).error is not None
    assert not merge(text, part, on_conflict="keep").changed
    assert len(added(merge(text, part, on_conflict="replace"))) == 1


@pytest.mark.parametrize(
    ("part", "there"),
    [
        ("seccomp", 'seccomp_profile {\n          type = "Localhost"\n        }'),
        ("seccomp", "seccomp_profile {\n          type = var.seccomp\n        }"),
        ("seccomp", 'seccomp_profile {\n          type = "Unconfined"\n        }'),
        ("selinux", 'se_linux_options {\n          type = "spc_t"\n        }'),
    ],
)
def test_a_security_setting_that_is_good_or_of_its_own_is_kept(part: str, there: str) -> None:
    text = pod(container(LIMITS + "      }\n      security_context {\n        " + there + "\n"))
    result = merge(text, part)
    assert (result.changed, result.error) == (False, None)


def test_selinux_options_without_a_type_get_one_beside_the_level() -> None:
    there = (
        LIMITS
        + '      }\n      security_context {\n        se_linux_options {\n          level = "s0:c1,c2"\n        }\n'
    )
    assert added(merge(pod(container(there)), "selinux")) == ['type  = "container_engine_t"']


# What is not decided without a person ----------------------------------------------------------------------------


def test_a_key_that_is_there_twice() -> None:
    text = limits('{\n          "smarter-devices/fuse" = 1\n          "smarter-devices/fuse" = 0\n        }')
    error = refused(text)
    line = text[: text.index('"smarter')].count("\n") + 1
    assert f"on line {line} and again on line {line + 1}" in error.what


@pytest.mark.parametrize(
    "expression",
    [
        'merge(local.limits, { cpu = "1" })',
        "{ for k, v in var.limits : k => v }",
        'var.gpu ? { gpu = "1" } : {}',
        '({ cpu = "1" })',
        "null",
    ],
)
def test_limits_that_are_evaluated(expression: str) -> None:
    text = limits(expression)
    error = refused(text)
    assert error.line == text[: text.index("limits =")].count("\n") + 1
    assert FUSE in error.todo
    assert "cannot-edit" in ids(text)


@pytest.mark.parametrize("key", ["(local.key)", '"${local.key}"', '"smarter-devices/${local.device}"', "local.key"])
def test_a_key_that_could_be_the_device(key: str) -> None:
    assert "could be smarter-devices/fuse" in refused(limits(f"{{ {key} = 1 }}")).what


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("      resources {\n", '      dynamic "resources" {\n        for_each = [1]\n        content {}\n', "dynamic"),
        (
            "    container {\n",
            '    dynamic "container" {\n      for_each = [1]\n      content {}\n    }\n    dynamic "container" {\n'
            "      for_each = [1]\n      content {\n      x = coder_agent.main.init_script\n      }\n    }\n"
            "    con {\n",
            "dynamic",
        ),
        (LIMITS, '        limits {\n          cpu = "1"\n        }\n', "version 1 of the Kubernetes provider"),
        ("      resources {\n", "      resources {\n      }\n      resources {\n", "second block resources"),
        ("  spec {\n", "  spec {\n  }\n  spec {\n", "second block spec"),
    ],
)
def test_blocks_that_are_not_certain(old: str, new: str, words: str) -> None:
    text = pod()
    assert old in text
    assert words in refused(text.replace(old, new, 1)).what


def test_a_dynamic_env_is_no_obstacle() -> None:
    env = '      dynamic "env" {\n        for_each = {}\n        content {\n          name = "x"\n        }\n      }\n'
    assert added(merge(pod().replace("      resources {\n", env + "      resources {\n"))) == [FUSE, ""]


def test_several_agents_need_the_name_of_the_container() -> None:
    text = pod("".join(container().replace('"dev"', f'"c{number}"') for number in range(4)))
    error = refused(text)
    assert "4 containers" in error.what
    assert "--container" in error.todo
    assert merge(text, container="c2").workload.container_name == "c2"
    with pytest.raises(UsageError, match="no container c9"):
        merge(text, container="c9")


def test_several_pods_need_the_name_of_the_resource() -> None:
    text = pod() + pod().replace('"kubernetes_pod_v1" "main"', '"kubernetes_pod_v1" "other"').replace(
        "coder_agent", "c_a"
    )
    assert merge(text).workload.resource.title == "kubernetes_pod_v1.main"
    text = text.replace("c_a.main", "coder_agent.main")
    assert "--resource kubernetes_pod_v1.main" in refused(text).todo
    assert merge(text, resource="kubernetes_pod_v1.other").workload.resource.title == "kubernetes_pod_v1.other"


@pytest.mark.parametrize(
    "text",
    ["a = 1 b = 2\n", "x {\n  a = 1\n  a = 2\n}\n", "a = <<EOT\nx\n", "resource {\n"],
)
def test_a_file_that_terraform_rejects(text: str) -> None:
    assert "not valid Terraform" in refused(pod() + text).what


def test_envbox_is_explained_and_left() -> None:
    error = refused(pod().replace('"example.org/podman:1"', '"ghcr.io/coder/envbox:latest"'))
    assert "CODER_ADD_FUSE" in error.todo


@pytest.mark.parametrize(
    ("manifest", "lines"),
    [
        ("manifest = {\n    spec = {\n      containers = []\n    }\n  }", "resources = {"),
        ("manifest = yamldecode(<<EOT\nkind: Pod\nEOT\n  )", 'smarter-devices/fuse: "1"'),
    ],
)
def test_a_manifest_gets_lines_to_add_in_its_own_form(manifest: str, lines: str) -> None:
    error = refused(f'resource "kubernetes_manifest" "pod" {{\n  {manifest}\n}}\n')
    assert error.line == 2
    assert lines in error.todo


def test_nothing_with_a_pod() -> None:
    assert "no Kubernetes pod" in refused('resource "docker_container" "main" {\n}\n').what
    assert "Standard input is empty" in refused("").what


# Folders ---------------------------------------------------------------------------------------------------------


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        target = path / name.replace("__", "/").replace("_tf", ".tf")
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return path


def test_the_pod_of_a_folder_is_found_in_any_of_its_files(tmp_path: Path) -> None:
    folder(tmp_path, main_tf='resource "coder_agent" "main" {\n}\n', pod_tf=pod())
    result = merge_template(read_template(tmp_path))
    assert result.before.name == str(tmp_path / "pod.tf")
    assert result.changed


def test_a_local_value_in_another_file_is_named(tmp_path: Path) -> None:
    folder(tmp_path, main_tf=limits("local.limits"), locals_tf="locals {\n  limits = {\n  }\n}\n")
    for path in (tmp_path, tmp_path / "main.tf"):
        error = merge_template(read_template(path)).error
        assert error is not None
        assert f"{tmp_path / 'locals.tf'}:2" in error.what


@pytest.mark.parametrize("name", ["pod_override_tf", "override_tf"])
def test_an_override_of_the_pod(tmp_path: Path, name: str) -> None:
    override = 'resource "kubernetes_pod_v1" "main" {\n  spec {\n  }\n}\n'
    folder(tmp_path, main_tf=pod(), **{name: "\n" + override})
    for path in (tmp_path, tmp_path / "main.tf"):
        with pytest.raises(InputError, match="overrides parts of") as error:
            merge_template(read_template(path))
        assert (Path(error.value.file).name, error.value.line) == (name.replace("_tf", ".tf"), 2)


def test_a_local_module_is_followed_and_a_remote_one_is_not(tmp_path: Path) -> None:
    call = 'module "pod" {\n  source = "./pod"\n  script = coder_agent.main.init_script\n}\n'
    inner = pod(
        container() + container().replace('"dev"', '"two"').replace("coder_agent.main.init_script", "var.script")
    )
    folder(tmp_path, main_tf=call, pod__main_tf=inner.replace("coder_agent.main.init_script", '"true"'))
    result = merge_template(read_template(tmp_path))
    assert (Path(result.before.name).parent.name, result.workload.container_name) == ("pod", "two")
    (tmp_path / "main.tf").write_text(call.replace("./pod", "registry.example.org/pod"))
    with pytest.raises(InputError, match="another module"):
        merge_template(read_template(tmp_path))


def test_a_module_outside_the_folder_is_not_edited(tmp_path: Path) -> None:
    call = 'module "pod" {\n  source = "../pod"\n  script = coder_agent.main.init_script\n}\n'
    folder(tmp_path, template__main_tf=call, pod__main_tf=pod())
    with pytest.raises(InputError, match="another module"):
        merge_template(read_template(tmp_path / "template"))


def test_terraforms_json_is_never_taken_for_hcl(tmp_path: Path) -> None:
    path = tmp_path / "main.tf.json"
    path.write_text('{"resource": {"kubernetes_pod": {"main": {}}}}')
    for given in (path, tmp_path):
        with pytest.raises(InputError, match="JSON syntax") as error:
            merge_template(read_template(given))
        assert '"limits": {"smarter-devices/fuse": "1"}' in error.value.todo


def test_a_file_for_terraform_and_one_for_opentofu(tmp_path: Path) -> None:
    folder(tmp_path, main_tf=pod())
    (tmp_path / "main.tofu").write_text(pod().replace("kubernetes_pod_v1", "docker_container"))
    with pytest.raises(InputError, match=r"\.tofu file"):
        merge_template(read_template(tmp_path))
    assert merge_template(read_template(tmp_path / "main.tf")).changed


def test_a_folder_without_templates(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Terraform files"):
        read_template(tmp_path)


# All of them -----------------------------------------------------------------------------------------------------


@needs_terraform
def test_terraform_accepts_every_result(tmp_path: Path) -> None:
    maps = [
        "{}",
        "{ /* c */ }",
        "{ # c\n }",
        "{ a = 1, b : 2\n c = 3 }",
        "{\n  a = 1,\n\n  b = 2\n}",
        "{ (a) : 1 }",
        "{\n}",
    ]
    texts = [STARTER, pod(), pod('    container { name = "dev" }\n'), CONTAINER % ""]
    texts += [limits(text) for text in maps if "(" not in text]
    texts += [text.replace("\n", "\r\n") for text in texts]
    results = []
    for text in texts:
        try:
            results.append(merge(text, *ALL))
        except WizardError:
            continue
    assert len(results) >= 16
    assert all(result.changed for result in results)
    assert not rejected([result.document.content for result in results], tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "id"),
    [
        ("run_as_non_root = true", "run_as_non_root = true\n          fs = 1", "image-without-podman"),
        ('run_as_user = "1000"', "allow_privilege_escalation = false", "privilege-escalation"),
        ('run_as_user = "1000"', "allow_privilege_escalation = var.escalate", "privilege-escalation-unknown"),
        ('run_as_user = "1000"', "read_only_root_filesystem = true", "read-only-root"),
        ('run_as_user = "1000"', "privileged = true", "privileged"),
        ('run_as_user = "1000"', "run_as_user = 0", "run-as-root"),
        ('run_as_user = "1000"', 'capabilities {\n drop = ["ALL"]\n}', "capabilities-dropped"),
        ("/home/coder", "/data", "home-not-mounted"),
        ("kubernetes_deployment_v1", "kubernetes_deployment", "deprecated-name"),
        (
            "  count = data",
            "  lifecycle {\n    ignore_changes = [spec[0].template]\n  }\n  count = data",
            "ignore-changes",
        ),
        (
            "        labels = {",
            f'        annotations = {{ "{ANNOTATION}/x" = "unconfined" }}\n        labels = {{',
            "annotation-container",
        ),
        ('"cpu"    = "250m"', '"smarter-devices/fuse" = "1"', "device-missing"),
        ("limits = {", f"limits = {{\n {FUSE}", "device-not-in-requests"),
        ("limits = {", 'limits = {\n "smarter-device/fuse" = "1"', "device-misspelled"),
        ("limits = {", 'limits = {\n "github.com/fuse" = "1"', "device-other-plugin"),
        ("limits = {", 'limits = {\n "smarter-devices/fuse" = "0"', "device-count"),
    ],
)
def test_a_check_finds(old: str, new: str, id: str) -> None:
    assert old in STARTER
    problems = {problem.id: problem for problem in check_template(module_of(STARTER.replace(old, new, 1)))}
    assert id in problems
    assert problems[id].line > 0
    if id != "image-without-podman":
        assert id not in ids(STARTER) or id == "device-missing"


def test_a_check_of_a_merged_template_has_no_problem() -> None:
    merged = merge(STARTER, "device", "apparmor").document.content
    problems = check_template(module_of(merged), ("device", "apparmor"))
    assert [problem.id for problem in problems if problem.severity == "problem"] == []
    missing = check_template(module_of(merged), ("seccomp",))
    assert "seccomp-missing" in [problem.id for problem in missing]
