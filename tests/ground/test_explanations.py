from __future__ import annotations

import pytest

from wizard.coder import EXPLAINED
from wizard.errors import UsageError
from wizard.explanations import explain, ids
from wizard.findings.prerequisites import RULES
from wizard.findings.security_modules import EXPLAINED as MODULES_EXPLAINED
from wizard.findings.verification import EXPLAINED as VERIFY_EXPLAINED
from wizard.manifest import ADJUSTMENT_IDS


def test_every_id_of_a_rule_and_an_adjustment_has_a_text_and_no_text_is_left_over() -> None:
    known = [rule.id for rule in RULES] + list(MODULES_EXPLAINED) + list(ADJUSTMENT_IDS) + list(EXPLAINED)
    known += list(VERIFY_EXPLAINED)
    assert len(known) == len(set(known))
    assert sorted(ids()) == sorted(known)


def test_a_text_says_something() -> None:
    assert all(len(explain(name)) > 150 for name in ids())
    assert "50 pods" in explain("quota.daemonset-pods")


def test_the_apparmor_profile_is_printed_with_all_that_podman_needs() -> None:
    text = explain("modules.apparmor-profile")
    profile = text.partition("```\n")[2]
    assert all(f"\n  {rule},\n" in profile for rule in ("mount", "umount", "pivot_root"))
    assert "abi <abi/3.0>," in profile and "userns," not in profile and "deny mount" not in profile
    assert profile.endswith("}\n```\n")


def test_the_group_of_a_finding_does_not_matter() -> None:
    assert explain("modules.apparmor@ubuntu-22.04_5.15_containerd-1.7") == explain("modules.apparmor")


@pytest.mark.parametrize(
    ("name", "near"), [("quota.daemonset-pod", "quota.daemonset-pods"), ("apparmor", "modules.apparmor")]
)
def test_an_unknown_id_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=r"No finding or adjustment has the ID") as refused:
        explain(name)
    assert near in refused.value.todo


def test_nonsense_is_refused_with_the_way_to_the_list() -> None:
    with pytest.raises(UsageError) as refused:
        explain("zzzzzzzz")
    assert "To list all IDs" in refused.value.todo
