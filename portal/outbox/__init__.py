"""The only way e-mail leaves: enqueue, compose, deliver."""
