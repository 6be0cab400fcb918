"""Four eyes: what one person asks for and another one approves, bound to exactly what was shown."""
