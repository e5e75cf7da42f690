"""Accounts: passwords, sessions, one-time links and the brake on guessing.

May import `engine.tables` (for the system tables), `engine.storage` and below. Everything lives in
the company's own database, so several processes share it and a revocation holds at once.
"""
