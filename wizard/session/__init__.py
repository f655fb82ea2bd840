"""One user's way through the steps, and the unattended run."""
