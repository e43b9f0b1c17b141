import gc
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmodels_evidence.timing import Times, interleave, quantile


class FakeClock:
    """A clock that moves only when work is done or something sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        def run():
            self.now += seconds

        return run

    def pass_time(self, seconds):
        self.now += seconds


def test_quantile_between_values():
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([5.0], 0.25) == 5.0
    assert quantile([10.0, 20.0, 30.0, 40.0, 50.0], 0.25) == 20.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1), st.floats(0, 1))
def test_quantile_is_monotone_and_within_the_values(values, a, b):
    low, high = sorted([a, b])
    tolerance = 1e-9 * max(values)
    assert min(values) <= quantile(values, low)
    assert quantile(values, low) <= quantile(values, high) + tolerance
    assert quantile(values, high) <= max(values) + tolerance


def test_times_statistics_and_scaling():
    times = Times((3.0, 1.0, 2.0, 5.0, 4.0), calls=7)
    assert (times.low, times.median, times.high) == (2.0, 3.0, 4.0)
    scaled = times.scale(10.0)
    assert scaled.median == 30.0
    assert scaled.calls == 7


def test_interleave_measures_what_the_clock_says():
    clock = FakeClock()
    times = interleave(
        {"slow": clock.work(2.0), "fast": clock.work(0.25)},
        1.0,
        least_rounds=4,
        clock=clock,
        sleep=clock.pass_time,
    )
    assert times["slow"].seconds == pytest.approx((2.0,) * 4)
    assert times["fast"].seconds == pytest.approx((0.25,) * 4)
    assert times["fast"].calls == 1


def test_a_turn_begins_when_the_threads_of_the_one_before_are_at_rest():
    clock, spent, starts = FakeClock(), [0.0], []

    def sleep(seconds):
        """Threads go on until 0.2 s after a call began."""
        clock.pass_time(seconds)
        spent[0] += seconds if clock.now - starts[-1] < 0.2 else 0.0

    def run():
        starts.append(clock.now)
        clock.pass_time(0.06)  # more than a turn

    starts.append(0.0)
    interleave({"a": run}, 0.0, least_rounds=2, clock=clock, sleep=sleep, spent=lambda: spent[0])
    assert starts[-1] - starts[-2] >= 0.2


def test_interleave_repeats_short_calls_within_a_sample():
    clock = FakeClock()
    times = interleave(
        {"short": clock.work(2.0**-13)}, 0.0, least_rounds=1, clock=clock, sleep=clock.pass_time
    )
    assert times["short"].calls == 9  # 9 · 2⁻¹³ s is the first multiple above 1 ms
    assert times["short"].median == pytest.approx(2.0**-13)
    assert len(times["short"].seconds) == 46  # samples of 9 · 2⁻¹³ s until 50 ms have passed


def test_interleave_ends_the_turns_of_what_takes_long():
    clock = FakeClock()
    times = interleave(
        {"slow": clock.work(2.0), "fast": clock.work(0.25), "once": clock.work(8.0)},
        0.0,
        least_rounds=4,
        longest=5.0,
        known={"once": 8.0, "slow": 2.5},
        clock=clock,
        sleep=clock.pass_time,
    )
    assert times["once"].seconds == (8.0,)  # the call that was made before
    assert times["slow"].seconds == pytest.approx((2.5, 2.0, 2.0))
    assert times["fast"].seconds == pytest.approx((0.25,) * 4)


def test_interleave_takes_turns():
    clock = FakeClock()
    order = []

    def contender(name, seconds):
        def run():
            order.append(name)
            clock.now += seconds

        return run

    interleave(
        {"a": contender("a", 1.0), "b": contender("b", 2.0)},
        0.0,
        least_rounds=3,
        clock=clock,
        sleep=clock.pass_time,
    )
    assert order == ["a", "b"] * 4  # a warm-up and three rounds


def test_interleave_does_not_warm_up_what_took_long_just_before():
    clock = FakeClock()
    calls = itertools.count()

    def run():
        next(calls)
        clock.now += 5.0

    interleave(
        {"a": run}, 0.0, least_rounds=2, known={"a": 5.0}, clock=clock, sleep=clock.pass_time
    )
    assert next(calls) == 2


def test_interleave_goes_on_until_the_time_is_used_and_says_so():
    clock = FakeClock()
    shares = []
    times = interleave(
        {"a": clock.work(1.0)},
        10.0,
        least_rounds=2,
        clock=clock,
        sleep=clock.pass_time,
        advance=shares.append,
    )
    assert len(times["a"].seconds) == 9  # one warm-up, and a pause before each
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("collecting", [True, False])
def test_interleave_collects_garbage_in_the_pauses_only(collecting):
    within = []

    def run():
        within.append(gc.isenabled())
        if len(within) == 3:
            raise ArithmeticError

    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(ArithmeticError):
            interleave({"a": run}, 0.0, known={"a": 0.5})
        assert gc.isenabled() is collecting
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if before else gc.disable)()
    assert within == [False] * 3


def test_interleave_of_nothing():
    assert interleave({}, 1.0) == {}
