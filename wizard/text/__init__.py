"""Text for people: numbers with nouns, escapes for terminals, and secrets that are hidden."""
