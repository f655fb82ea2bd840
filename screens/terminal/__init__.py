"""The terminal itself: its requirements, its background, and who has it."""
