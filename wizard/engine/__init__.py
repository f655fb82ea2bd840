"""Looks at the cluster, carries out a plan, and looks again: the same for every door."""
