"""HttpHealthDetector: services that are down or slow, and certificates that end; all asked at once."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.clients.http_access import authorization_of
from incident_response.clients.http_failures import REFUSES
from incident_response.clients.http_probe import Answer, Probe
from incident_response.clients.tls_certificate import context
from incident_response.domain.errors import NotConfigured
from incident_response.domain.grounds import EVIDENCE, Ground
from incident_response.domain.signals import Signal
from incident_response.domain.times import in_words
from incident_response.sources.http_health import HttpHealthSource, HttpTarget

from .base import Look, SourceDetector
from .http_streaks import Streak
from .parallel import settle

_SHARE = 0.9  # of the time limit: then a target that is still silent has not answered


class HttpHealthDetector(SourceDetector[HttpHealthSource]):
    """Asks many services by HTTP, each in a thread of its own, so that a silent one delays none."""

    kind = "http_health"

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """All that is wrong now; not to answer is a finding, too. Raises NotConfigured."""
        answers = self._ask_all(now)
        before: Mapping[str, Any] = memory.get("targets", {})
        firing: list[Signal] = []
        kept: dict[str, Any] = {}
        for target, answer in zip(self.source.targets, answers, strict=True):
            key = f"{target.service} {target.label}"
            known = before.get(key, {})
            down = Streak.read(known.get("down"))
            slow = Streak.read(known.get("slow"))
            if not answer.expired:  # else nobody knows whether it is well
                down = self._down(down, target, answer, now)
            if not answer.problem:  # how long a refusal takes says nothing
                slow = self._slow(slow, target, answer, now)
            end = answer.certificate_end.isoformat() if answer.certificate_end else known.get("ends")
            firing += self._health(target, down, slow)
            firing += self._certificate(target, end, now)
            kept[key] = {"down": down.kept(), "slow": slow.kept(), "ends": end}
        return Look(tuple(firing), True, {"targets": kept})

    def _ask_all(self, now: datetime) -> list[Answer]:
        trust = self._trust()
        probes = [
            Probe(
                target,
                trust[target.verify, target.ca],
                self._headers(target),
                self.source.patience(target) / timedelta(seconds=1),
                now,
            )
            for target in self.source.targets
        ]
        limit = self.seconds * _SHARE
        jobs = {number: probe.run for number, probe in enumerate(probes)}
        said = settle(jobs, threads=len(jobs), seconds=limit)
        for number in jobs.keys() - said.keys():
            probes[number].stop()
        silent = Answer(f"gives no complete answer within {limit:.1f} s")
        return [said.get(number, silent) for number in jobs]

    def _trust(self) -> dict[tuple[bool, str | None], ssl.SSLContext]:
        """One context for each way to verify: making one takes longer than asking."""
        made: dict[tuple[bool, str | None], ssl.SSLContext] = {}
        for verify, authority in {(target.verify, target.ca) for target in self.source.targets}:
            try:
                made[verify, authority] = context(verify=verify, authority=authority)
            except OSError as error:
                raise NotConfigured(
                    f"{self.name}: the certificate authority {authority} cannot be read "
                    f"({error.strerror or error}); it must exist where the triggerer runs"
                ) from None
        return made

    def _headers(self, target: HttpTarget) -> dict[str, str]:
        if target.conn_id is None:
            return {}
        return authorization_of(self.connection(target.conn_id), self.name, target.conn_id)

    @staticmethod
    def _down(streak: Streak, target: HttpTarget, answer: Answer, now: datetime) -> Streak:
        details = {
            "problem": answer.problem,
            "status": answer.status,
            "seconds": round(answer.seconds, 3) if answer.seconds is not None else None,
            "sample": answer.sample,
            "tries": answer.tries,
            # Nobody listens there: that is its own trouble. A bad answer may come from what it depends on.
            EVIDENCE: Ground.HARD.value if answer.problem == REFUSES else None,
        }
        return streak.add(
            answer.problem,
            {key: value for key, value in details.items() if value not in (None, "")},
            now,
            failures=target.failures,
            successes=target.successes,
            grace=target.start_grace,
        )

    @staticmethod
    def _slow(streak: Streak, target: HttpTarget, answer: Answer, now: datetime) -> Streak:
        limit = target.within / timedelta(seconds=1) if target.within else None
        took = answer.seconds or 0.0
        reason = f"answers in {took:.2f} s (limit {limit:g} s)" if limit is not None and took > limit else ""
        details = {"seconds": round(took, 3), "threshold_seconds": limit, "status": answer.status}
        return streak.add(reason, details, now, failures=target.failures, successes=target.successes)

    def _health(self, target: HttpTarget, down: Streak, slow: Streak) -> Iterator[Signal]:
        for alert, streak in (("ServiceUnhealthy", down), ("ServiceSlow", slow)):
            if streak.firing:
                assert streak.since is not None
                looks = f", {streak.bad} looks in a row" if streak.bad > 1 else ""
                summary = f"{target.service} {streak.reason}{looks}: {target.label}"
                details = {**(streak.details or {}), "looks": streak.bad, "since": streak.since.isoformat()}
                yield self._finding(alert, target, summary, streak.since, details)

    def _certificate(self, target: HttpTarget, end: str | None, now: datetime) -> Iterator[Signal]:
        if end is None:
            return
        ends = datetime.fromisoformat(end)
        left = ends - now
        details = {"ends_at": end, "threshold_days": target.tls_days}
        if left <= timedelta():
            summary = f"The TLS certificate of {target.service} is over since {ends:%Y-%m-%d %H:%M} UTC"
            yield self._finding("TLSCertificateExpired", target, f"{summary}: {target.label}", ends, details)
        elif left <= timedelta(days=target.tls_days):
            summary = (
                f"The TLS certificate of {target.service} ends in {_days(left)}, on "
                f"{ends:%Y-%m-%d %H:%M} UTC (limit {target.tls_days:g} days): {target.label}"
            )
            yield self._finding("TLSCertificateExpiring", target, summary, now, details)

    def _finding(
        self, alert: str, target: HttpTarget, summary: str, at: datetime, details: Mapping[str, Any]
    ) -> Signal:
        labels = {
            "alertname": alert,
            "service": target.service,
            "target": target.label,
            "component": target.component,
        }
        return Signal(self.kind, labels, summary, at, details=dict(details))


def _days(left: timedelta) -> str:
    return f"{left.days} days" if left >= timedelta(days=2) else in_words(left)
