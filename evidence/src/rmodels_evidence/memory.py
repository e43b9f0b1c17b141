"""Peak memory of one contender, measured in a process of its own."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

from rmodels.config import set_config
from rmodels_evidence.problem import Options

__all__ = ["extra_memory"]

_PROC = Path("/proc/self")


def _status(field: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    for line in (_PROC / "status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def _peak_so_far() -> int:
    """Return the process's peak of resident bytes by getrusage, which cannot be reset."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _reset_peak() -> bool:
    """Set the peak of resident bytes back to what is resident; return whether Linux did so."""
    try:
        (_PROC / "clear_refs").write_text("5")
        return _status("VmHWM") <= _status("VmRSS") + (1 << 20)
    except (OSError, KeyError):
        return False


def _measure(problem: str, contender: str, options: Options) -> int:
    """Return the extra bytes of one call: runs in a process of its own."""
    from threadpoolctl import threadpool_limits

    from rmodels_evidence.families import find_problem

    set_config(engine=options.engine, n_threads=options.threads)
    found = find_problem(problem, options)
    entrant = next(each for each in found.contenders if each.name == contender)
    run = entrant.prepare(found.data())
    with threadpool_limits(options.threads):
        if _reset_peak():
            before = _status("VmRSS")
            answer = run()
            peak = _status("VmHWM")
        else:
            before = _peak_so_far()
            answer = run()
            peak = _peak_so_far()
    del answer
    return max(0, peak - before)


def extra_memory(problem: str, contender: str, options: Options) -> int | None:
    """Return the most memory that one call takes beyond its input.

    Parameters
    ----------
    problem, contender : str
        Their names.
    options : Options

    Returns
    -------
    int or None
        Bytes resident at the call's peak less those resident before, its result and what libraries
        set up on their first call included. Where the system cannot reset a process's peak (other
        than Linux) what the call takes below the peak of making the data is not seen. None if the
        process was killed, as it is when memory runs out.

    Raises
    ------
    RuntimeError
        If the call fails in the new process.
    """
    request = {"problem": problem, "contender": contender, "options": vars(options)}
    command = [sys.executable, "-m", __spec__.name, json.dumps(request)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode == -signal.SIGKILL:
        return None
    if child.returncode:
        raise RuntimeError(f"the process that measures memory failed:\n{child.stderr}")
    return int(child.stdout.splitlines()[-1])


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(_measure(asked["problem"], asked["contender"], Options(**asked["options"])))
