"""The one error family a caller can act on."""


class ColorlibError(Exception):
    """Something in the input was wrong: says what, where, and what to do about it."""
