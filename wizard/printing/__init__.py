"""Plans, events, and results as lines on standard output."""
