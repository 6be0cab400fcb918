"""What every page shares: frame, errors, limits, Markdown and forms."""
