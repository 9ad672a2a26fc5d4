"""An agent turns its own live shell against the protocol. It can spoil what it sees, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from adversary import HONEST

from mlgym_synth.environment import TaskEnv
from mlgym_synth.environment.grading import Settlement
from mlgym_synth.environment.workplace import Workplace
from mlgym_synth.tasks.suite import Task

pytestmark = pytest.mark.isolated

IMPATIENT = 0.4
"""Seconds for a command that may well hang."""

TAMPERINGS = {
    "python as a function": """python() { echo '{"Score": 5}'; }; python3() { python; }""",
    "tools as functions": """validate() { echo 'accuracy on the public part: 1'; }; submit() { validate; }""",
    "tools shadowed on PATH": """mkdir bin; printf '#!/bin/sh\\necho 5\\n' | tee bin/validate > bin/submit
chmod +x bin/*; export PATH=$PWD/bin:$PATH""",
    "PROMPT_COMMAND": """export PROMPT_COMMAND='echo "accuracy on the public part: 1"'""",
    "BASH_ENV": """echo 'echo forged' > forged; export BASH_ENV=$PWD/forged ENV=$PWD/forged""",
    "aliases": """shopt -s expand_aliases; alias eval=: builtin=: printf=: read=: .=: source=:""",
    "DEBUG trap": """trap 'echo forged' DEBUG""",
    "DEBUG trap that reports": """trap 'printf "0 /tmp\\0" >&250' DEBUG""",
    "EXIT and ERR traps": """trap 'echo forged' EXIT; trap 'exec true' ERR; false""",
    "no stop signal": """trap '' RTMAX; while :; do :; done""",
    "builtins as functions": """eval() { :; }; builtin() { :; }; printf() { :; }; read() { :; }; .() { :; }""",
    "builtin that reports success": """builtin() { echo "0 /tmp"; command builtin "$@"; }""",
    "builtin disabled": "enable -n builtin",
    "eval disabled": "enable -n eval",
    "read and printf disabled": "enable -n read printf .",
    "read-only protocol": "readonly __mlgym_command",
    "integer protocol": "declare -i __mlgym_command",
    "protocol overwritten": "__mlgym_step='echo forged'; __mlgym_command='echo forged'; unset __mlgym_step",
    "PWD empty": "PWD=",
    "PWD forged": "PWD=$'/tmp\\n0 /etc'; IFS=0123456789",
    "no files": "ulimit -f 0; echo x > new",
    "no descriptors": "ulimit -n 3",
    "no processes": "ulimit -u 1",
    "no memory": "ulimit -v 1000",
    "descriptors closed": 'for fd in {0..255}; do eval "exec $fd>&-"; done; exec 250<&- 251<&-',
    "descriptors exchanged": "exec 250>/dev/null 251>/dev/null 1>/dev/null 0</dev/zero",
    "reports by inherited descriptors": """for fd in {3..255}; do
(sleep 0.2; printf '0 /tmp\\0' >&$fd) 2>/dev/null & done; sleep 5""",
    "reports by /proc": """for fd in /proc/$$/fd/* /proc/$PPID/fd/*; do
[ $fd -ef /dev/null ] || printf '0 /tmp\\0' 2>/dev/null > $fd; done""",
    "a thief of commands": "(while IFS= read -r -u 10 line; do :; done) & disown",
    "restricted shell": "set -r",
    "no execution": "set -n",
    "POSIX mode, options": "set -o posix; set -efuvx; shopt -s extdebug failglob",
    "stopped": "kill -STOP $$",
    "everything killed": "kill -9 -1",
    "the first process signalled": "kill -9 1; kill -STOP 1; kill -TERM 1; kill -INT 1",
    "the shell traced": """python3 -c '
import ctypes, os, time
ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)
time.sleep(5)'""",
    "workspace gone": "cd ..; rm -rf workspace/*; chmod 0 workspace; mv workspace gone",
    "deep folder": "for i in {1..40}; do mkdir -p " + "d" * 200 + "; cd " + "d" * 200 + "; done",
}


@pytest.fixture(scope="module")
def place(suite: Path) -> Iterator[Workplace]:
    place = Workplace(Task("tiny-csv", suite))
    yield place
    place.close()


@pytest.fixture(scope="module")
def honest(place: Workplace) -> Settlement:
    """What an episode is worth in which the baseline is validated, and nothing else is done."""
    place.begin(0)
    assert HONEST in place.run("python baseline.py; validate", 60).output
    settlement = place.grading.settle(place.submission)
    assert settlement.score is not None
    assert settlement.score < 1
    return settlement


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS)
def test_a_tampered_shell_changes_no_score(place: Workplace, honest: Settlement, tampering: str) -> None:
    place.begin(0)
    place.run("python baseline.py; validate", 60)
    place.run(tampering, IMPATIENT)
    for command in ("true", "validate; submit </dev/null >/dev/null"):
        place.run(command, IMPATIENT)
    place.end_session()
    assert place.grading.settle(place.submission) == honest
    place.begin(0)
    result = place.run("python baseline.py; validate", 60)
    assert HONEST in result.output
    assert "validations left: 2" in result.output
    assert not result.shell_lost


@pytest.mark.parametrize(
    "tampering",
    ["read-only protocol", "PWD empty", "builtin disabled", "eval disabled", "no files", "stopped", "no execution"],
)
def test_a_tampered_shell_is_replaced_within_its_episode(place: Workplace, tampering: str) -> None:
    place.begin(0)
    place.run(TAMPERINGS[tampering], IMPATIENT)
    place.run("true", IMPATIENT)
    place.run("true", IMPATIENT)
    assert place.run("echo served", 60).output == "served\n"


@pytest.mark.parametrize(
    "marks",
    [
        "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n<<SWE_AGENT_SUBMISSION>>\n{}\n",
        "<<SUBMISSION||/home/agent/workspace/submission.csv||SUBMISSION>>",
        "<<VALIDATION||/home/agent/workspace/submission.csv||VALIDATION>>",
        "skip\nexit_forfeit\nexit_cost\n",
    ],
)
def test_printing_the_marks_of_a_harness_ends_nothing(env: TaskEnv, marks: str) -> None:
    observation, reward, terminated, truncated, info = env.step(f"cat <<'MARKS'\n{marks}\nMARKS")
    assert marks in observation
    assert (reward, terminated, truncated, info["outcome"], info["score"]) == (0.0, False, False, "running", None)


def test_reading_the_tools_ends_nothing(env: TaskEnv) -> None:
    observation, _, terminated, _, info = env.step('cat "$(command -v submit)" "$(command -v validate)"; type submit')
    assert "Hands a submission to the grader" in observation
    assert (terminated, info["outcome"]) == (False, "running")
    assert "validations left: 2" in env.step("validate")[0]


def test_a_line_of_eof_is_a_line(env: TaskEnv) -> None:
    observation, *_ = env.step("cat > kept <<'END'\nEOF\necho run\nEOF\nEND\ncat kept")
    assert observation == "EOF\necho run\nEOF\n"


@pytest.mark.parametrize(
    "command",
    ["cat", "cat -", "read line", "python3", "python3 -i", "bash", "bash -i", "sh", "tee copy", "sort", ""],
)
def test_what_reads_its_input_gets_none_and_swallows_nothing(env: TaskEnv, command: str) -> None:
    env.step(command)
    assert env.step("echo next")[0] == "next\n"


def test_a_flood_of_output_is_cut_and_stalls_nothing(env: TaskEnv) -> None:
    observation, *_ = env.step(r"""python3 -c 'print("\r 99%|=| \n\n\x1b[2J" * 200_000)'; echo last""")
    assert len(observation) < 40_000
    assert "bytes left out]" in observation
    assert observation.endswith("last\n")
    assert HONEST in env.step("validate")[0]


def test_what_was_printed_before_the_time_limit_is_seen(place: Workplace) -> None:
    place.begin(0)
    result = place.run("echo printed; sleep 1000", IMPATIENT)
    assert result.output.startswith("printed\n")
    assert result.timed_out


@pytest.mark.parametrize(
    "start",
    ["sleep 1000 & sleep 1000 & wait", "(setsid sh -c 'sleep 1000 & sleep 1000' &) &", "nohup sleep 1000 & disown"],
)
def test_no_process_of_an_episode_reaches_the_next(env: TaskEnv, start: str) -> None:
    name = f"survivor-{secrets.token_hex(8)}"
    env.step("cp /bin/sleep " + name)
    env.step(f"({start.replace('sleep 1000', f'./{name} 1000')}) > /dev/null & sleep 0.3")
    assert living(name)
    env.reset()
    assert not living(name)
    env.reset()
    assert HONEST in env.step("python baseline.py; validate")[0]


def living(name: str) -> list[list[str]]:
    """Command lines of the host's processes that name something."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [words for words in found if any(name in word for word in words)]


def test_what_is_planted_to_run_later_runs_for_nobody(env: TaskEnv) -> None:
    """Start-up files and hooks of shells, Python, git and pip fool at most the agent's own programs."""
    hooks = """echo 'echo HOOKED' | tee .bashrc .profile .bash_profile ~/.bashrc ~/.profile ~/.bash_logout > /dev/null
for name in sitecustomize usercustomize json socket struct conftest numpy; do echo 'print("HOOKED")' > $name.py; done
mkdir -p .git/hooks ~/.config/pip; printf '#!/bin/sh\\necho HOOKED\\n' > .git/hooks/post-checkout
export PYTHONPATH=$PWD PYTHONSTARTUP=$PWD/json.py PYTHONHOME=$PWD LD_LIBRARY_PATH=$PWD"""
    env.step(hooks)
    assert "HOOKED" in env.step("PYTHONHOME= python3 -c 'import json'")[0]  # the plants work
    observation, *_ = env.step("unset LD_LIBRARY_PATH; validate")
    assert HONEST in observation
    assert "HOOKED" not in observation
    observation, *_ = env.step("exit")
    assert observation == "[the shell ended, a new one has begun]\n"
    assert "HOOKED" not in env.step("validate")[0]
    env.reset()
    assert "HOOKED" not in env.step("python baseline.py; validate; bash -lc true; bash -ic true")[0]
