"""The way back for somebody who lost every factor: two mailed confirmations, a day apart."""
