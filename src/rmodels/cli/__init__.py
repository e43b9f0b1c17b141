"""The command `rmodels`.

Until `main` runs, nothing is imported here, and nothing that takes time in what stands above: so
that Ctrl-C is answered from the first moment.
"""

__all__ = ["main"]


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The default is the program's own; then it is a program that is run, which signals end.

    Returns
    -------
    int
        The exit status: 130 after Ctrl-C, 141 where nobody reads what is written.

    Raises
    ------
    SystemExit
        After help, and where the arguments are wrong.
    """
    try:
        from rmodels.cli import program

        return program.run(arguments)
    except KeyboardInterrupt:
        import sys

        print("rmodels: interrupted", file=sys.stderr)
        return 130  # what shells expect: 128 + SIGINT
