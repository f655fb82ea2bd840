"""The screens of podman-wizard: they show facts and findings, collect choices, and show progress."""
