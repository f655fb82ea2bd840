"""Runs podman-wizard as ``python -m wizard``."""

from wizard.cli import entry

entry()
