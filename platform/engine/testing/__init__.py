"""What authors of packs and plugins test with: a real company, alive for the length of a test.

Top of the engine: may import everything below it, and nothing imports it but tests.
"""

from engine.testing.company import acting, temporary_company

__all__ = ["acting", "temporary_company"]
