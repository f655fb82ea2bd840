"""``images``: every image that the wizard's pods pull, for clusters without access to public registries."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from wizard.choices.answers import Answers
from wizard.commands.choosing import answers_given, choices_of
from wizard.errors import ExitCode, UsageError
from wizard.printing.lines import document, out
from wizard.text.columns import columns

HELLO = "quay.io/podman/hello"
"""The image that Podman runs in a test pod (assets/verify/podman.sh)."""


@dataclass(frozen=True)
class _Image:
    image: str
    used_by: str
    option: str
    """The option with which another image is used; {} stands for it, "" if there is none."""


def images(arguments: argparse.Namespace) -> int:
    """Runs ``images``; ``--mirror`` prints the names there, and the commands that copy and use them."""
    with choices_of(arguments):
        found = _images(answers_given(arguments))
    mirror = (arguments.mirror or "").rstrip("/")
    if arguments.mirror is not None and not _is_registry(mirror):
        raise UsageError(f"{arguments.mirror!r} is not a registry.", "Example: --mirror registry.example.org/mirror")
    rows = [{**vars(one), "mirror": _mirrored(one.image, mirror) if mirror else ""} for one in found]
    if arguments.output == "json":
        document("images", {"images": rows})
        return ExitCode.DONE
    if not mirror:
        for line in columns([("IMAGE", "PULLED BY"), *((one.image, one.used_by) for one in found)]):
            out(line)
        return ExitCode.DONE
    for one, row in zip(found, rows, strict=True):
        out(f"# {one.used_by}")
        out(f"skopeo copy --all docker://{one.image} docker://{row['mirror']}")
        if one.option:
            out(f"# to use it: {one.option.format(row['mirror'])}")
    return ExitCode.DONE


def _images(answers: Answers) -> list[_Image]:
    from wizard.findings.security_modules import PROBE_IMAGE
    from wizard.plan.derive import NO_CLUSTER
    from wizard.plan.judgement import Judgement, Reading

    rendering = Judgement(Reading.of(NO_CLUSTER), answers).rendering
    daemon_set = next(one for one in rendering.objects if one["kind"] == "DaemonSet")
    managers = [one["image"] for one in daemon_set["spec"]["template"]["spec"]["containers"]]
    apply = "podman-wizard manifest apply --set image={}"
    test = _Image(answers.verify.image, "the test pods (verify)", "podman-wizard verify --image {}")
    probe = _Image(PROBE_IMAGE, "the probe pods (check --probe)", "")
    if test.image == probe.image:
        test = replace(test, used_by="the probe pods (check --probe) and the test pods (verify)")
    return [
        *(_Image(image, "the device manager (manifest apply)", apply) for image in managers),
        *([probe] if test.image != probe.image else []),
        test,
        _Image(HELLO, "Podman in the test pods (verify); without it, the check pull fails", ""),
    ]


def _is_registry(text: str) -> bool:
    from wizard.manifest.values import is_image

    return is_image(f"{text}/x") and ("." in text.partition("/")[0] or ":" in text or text.startswith("localhost"))


def _mirrored(image: str, mirror: str) -> str:
    """Returns the name of an image in a mirror: the registry's name gives way to the mirror's."""
    host, _, rest = image.partition("/")
    return f"{mirror}/{rest if '.' in host or ':' in host else image}"
