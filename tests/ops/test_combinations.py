import pytest
from combinations import each


def test_each_combination_runs_and_is_named():
    ran = []

    @each(a=[1, 2], b="xy")
    def test(given, a, b):
        ran.append((given, a, b))
        assert ran[-1] != (0, 2, "y")

    test(given=5)
    assert ran == [(5, 1, "x"), (5, 1, "y"), (5, 2, "x"), (5, 2, "y")]
    with pytest.raises(AssertionError) as failed:
        test(given=0)
    assert failed.value.__notes__ == ["with {'a': 2, 'b': 'y'}"]
