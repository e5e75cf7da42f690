"""Workflows tried out before they are published: walks with a fake clock, replays of the past."""
