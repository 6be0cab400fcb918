"""What every page shares: the frame, limits and forms."""
