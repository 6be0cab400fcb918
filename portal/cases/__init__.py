"""The way back for somebody who cannot reach their inbox: a case that two of the company's people decide."""
