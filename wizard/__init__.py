"""The parts of podman-wizard that need no terminal: facts, findings, choices, plan, events."""

__version__ = "0.2.0"
