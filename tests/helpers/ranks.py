"""One Python command on every rank, in processes that share what it takes to load torch.

Run as a script: `python ranks.py WORLD_SIZE FOLDER COMMAND...`, with the command as Python takes
it, either `-c PROGRAM` or a script, and its arguments. Each rank writes its standard output and
error to `FOLDER/RANK.out` and `.err`. What is printed is the list of exit codes.
"""

import importlib
import os
import runpy
import sys
import traceback
from pathlib import Path

LOADED = ("transformers.models.llama.modeling_llama", "rl.ppo", "rm_training.train")
"""What takes seconds to import and runs nothing yet: a fork keeps no thread but its own."""


def run(command: list[str]) -> None:
    if command[0] == "-c":
        sys.argv = ["-c", *command[2:]]
        exec(compile(command[1], "<command>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


def code_of(command: list[str]) -> int:
    try:
        run(command)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def start(rank: int, folder: Path, command: list[str]) -> int:
    """The process id of a new rank."""
    if process := os.fork():
        return process
    for stream, suffix in ((sys.stdout, "out"), (sys.stderr, "err")):
        with (folder / f"{rank}.{suffix}").open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    code = code_of(command)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    world_size, folder, *command = sys.argv[1:]
    for name in LOADED:
        importlib.import_module(name)
    processes = [start(rank, Path(folder), command) for rank in range(int(world_size))]
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    sys.stdout.write(f"{codes}\n")


if __name__ == "__main__":
    main()
