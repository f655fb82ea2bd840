"""What the commands do, a module each: it reads its options, runs the same coroutines as the screens, and prints."""
