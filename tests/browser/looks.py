"""What can be told of a page without a person who looks at it: heading, width, contrast, labels, keyboard.

`faults(page)` runs looks.js in the browser on the page as it stands, in whatever size and scheme it is.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
_LOOKS = Path(__file__).with_name("looks.js").read_text()


def faults(page: "Page") -> list[str]:
    """Everything that is wrong with the page as it stands, in words."""
    return [str(f) for f in page.evaluate(f"{_LOOKS.rstrip()}.faults()")]


def ringless(page: "Page") -> list[str]:
    """What does not show that it has the focus. Presses Tab once: rings are for who uses the keyboard."""
    page.keyboard.press("Tab")
    return [str(f) for f in page.evaluate(f"{_LOOKS.rstrip()}.ringless()")]
