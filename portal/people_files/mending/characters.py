"""Characters that nobody sees and programs add: which are taken off, from names and from other cells."""

BLANKS = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F)
UNSEEN = (
    0xAD, 0x180E, 0x200B, *range(0x2060, 0x2065), *range(0x202A, 0x202F), *range(0x2066, 0x2070), 0xFEFF,
)  # fmt: skip
# Part of names in some scripts, and of no address or reference.
JOINERS = (0x200C, 0x200D, 0x200E, 0x200F, 0x061C)
CLEAN_NAME: dict[int, str | None] = dict.fromkeys(BLANKS, " ") | dict.fromkeys(UNSEEN)
CLEAN: dict[int, str | None] = CLEAN_NAME | dict.fromkeys(JOINERS)
INVISIBLE = "invisible characters or no-break spaces taken off"
