"""Status updates by e-mail: asked for, confirmed, and left with one press."""
