"""Run by the Python of another environment: AWS's own command line, one command after the other in one process."""

from __future__ import annotations

import contextlib
import io
import json
import sys


def main() -> None:
    from awscli.clidriver import create_clidriver

    answers = []
    for command in json.load(sys.stdin):
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            try:
                code = create_clidriver().main(command.split())
            except SystemExit as ended:
                code = ended.code
        answers.append({"command": command, "code": code, "said": said.getvalue(), "complained": complained.getvalue()})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
