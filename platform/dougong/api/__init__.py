"""The JSON API: the same use cases as the pages, in wire form."""

from flask import Flask

from dougong.api import cases, explain, ownership, records, tasks


def init_api(app: Flask) -> None:
    """Serve the API."""
    app.register_blueprint(cases.blueprint)
    app.register_blueprint(explain.blueprint)
    app.register_blueprint(ownership.blueprint)
    app.register_blueprint(records.blueprint)
    app.register_blueprint(tasks.blueprint)


__all__ = ["init_api"]
