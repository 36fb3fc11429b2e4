"""Pictures in the terminal: what was written is decoded back to pixels."""

import base64
import io
import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artsim.cli import previews
from artsim.report import TerminalProtocol, beside, encode


def flag(width=9, height=8):
    """Red above, green below, a blue corner: colors that sixel's per cents hold exactly."""
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    picture.paste((0, 255, 0), (0, height // 2, width, height))
    picture.paste((0, 0, 255), (0, 0, 1, 1))
    return picture


def read_sixel(text):
    """Read sixels the plain way, sixel by sixel."""
    assert text.startswith("\x1bP")
    assert text.endswith("\x1b\\")
    width, height = map(int, re.search(r'"1;1;(\d+);(\d+)', text).groups())
    body = text[text.index('"') :].split(";", 3)[3].lstrip("0123456789").removesuffix("\x1b\\")
    pixels = np.full((height + 6, width, 3), 7, dtype=np.uint8)
    colors, color, x, y = {}, None, 0, 0
    tokens = re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])", body)
    for code, red, green, blue, select, count, repeated, move, one in tokens:
        if code:
            colors[code] = [round(int(each) * 2.55) for each in (red, green, blue)]
        elif select:
            color = colors[select]
        elif move:
            x, y = 0, y + 6 * (move == "-")
        else:
            bits = ord(repeated or one) - 63
            end = x + int(count or 1)
            for row in range(6):
                if bits >> row & 1:
                    pixels[y + row, x:end] = color
            x = end
    return pixels[:height]


def read_kitty(text):
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in chunks) == text
    assert [keys[-3:] for keys, _ in chunks] == ["m=1"] * (len(chunks) - 1) + ["m=0"] or len(
        chunks
    ) == 1
    assert "a=T,f=100,C=1,q=2" in chunks[0][0]
    assert all(len(data) <= 4096 for _, data in chunks)
    return Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks))))


def test_sixels_decode_to_the_picture():
    assert np.array_equal(read_sixel(encode(flag(), TerminalProtocol.SIXEL)), np.asarray(flag()))


@given(st.integers(1, 40), st.integers(1, 20))
def test_sixels_of_any_size_decode_to_the_picture(width, height):
    assert np.array_equal(
        read_sixel(encode(flag(width, height), TerminalProtocol.SIXEL)),
        np.asarray(flag(width, height)),
    )


def test_sixels_of_many_colors_approximate_the_picture():
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    read = read_sixel(encode(Image.fromarray(ramp), TerminalProtocol.SIXEL))
    assert np.abs(read.astype(int) - ramp).mean() < 6


def test_kitty_is_sent_the_picture_in_chunks():
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for picture in (flag(), Image.fromarray(noise)):
        assert np.array_equal(
            np.asarray(read_kitty(encode(picture, TerminalProtocol.KITTY))), np.asarray(picture)
        )


def test_iterm_is_sent_the_picture_with_its_size():
    text = encode(flag(), TerminalProtocol.ITERM)
    keys, data = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", text).groups()
    png = base64.b64decode(data)
    assert keys == f"size={len(png)};width=9px;height=8px;inline=1"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(flag()))


def test_text_is_on_the_right_and_the_cursor_ends_below():
    assert beside("<P>", ["one", "two"], columns=4, rows=3) == (
        "    one\n    two\n    \n\x1b[3A\r\x1b7<P>\x1b8\x1b[3B\r"
    )
    assert beside("", ["one"], columns=2, rows=1) == "  one\n"


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color"}, None),
        ({"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, None),
        ({"KITTY_WINDOW_ID": "1", "TERM": "screen-256color"}, None),
    ],
)
def test_terminals_are_recognized_by_their_environment(environment, protocol):
    assert previews._named(environment) == protocol


def test_the_requested_protocol_is_used_and_a_pipe_gets_no_pictures():
    assert previews.find_protocol("none") is None
    assert previews.find_protocol("sixel") == TerminalProtocol.SIXEL
    assert previews.find_protocol("auto") is None


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals on this system")
@pytest.mark.parametrize(
    ("answer", "sixel"),
    [(b"\x1b[?62;4;22c", True), (b"\x1b[?64;22c", False), (b"\x1b[?1;44c", False), (b"", False)],
)
def test_a_terminal_is_queried_for_sixel_support(monkeypatch, answer, sixel):
    for name in ("TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TERM"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = os.openpty()

    class Terminal(io.StringIO):
        """Answers whatever is written to it; it is both the keyboard and the screen."""

        def write(self, text):
            os.write(ours, answer)
            return super().write(text)

        def isatty(self):
            return True

        def fileno(self):
            return theirs

    terminal = Terminal()
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stdout", terminal)
    try:
        assert previews.find_protocol("auto") == (TerminalProtocol.SIXEL if sixel else None)
    finally:
        os.close(ours)
        os.close(theirs)
    assert terminal.getvalue() == "\x1b[c"


def test_a_match_is_printed_next_to_its_picture(tmp_path, paint, capsys):
    file = paint(tmp_path / "a.png", (255, 0, 0), (10, 20))
    pictures = [
        (str(file), ["1 · 0.500", "x", "A\x1b[2J"]),
        ("https://x.org/y.jpg", ["2 · 0.400", "y"]),
    ]
    previews.print_previews(pictures, TerminalProtocol.KITTY)
    printed = capsys.readouterr().out
    assert read_kitty(re.search(r"\x1b_G.*\x1b\\", printed, re.DOTALL)[0]).size == (50, 100)
    assert "1 · 0.500\n" in printed
    assert "A[2J\n" in printed
    assert "\x1b[2J" not in printed
    assert "y\n" in printed
