"""Numbers as places in an order."""

_HIGHEST = 99.995  # a percentile that four digits would call 100


def ordinal(number: int) -> str:
    """Write a number as a place: 1st, 12th, 103rd."""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def percentile(value: float) -> str:
    """Write a percentile as the page does: 91st, 46.3th, 99.98th; the highest is not the 100th."""
    if value >= _HIGHEST:
        return ">99.99th"
    text = f"{value:.4g}"
    return ordinal(int(text)) if text.isdecimal() else f"{text}th"
