"""Running cases under the eyes of an administrator: what runs, where, and how to move it."""
