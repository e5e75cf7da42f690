"""Records: the one door for every read and every write.

Joins definitions, expressions, fields, tables, validation, access, lists and workflow; knows
nothing of the web. Every use case is a function whose first argument is a `Unit`: one
transaction, one actor, one clock, one published version.

reading (read, find, count, total) · writing (create, change) · removing (remove, restore) ·
bulk (create_many) · history · effects (outlook) · lookups · related · files · drafts ·
saved_views · people · delegation · publish · company (Company)

Packages: flows (steps of workflows: fire, decide, inbox, timers) · administration (running cases,
versions, migrations) · outbox (what follows from a commit) · notices (telling people) ·
simulation (walks and replays) · handover (of somebody who leaves)
"""
