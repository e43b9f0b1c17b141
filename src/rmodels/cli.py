"""The command `rmodels`."""

import argparse
from collections.abc import Sequence

import rmodels
from rmodels.evidence import bench

__all__ = ["main"]


def _demo(arguments: argparse.Namespace) -> int:
    from rmodels.evidence import demo

    return demo.main()


def _versions(arguments: argparse.Namespace) -> int:
    rmodels.show_versions()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The default is the program's own.

    Returns
    -------
    int
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="rmodels", description=rmodels.__doc__)
    parser.add_argument("--version", action="version", version=f"rmodels {rmodels.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="fit, predict and score on real data, beside scikit-learn"
    )
    demo.set_defaults(run=_demo)
    benchmark = commands.add_parser(
        "bench", help="measure the models beside others, on problems with goals"
    )
    bench.add_arguments(benchmark)
    benchmark.set_defaults(run=bench.run)
    versions = commands.add_parser(
        "versions", help="print engines, instruction sets, threads, GPU and versions"
    )
    versions.set_defaults(run=_versions)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status
