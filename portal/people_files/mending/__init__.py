"""Mend the cells of a row that a person would read without a thought, and say what was mended.

An odd locale, an invisible character or a placeholder costs nobody the notice: the field is mended or left
empty. What rejects a row is an address that is none or may be another person's, and an unknown data class,
because the answer would say too little.
"""
