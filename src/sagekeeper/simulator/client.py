"""The control routes of a running simulated account, as a Python object."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sagekeeper.core.errors import BadInput, SourceUnavailable


class Simulator:
    """Talks to ``url``/sagekeeper/... Raises SourceUnavailable when nobody answers there."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def health(self) -> dict[str, Any]:
        """``ready``, ``stage``, ``fraction``, ``now``."""
        return dict(self._ask("health"))

    def wait_ready(self, timeout_s: float = 120.0, progress: Callable[[str, float], None] = lambda *_: None) -> None:
        """Until the world is built."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                state = self.health()
                progress(state["stage"], state["fraction"])
                if state["ready"]:
                    return
            except SourceUnavailable:
                pass
            time.sleep(0.1)
        raise SourceUnavailable(f"The simulated account at {self.url} was not ready within {timeout_s:.0f} s.")

    def now(self) -> datetime:
        """The simulated time."""
        return datetime.fromisoformat(self._ask("clock")["now"])

    def advance_until(self, moment: datetime) -> datetime:
        """Jump forward to a simulated time."""
        return datetime.fromisoformat(self._ask("advance", {"until": moment.isoformat()})["now"])

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> datetime:
        """Jump forward in simulated time."""
        return datetime.fromisoformat(self._ask("advance", {"days": days, "hours": hours, "seconds": seconds})["now"])

    def journal(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Mutating calls that came from outside and were accepted, in order."""
        asked = f"journal?since={urllib.parse.quote(since.isoformat())}" if since else "journal"
        return list(self._ask(asked))

    def set_fault(self, endpoint: str, fault: str | None) -> None:
        """``errors`` or ``latency`` at once, or with ``_after_update`` from the endpoint's next update on; None ends it."""
        self._ask("faults", {"endpoint": endpoint, "fault": fault})

    def throttle(self, service: str, operation: str, calls: int = 1) -> None:
        """Refuse the next ``calls`` of an operation as AWS refuses who asks too often; 0 ends it."""
        self._ask("throttle", {"service": service, "operation": operation, "calls": calls})

    def incident(self, kind: str, subject: str = "", **more: Any) -> dict[str, Any]:
        """Let something go wrong (`worlds.incidents`); the truth about it."""
        return dict(self._ask("incidents", {"kind": kind, "subject": subject} | more))

    def set_hosting(self, what: str, **given: Any) -> None:
        """``traffic`` of an endpoint, ``quota`` or ``capacity`` of an instance type, ``maintenance`` (`hosting_control`)."""
        self._ask("hosting", {"set": what} | given)

    def set_explorer(self, **given: bool) -> None:
        """Cost Explorer's opt-ins of the organisation: ``hourly``, ``resources``, ``multi_year``."""
        self._ask("explorer", dict(given))

    def set_commercial(self, **terms: Any) -> None:
        """Add ``credits``, ``refunds``, ``corrections``, ``discounts``; set ``tax_rate`` (`commercial_control`)."""
        self._ask("commercial", dict(terms))

    def commercial(self) -> dict[str, Any]:
        """The organisation's commercial terms."""
        return dict(self._ask("commercial"))

    def truth(self) -> list[dict[str, Any]]:
        """Every incident so far: kind, subject, start, money."""
        return list(self._ask("truth"))

    def _ask(self, route: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            # Months may have to pass before the answer comes.
            with urllib.request.urlopen(f"{self.url}/sagekeeper/{route}", data=data, timeout=600) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            if refused.code != HTTPStatus.BAD_REQUEST:
                raise SourceUnavailable(f"The simulated account at {self.url} answered {refused.code}.") from refused
            raise BadInput(json.load(refused)["error"]) from refused
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise SourceUnavailable(
                f"No simulated account answers at {self.url}: {error}. Start it with: sagekeeper simulate serve"
            ) from error
