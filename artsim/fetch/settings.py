"""How pictures are fetched: how many at once, how patiently, how large, from where."""

from __future__ import annotations

from dataclasses import dataclass

from artsim import __version__
from artsim.errors import FetchError
from artsim.images import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """Limits of a run: for servers and for this machine."""

    concurrency: int = 16  # requests at once, and pictures held in memory
    per_host: int = 4  # requests at once to one host
    delay_s: float = 0.05  # between the starts of two requests to one host: at most 20 a second
    timeout_s: float = 60.0  # for one answer, whole
    silence_s: float = 20.0  # without a byte, or until a connection stands
    retries: int = 4  # after 408, 425, 429, 5xx, timeouts and broken connections
    backoff_s: float = 1.0  # before the first retry; doubles each time, less up to half at random
    max_backoff_s: float = 60.0
    max_wait_s: float = 600.0  # a host that demands a longer pause is left for another run
    give_up_after: int = 20  # pictures in a row that failed for the host's sake: it is left too
    max_redirects: int = 5
    max_bytes: int = 64 * 2**20  # of a picture
    max_pixels: int = MAX_PIXELS
    check: bool = True  # that it is a picture; False: it is decoded when it is used
    allow_private: bool = False  # fetch from this machine and its own network too
    robots: bool = True  # request what the server's robots.txt allows, at its pace
    contact: str | None = None  # an address of the user's, for those who run the server
    seed: int = 0  # of what is random in the pauses

    def __post_init__(self) -> None:
        """Refuse a contact that is no part of one header line."""
        if self.contact is not None and not (
            self.contact.isascii() and self.contact.isprintable() and self.contact.strip("() ")
        ):
            raise FetchError(
                f"the contact {self.contact!r} cannot be sent; give an e-mail or web address in "
                "plain letters"
            )

    @property
    def user_agent(self) -> str:
        """The user agent: the program, and whom to write to."""
        return f"artsim/{__version__}" + (f" ({self.contact})" if self.contact else "")


DEFAULTS: FetchSettings = FetchSettings()
