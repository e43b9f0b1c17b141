"""Many small cases in one test: what pytest does for each takes longer than the case."""

import functools
import inspect
import itertools


def each(**values):
    """Let a test run with every combination of values in place of those arguments.

    What fails says of which.
    """

    def decorate(test):
        signature = inspect.signature(test)
        others = [each for each in signature.parameters.values() if each.name not in values]

        @functools.wraps(test)
        def run(**given):
            for chosen in itertools.product(*values.values()):
                case = dict(zip(values, chosen, strict=True))
                try:
                    test(**given, **case)
                except Exception as error:
                    error.add_note(f"with {case}")
                    raise

        run.__signature__ = signature.replace(parameters=others)
        return run

    return decorate
