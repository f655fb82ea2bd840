"""What was done, what was about to be done, and where both are kept."""
