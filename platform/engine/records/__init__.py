"""Records: the one door for every read and every write.

Joins definitions, expressions, fields, tables, validation, access, lists and workflow; knows
nothing of the web. Every use case is a function whose first argument is a `Unit`: one
transaction, one actor, one clock, one published version.

reading (read, find, count, total) · writing (create, change) · removing (remove, restore) ·
bulk (create_many) · flows (fire, decide, my_tasks) · history · effects (outlook) · lookups ·
related · files · drafts · saved_views · people · publish · company (Company)
"""
