"""A headless Chromium, driven through its DevTools protocol: go to a page, wait for words, click, take a picture."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# The smallest visible element whose own words are these, or begin so.
FIND = """
(wanted => {
  const fits = element => {
    const words = element.innerText?.trim() ?? "";
    const box = element.getBoundingClientRect();
    return (words === wanted || words.startsWith(wanted)) && box.width > 0 && box.height > 0;
  };
  const found = [...document.querySelectorAll("button, a, [role], span, div, label")].filter(fits);
  const size = element => 1000 * element.innerText.length + element.querySelectorAll("*").length;
  found.sort((a, b) => size(a) - size(b));
  if (!found.length) return null;
  found[0].scrollIntoView({block: "center"});
  const box = found[0].getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
})(%s)
"""


class Browser:
    """One page of a browser; pictures go to the folder in ARGN_SCREENSHOTS, if it is set."""

    def __init__(self, socket: ClientConnection):
        self._socket, self._ids, self._pictures = socket, count(1), count(1)

    def say(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol; return its answer."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def evaluate(self, script: str) -> Any:
        """Return the value of a script in the page."""
        return self.say("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def go(self, url: str) -> None:
        """Open an address."""
        self.say("Page.navigate", url=url)
        time.sleep(1)

    def text(self) -> str:
        """Return all words of the page, as a person sees them."""
        return str(self.evaluate("document.body?.innerText ?? ''"))

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """Wait until all of these are on the page; return its text."""
        end = time.monotonic() + seconds
        while missing := [word for word in words if word not in self.text()]:
            assert time.monotonic() < end, f"{missing} not on the page:\n{self.text()}"
            time.sleep(0.5)
        return self.text()

    def click(self, words: str, seconds: float = 30) -> None:
        """Click what carries these words, as soon as it is there."""
        end = time.monotonic() + seconds
        while (place := self.evaluate(FIND % json.dumps(words))) is None:
            assert time.monotonic() < end, f"nothing says {words!r}:\n{self.text()}"
            time.sleep(0.5)
        at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.say("Input.dispatchMouseEvent", type=kind, **at)
        time.sleep(1)

    def type(self, words: str) -> None:
        """Type into what has the focus."""
        self.say("Input.insertText", text=words)

    def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        folder = os.environ.get("ARGN_SCREENSHOTS")
        number = next(self._pictures)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            content = base64.b64decode(self.say("Page.captureScreenshot")["data"])
            (Path(folder) / f"{number:02}_{name}.png").write_bytes(content)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start a browser whose profile lies in `folder`; close it afterwards."""
    assert PROGRAM is not None
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,1200", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [PROGRAM, *words, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(folder / "DevToolsActivePort")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=30) as answer:
            (page,) = [it for it in json.loads(answer.read()) if it["type"] == "page"]
        with connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port(file: Path) -> str:
    end = time.monotonic() + 60
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < end, "the browser did not start"
        time.sleep(0.2)
    return file.read_text().splitlines()[0]
