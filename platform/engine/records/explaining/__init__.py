"""Why somebody may or may not do something, what would change that, and who gains or loses what
when definitions are published.

The judging itself is pure (`engine.access.explain`); here stands what needs the database: people,
records, shares, running cases, and counting. `explain` answers, `words` says it; what a publish
changes is told by `difference.permission_diff`.
"""
