"""The steps of the wizard: a module a step, and its views."""
