"""Personnel: who belongs to the company, in which department, with which roles; and who looks.

`rules` says who may manage whom. `users`, `intake` and `departments` change people and places and
write every change into the security log; `logs` reads that log and the one of sensitive fields.
"""
