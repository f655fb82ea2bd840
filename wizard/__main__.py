"""``python -m wizard``."""

from wizard.cli import entry

entry()
