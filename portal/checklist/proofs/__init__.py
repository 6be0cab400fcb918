"""Files that prove an item of a checklist: sealed as they come, kept and opened by the worker."""
