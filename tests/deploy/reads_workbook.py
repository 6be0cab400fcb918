"""Read a workbook as the console does: from a file in memory, in a child with limits. Prints what it said.

`python -m tests.deploy.reads_workbook FILE MEGABYTES`
"""

import os
import sys
from pathlib import Path
from typing import IO, cast

from portal.people_files.formats.workbook import Limits, end_child, start_child

descriptor = os.memfd_create("workbook", os.MFD_CLOEXEC)
os.write(descriptor, Path(sys.argv[1]).read_bytes())
limits = Limits(int(sys.argv[2]) << 20, 9_999_999)
child = start_child(f"/proc/self/fd/{descriptor}", "", limits, (descriptor,))
said = cast("IO[bytes]", child.stdout).read().decode()
sys.stdout.write(f"{said} {child.wait()}\n")
end_child(child)
