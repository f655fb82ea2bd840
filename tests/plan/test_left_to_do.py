"""What is left to do by hand, after a plan and after its rollout."""

from __future__ import annotations

from wizard.plan.left_to_do import after_rollout, for_coder_v2, left_to_do, steps_left


def test_nodes_that_were_seen_to_advertise_fuse_are_not_left_to_check() -> None:
    before = left_to_do(None)
    assert "Check that the nodes advertise" in before[1]
    after = after_rollout(before)
    assert after == tuple(text for _, text in steps_left(None, offers=True))
    assert len(after) == len(before) - 1
    assert not any("advertise" in step for step in after)


def test_no_image_is_imported_into_coder_v2() -> None:
    assert any("import the image" in step for step in left_to_do(None))
    assert not any("import the image" in step for step in left_to_do(None, v2=True))
    assert for_coder_v2(left_to_do(None)) == left_to_do(None, v2=True)
