"""Nodes: which qualify, which are selected, their systems, taints, and managed pools."""
