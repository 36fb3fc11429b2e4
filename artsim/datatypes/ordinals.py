"""Numbers as places in an order."""

_HIGHEST = 99.995  # a percentile that two decimals would call 100


def ordinal(number: int) -> str:
    """Write a number as a place: 1st, 12th, 103rd."""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def percentile(value: float) -> str:
    """Write a percentile as the page does, with two decimals; the highest is not 100."""
    return ">99.99" if value >= _HIGHEST else f"{value:.2f}"
