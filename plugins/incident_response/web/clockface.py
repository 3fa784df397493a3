"""Times for people: relative, with the exact time and its zone on hover and for screen readers.

What is rendered here goes stale by itself; static/clock.js renews it every second from the same attributes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup


class Clockface:
    """Renders moments as they look from `now`, in `zone` (IANA)."""

    def __init__(self, now: datetime, zone: str) -> None:
        self.now, self.zone = now, zone
        self._zone = ZoneInfo(zone)

    def exact(self, moment: datetime) -> str:
        """`15 Jan 2026 04:04:05 Europe/Stockholm`."""
        local = moment.astimezone(self._zone)
        return f"{local.day} {local:%b %Y %H:%M:%S} {self.zone}"

    def at(self, moment: datetime) -> Markup:
        """The time of day; with the date when it was another day."""
        local, today = moment.astimezone(self._zone), self.now.astimezone(self._zone).date()
        shown = f"{local:%H:%M:%S}" if local.date() == today else f"{local.day} {local:%b %H:%M}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment.isoformat(), self.exact(moment), shown
        )

    def age(self, moment: datetime) -> Markup:
        """How long ago: `11 min`."""
        return Markup(
            '<time data-age datetime="{}" title="{}">{}<span class="sr">, since {}</span></time>'
        ).format(moment.isoformat(), self.exact(moment), length(self.now - moment), self.exact(moment))

    def left(self, due: datetime) -> Markup:
        """How much time is left: `3:12`, or `3:12 late`."""
        late = due < self.now
        return Markup(
            '<time data-due datetime="{}" title="{}"{}>{}<span class="sr">, due {}</span></time>'
        ).format(
            due.isoformat(),
            self.exact(due),
            Markup(' class="late"') if late else "",
            countdown(due - self.now),
            self.exact(due),
        )

    def bar(self, start: datetime | None, due: datetime) -> Markup:
        """How much of the time from `start` to `due` is used up. Says nothing that `left` does not say."""
        if start is None or start >= due:
            return Markup("")
        used = min(max((self.now - start) / (due - start), 0.0), 1.0)
        return Markup(
            '<progress aria-hidden="true" data-from="{}" data-due="{}" max="1" value="{:.3f}"{}></progress>'
        ).format(start.isoformat(), due.isoformat(), used, Markup(' class="late"') if due < self.now else "")


def length(span: timedelta) -> str:
    """A rough length: `40 s`, `11 min`, `3 h 05 min`, `4 days`."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{seconds // 86400} days"


def countdown(left: timedelta) -> str:
    """`3:12` below an hour, `2 h 05 min` below two days; with `late` when it is past."""
    seconds = int(abs(left.total_seconds()))
    text = f"{seconds // 60}:{seconds % 60:02}" if seconds < 3600 else length(abs(left))
    return f"{text} late" if left < timedelta() else text


def lateness(span: timedelta) -> str:
    """Precise enough to judge the clock: `0.8 s`, `14 s`, `3 min`."""
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else length(span)
