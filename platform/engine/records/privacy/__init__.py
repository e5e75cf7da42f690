"""What is held about a human being: a report for him, and its erasure."""
