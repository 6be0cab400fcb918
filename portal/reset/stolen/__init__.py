"""Passwords on lists of stolen ones: the commands, the judgement, and a second look at the sign-in."""
