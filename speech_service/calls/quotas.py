"""What each tenant may use: calls at once, and audio and text in a minute.

Audio and text are paid for when they have come, those of unary calls before work begins: many that come at once find
what the first of them left. What was accepted is carried out whole, and what it used beyond its minute is owed, and
taken from what comes next. Quotas are found by tenant, and by key where a key has its own; both
count. Belongs to one event loop.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Flag, auto

from speech_service.config.tree import QuotaConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import QuotaExceededError
from speech_service.domain.events import Usage
from speech_service.domain.principal import UNTENANTED, Principal
from speech_service.protocols import Observer

Clock = Callable[[], float]
Owner = tuple[str, str]
"""A tenant, and a key of it; an empty key: the tenant itself."""
MAX_ACCOUNTS = 4096
"""Accounts kept of tenants that have no call open and owe nothing. Tokens may name any number of tenants."""
_USEFUL_S = 1.0
"""Of a refill, before a client is told to try again: sooner, and it would be refused again at once."""


class Metered(Flag):
    """What a call is charged for."""

    NOTHING = 0
    AUDIO = auto()
    CHARACTERS = auto()


class TokenBucket:
    """An amount per minute, of which one minute's worth can be saved up, and any amount can be owed."""

    def __init__(self, per_minute: float, clock: Clock) -> None:
        """``per_minute``: 0 means no limit. ``clock``: seconds; a step back gives nothing and takes nothing."""
        self._clock = clock
        self._at_s = clock()
        self._per_minute = per_minute
        self._balance = per_minute

    @property
    def per_minute(self) -> float:
        """The amount; 0: no limit."""
        return self._per_minute

    @property
    def is_full(self) -> bool:
        """Nothing was taken lately, or all of it is back."""
        self._settle()
        return not self._per_minute or self._balance >= self._per_minute

    def change(self, per_minute: float) -> None:
        """Another amount from now on. What is owed stays owed, unless there is no limit any longer."""
        self._settle()
        if not self._per_minute or not per_minute:
            self._balance = per_minute
        self._per_minute = per_minute
        self._balance = min(self._balance, per_minute)

    def take(self, amount: float) -> None:
        """It was used, whatever is left; less than 0: it was not, after all."""
        self._settle()
        if self._per_minute:
            self._balance -= amount

    def wait_s(self) -> float:
        """Seconds until there is something to use again; 0: there is."""
        self._settle()
        if not self._per_minute or self._balance > 0:
            return 0.0
        return _USEFUL_S - self._balance * 60 / self._per_minute

    def _settle(self) -> None:
        now_s = self._clock()
        elapsed_s, self._at_s = max(0.0, now_s - self._at_s), now_s
        self._balance = min(self._per_minute, self._balance + elapsed_s * self._per_minute / 60)


class _Account:
    """What one owner uses."""

    def __init__(self, owner: Owner, limits: QuotaConfig, clock: Clock) -> None:
        tenant, key = owner
        self._subject = f"key:{tenant}/{key}" if key else f"tenant:{tenant}"
        self.limits = limits
        self.streams = 0
        self.unary = 0
        self.audio_s = TokenBucket(limits.audio_s_per_minute, clock)
        self.characters = TokenBucket(limits.characters_per_minute, clock)

    @property
    def is_idle(self) -> bool:
        """Nothing would be lost with it."""
        is_open = self.streams or self.unary
        return not is_open and self.audio_s.is_full and self.characters.is_full

    def change(self, limits: QuotaConfig) -> None:
        """Other limits from now on."""
        self.limits = limits
        self.audio_s.change(limits.audio_s_per_minute)
        self.characters.change(limits.characters_per_minute)

    def check_streams(self) -> None:
        """One more stream."""
        self._check_open(self.streams, "max_streams", self.limits.max_streams)

    def check_unary(self) -> None:
        """One more unary call."""
        self._check_open(self.unary, "max_unary", self.limits.max_unary)

    def exceeded(self, metered: Metered) -> QuotaExceededError | None:
        """The quota of what is ``metered`` that is used up."""
        buckets = (
            (Metered.AUDIO, "audio_s_per_minute", self.audio_s, "seconds of audio"),
            (Metered.CHARACTERS, "characters_per_minute", self.characters, "characters"),
        )
        for kind, quota, bucket, unit in buckets:
            wait_s = bucket.wait_s() if kind in metered else 0.0
            if wait_s:
                limit = bucket.per_minute
                problem = f"has used its {limit:g} {unit} per minute; what was accepted is done"
                wait_ms = round(wait_s * 1000)
                return QuotaExceededError(
                    self._subject, quota, limit, problem, retry_after_ms=wait_ms
                )
        return None

    def _check_open(self, now: int, quota: str, limit: int) -> None:
        if limit and now >= limit:
            what = quota.removeprefix("max_").replace("unary", "unary calls")
            problem = f"has as many {what} open as it may have ({limit})"
            raise QuotaExceededError(self._subject, quota, limit, problem)


@dataclass(slots=True)
class _Amount:
    """An amount of one call: what it has used, and what was taken for it."""

    used: int = 0
    taken: int = 0

    def use(self, used: int) -> int:
        """It has used so much in all; returns what is to be taken beyond what was."""
        self.used = max(self.used, used)
        return self.reserve(self.used)

    def reserve(self, amount: int) -> int:
        """So much is to be taken in all; returns what is to be taken beyond what was."""
        more = max(0, amount - self.taken)
        self.taken += more
        return more

    def settle(self) -> int:
        """Nothing more is used; returns what is to be given back."""
        back, self.taken = self.taken - self.used, self.used
        return back


