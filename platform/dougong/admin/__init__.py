"""The operator's back office: flask-admin over the company's system tables.

System tables only — business records have one door, and it is not here. Reading goes through the
company's own connection, changing through the same services as everywhere else; login, CSRF and
headers are the application's.
"""

from dougong.admin.office import init_admin

__all__ = ["init_admin"]
