"""Several questions at once, in threads, none waited for longer than the look may take."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def settle(jobs: Mapping[Key, Callable[[], Result]], *, threads: int, seconds: float) -> dict[Key, Result]:
    """The results of the jobs that ended in time; what a job raises is raised here.

    A job that did not end is left behind, so each must be bounded in itself.
    """
    if not jobs:
        return {}
    pool = ThreadPoolExecutor(min(threads, len(jobs)), thread_name_prefix="look")
    try:
        futures = {pool.submit(job): key for key, job in jobs.items()}
        done, _ = wait(futures, timeout=max(0.0, seconds))
        return {futures[future]: future.result() for future in done}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
