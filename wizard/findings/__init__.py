"""Rules: each turns facts into one finding."""
