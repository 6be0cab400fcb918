"""Import an affected list: read, validate, seal, sort, merge, and store it as an inactive version."""

from portal.exposure.importing.leftovers import clear
from portal.exposure.importing.lock import ImportRunning, import_lock
from portal.exposure.importing.reading import Source, Summary
from portal.exposure.importing.run import ImportUndecided, import_list

__all__ = ("ImportRunning", "ImportUndecided", "Source", "Summary", "clear", "import_list", "import_lock")
