"""What a company does after a breach, per incident: who does it, until when, and the proof."""