@dataclass(slots=True)
class Meter:
    """Charges the owners of one call for what it uses. Without owners nothing is counted."""

    _accounts: Sequence[_Account]
    _metered: Metered
    _audio_ms: _Amount = field(default_factory=_Amount)
    _characters: _Amount = field(default_factory=_Amount)

    @property
    def is_on(self) -> bool:
        """Whether anybody is charged."""
        return bool(self._accounts)

    def reserve(self, usage: Usage) -> None:
        """Take what the call is going to use, unless others have used up what there was.

        Raises:
            QuotaExceededError: they have.
        """
        error = self.exceeded()
        if error is not None:
            raise error
        audio_ms = self._audio_ms.reserve(usage.audio_in_ms)
        self._take(audio_ms, self._characters.reserve(usage.characters_in))

    def charge(self, usage: Usage | None) -> None:
        """The call has used so much in all; what was not taken for it yet is taken."""
        if usage is not None:
            audio_ms = self._audio_ms.use(usage.audio_in_ms)
            self._take(audio_ms, self._characters.use(usage.characters_in))

    def settle(self, usage: Usage | None) -> None:
        """The call is over, and has used so much: charge for it, and give back what was reserved beyond it."""
        self.charge(usage)
        self._take(-self._audio_ms.settle(), -self._characters.settle())

    def _take(self, audio_ms: int, characters: int) -> None:
        for account in self._accounts:
            account.audio_s.take(audio_ms / 1000)
            account.characters.take(characters)

    def exceeded(self) -> QuotaExceededError | None:
        """The quota that is used up now; None: go on."""
        return next(filter(None, (each.exceeded(self._metered) for each in self._accounts)), None)


class Quotas:
    """The accounts of all tenants."""

    def __init__(
        self, defaults: QuotaConfig, observer: Observer, clock: Clock = time.monotonic
    ) -> None:
        """``defaults``: of tenants of which nothing else is said."""
        self._defaults = defaults
        self._observer = observer
        self._clock = clock
        self._own: Mapping[Owner, QuotaConfig] = {}
        self._accounts: dict[Owner, _Account] = {}

    @property
    def defaults(self) -> QuotaConfig:
        """Those of tenants of which nothing else is said."""
        return self._defaults

    def change(self, own: Mapping[Owner, QuotaConfig]) -> None:
        """Limits of tenants and keys that have their own, from now on, for open calls, too."""
        self._own = own
        for owner, account in self._accounts.items():
            account.change(self._limits(owner))

    def check_voices(self, tenant: str, kept: int) -> None:
        """Let a tenant that keeps ``kept`` voices make one more.

        Raises:
            QuotaExceededError: it may not.
        """
        limit = 0 if tenant == UNTENANTED else self._limits((tenant, "")).max_voices
        if limit and kept >= limit:
            problem = f"keeps as many voices as it may ({limit}); delete one first"
            raise QuotaExceededError(f"tenant:{tenant}", "max_voices", limit, problem)

    @contextmanager
    def stream(self, call: Call, metered: Metered) -> Generator[Meter]:
        """Count a stream for as long as the block runs, and charge for it.

        Raises:
            QuotaExceededError: the caller has too many open, or has used up what is ``metered``.
        """
        accounts = self._of(call.principal)
        with self._refusals_counted(), _charged(call, accounts, metered) as meter:
            for account in accounts:
                account.check_streams()
            for account in accounts:
                account.streams += 1
            try:
                yield meter
            finally:
                for account in accounts:
                    account.streams -= 1

    @contextmanager
    def unary(self, call: Call, metered: Metered) -> Generator[Meter]:
        """Count a unary call likewise; raises as ``stream`` does."""
        accounts = self._of(call.principal)
        with self._refusals_counted(), _charged(call, accounts, metered) as meter:
            for account in accounts:
                account.check_unary()
            for account in accounts:
                account.unary += 1
            try:
                yield meter
            finally:
                for account in accounts:
                    account.unary -= 1

    @contextmanager
    def _refusals_counted(self) -> Generator[None]:
        try:
            yield
        except QuotaExceededError as error:
            self._observer.count("speech_quota_exceeded_total", quota=error.quota)
            raise

    def _of(self, principal: Principal) -> Sequence[_Account]:
        if principal.tenant == UNTENANTED:
            return ()
        owners = [(principal.tenant, "")]
        if principal.account:
            owners.append((principal.tenant, principal.account))
        return [self._account(owner) for owner in owners]

    def _account(self, owner: Owner) -> _Account:
        account = self._accounts.get(owner)
        if account is None:
            if len(self._accounts) >= MAX_ACCOUNTS:
                kept = {o: a for o, a in self._accounts.items() if not a.is_idle}
                self._accounts = kept
            account = self._accounts[owner] = _Account(owner, self._limits(owner), self._clock)
        return account

    def _limits(self, owner: Owner) -> QuotaConfig:
        """A key without own quotas has no limits beside its tenant's."""
        return self._own.get(owner) or (QuotaConfig() if owner[1] else self._defaults)


@contextmanager
def _charged(call: Call, accounts: Sequence[_Account], metered: Metered) -> Generator[Meter]:
    """Refuse a call that has nothing left to use; charge it, at its end, for what it was not charged for before."""
    call.meter = meter = Meter(accounts, metered)
    error = meter.exceeded()
    if error is not None:
        raise error
    try:
        yield meter
    finally:
        meter.settle(call.usage)
