"""The one plan: what would be done, why it may not be, and what follows from one reading of the cluster."""
