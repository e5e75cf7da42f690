"""The metadata engine: everything that is true without a web request.

Law of the house: imports flow downward only (see ``.importlinter``); nothing here imports Flask.
"""
