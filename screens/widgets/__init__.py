"""Widgets that all steps use."""
