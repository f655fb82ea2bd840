"""Data that ships with podman-wizard: manifests, policies, styles, the sandbox's scenarios."""
