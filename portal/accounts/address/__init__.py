"""Change the address of an account of the builtin store, undo that, and remember its past addresses."""
