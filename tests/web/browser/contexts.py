"""Browser contexts that are used again: a new one costs a process, and reads every script and picture anew."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from stand import PATIENCE_MS

TIMES = 6
"""A context is lent, so that what closed pages leave in its process does not grow for ever."""


class Contexts:
    """Those of one browser, by their options. Given out again, one has no page, no cookie and nothing stored of a site;
    only what the browser keeps of files that were sent is still there."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._free: dict[str, list[Any]] = defaultdict(list)
        self._lent: dict[Any, tuple[str, str]] = {}
        self._times: dict[Any, int] = defaultdict(int)
        self._first: dict[Any, Any] = {}

    def __enter__(self) -> Contexts:
        return self

    def __exit__(self, *_: object) -> None:
        for context in self._first:
            context.close()

    def lend(self, url: str, options: dict[str, Any]) -> Any:
        """A context for pages of the site at ``url``."""
        kind = json.dumps(options, sort_keys=True)
        context = self._free[kind].pop() if self._free[kind] else self._new(options)
        self._lent[context] = kind, url
        return context

    def _new(self, options: dict[str, Any]) -> Any:
        context = self._browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        self._first[context] = context.new_page()  # its process stays while there is a page
        return context

    def take_back(self, context: Any) -> None:
        """Close its pages, and forget what they stored."""
        kind, url = self._lent.pop(context)
        self._times[context] += 1
        if self._times[context] == TIMES:
            del self._first[context], self._times[context]
            context.close()
            return
        first = self._first[context]
        for page in context.pages:
            if page is not first:
                page.close()
        context.clear_cookies()
        session = context.new_cdp_session(first)
        session.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
        session.detach()
        self._free[kind].append(context)
