"""The baton: at most one item (a simulated thread, a callback, a batch of callbacks) runs at a time.

Whoever gives back the last lease starts the next item, if nothing was written since the world last rested; else a
dispatcher thread first waits for rest. So a jump over two days costs microseconds, and a write costs its settling.
"""

import threading
from itertools import count

from rehearsal.clock.agenda import Agenda, Timer
from rehearsal.clock.flow import Account, Flow, run_guarded
from rehearsal.clock.leases import Held, Lease, Parked
from rehearsal.clock.pool import Pool
from rehearsal.clock.settling import Settling

_LOOK_SECONDS = 1.0


class Lineage:
    """Names what a thread waits for and what it starts: keys must not depend on which thread was faster."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.waits, self.children = count(1), count(1)


class Local(threading.local):
    """What the calling thread holds, and who it is."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        self.lineage: Lineage | None = None


class Baton:
    """Methods other than start and stop are called with `lock` held, but for `give_back`, which takes it."""

    def __init__(self, agenda: Agenda, flow: Flow, settling: Settling, account: Account) -> None:
        self.agenda, self.flow, self.settling, self.account = agenda, flow, settling, account
        self.local = Local()
        self.held = Held()
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._pool = Pool("clock")
        self._parked: set[Parked] = set()
        self._running = self._stopped = False
        self._dispatcher = threading.Thread(target=self._dispatch_forever, name="clock", daemon=True)

    def start(self) -> None:
        """Let time pass; what was queued before waits for this."""
        self._running = True
        self._dispatcher.start()

    def stop(self) -> None:
        """Let nothing more happen, and unwind every thread that waits."""
        with self.lock:
            self._running, self._stopped = False, True
            for parked in self._parked:
                parked.stop()
            self._parked.clear()
            self._changed.notify()
        self._pool.close()

    def hold(self, leases: list[Lease]) -> None:
        """Time stands still until these are given back."""
        self.flow.halt()
        self.held.add(leases)
        self.account.enter("busy")

    def give_back(self, leases: list[Lease]) -> None:
        """Takes the lock itself."""
        with self.lock:
            self.held.drop(leases)
            self.pass_on()

    def disturb(self) -> None:
        """The world was written to."""
        self.settling.disturb()
        if self.flow.gliding or self.settling.debt:
            self.flow.halt()
            self._changed.notify()

    def park(self, seconds: float | None, key: str) -> Parked:
        """Gives the caller's leases back; the caller releases the lock and blocks on what is returned."""
        parked = Parked(list(self.local.leases), key)
        self.held.drop(parked.leases)
        if self._stopped:
            parked.stop()
        else:
            self._parked.add(parked)
        if seconds is not None:
            parked.timer = self.agenda.push(Timer(self.flow.now() + seconds, key, parked=parked))
        return parked

    def wake(self, parked: Parked) -> None:
        """Queue a parked thread for now; too late if its time-out had its turn."""
        if parked in self._parked and not parked.woken:
            parked.woken = True
            if parked.timer is not None:
                self.agenda.drop(parked.timer)
            self.agenda.push(Timer(self.flow.now(), parked.key, parked=parked))

    def pass_on(self) -> None:
        """Start the next item at once where nothing has to settle; else the dispatcher looks after it."""
        if self.held.leases or not self._running:
            return
        top = self.agenda.top()
        if self.settling.settled and top is not None and self.flow.reaches(top.due):
            self._start_next()
        else:
            self._changed.notify()

    def _start_next(self) -> None:
        items = self.agenda.pop()
        self.flow.reach(items[0].due)
        self.account.count(len(items))
        if (parked := items[0].parked) is not None:
            self._parked.discard(parked)
            self.hold(parked.leases)
            parked.open()
            if not parked.leases:
                self._changed.notify()  # who waited without a lease gives none back
            return
        lease = Lease(items[0].key)
        self.hold([lease])
        self._pool.run(lambda: self._run(items, lease))

    def _run(self, items: list[Timer], lease: Lease) -> None:
        lease.renew()
        self.local.leases = [lease]
        for item in items:
            self.local.lineage = Lineage(item.key)
            run_guarded(item.fn, self.account)
        self.local.leases, self.local.lineage = [], None
        self.give_back([lease])

    def _dispatch_forever(self) -> None:
        with self.lock:
            while self._running:
                self._changed.wait(min(self._turn(), _LOOK_SECONDS))

    def _turn(self) -> float:
        """One look: starts what is next, or says for how long to wait before looking again."""
        self.account.watch(self.held)
        if self.held.leases:
            return _LOOK_SECONDS
        if not self.settling.settled and (pause := self._settle()):
            return pause
        if self.held.leases or not self.settling.settled:
            return 0.0
        top = self.agenda.top()
        if top is None or not self.flow.reaches(top.due):
            self.account.enter("idle")
            return self.flow.glide(top.due if top else None)
        self._start_next()
        return _LOOK_SECONDS if self.held.leases else 0.0

    def _settle(self) -> float:
        """Seconds to wait until the world may be at rest. The checks are asked without the lock."""
        debt = self.settling.debt
        self.account.enter(f"owed: {debt}" if debt else "settle")
        if pause := self.settling.quiet_in():
            return pause
        generation = self.settling.generation
        self.lock.release()
        try:
            debt = self.settling.first_debt()
        finally:
            self.lock.acquire()
        return self.settling.judge(debt, generation)
