"""All of podman-wizard that works without a terminal: facts, findings, choices, plan, events."""

__version__ = "0.1.0"
