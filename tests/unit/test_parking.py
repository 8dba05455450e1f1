"""Parking: whoever stands still for a fork goes on after it, whatever another one does."""

from celery_gossip import parking


class Stander:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    def park(self) -> bool:
        if self.error is not None:
            raise self.error
        self.calls.append("park")
        return True

    def unpark(self) -> None:
        self.calls.append("unpark")


def test_one_that_cannot_be_parked_keeps_no_other_from_going_on() -> None:
    standers = [Stander(), Stander(MemoryError()), Stander()]
    parking._parkables.update(standers)
    parking._park()
    parking._unpark()
    assert [stander.calls for stander in standers] == [["park", "unpark"], [], ["park", "unpark"]]
