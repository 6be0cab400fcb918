"""The demonstration: an example incident with its people, and a local mailbox."""
