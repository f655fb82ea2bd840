"""The user's choices, and which cluster they are for."""
