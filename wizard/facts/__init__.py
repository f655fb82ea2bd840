"""What was read: nodes, objects, the owners of their fields, and the differences between two objects."""
