"""The shared floor: what every feature stands on, and no feature itself."""
