"""The staff's console: an application of its own, at its own address, with its own user and keys."""
