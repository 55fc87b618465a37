#!/bin/sh
# Make or reuse the Python environment of the project and print the path of its interpreter.
#
#   usage: tools/env.sh [base|dev]          dev: with the tools that test and check the code
#
# An active virtual or conda environment is used as it is: only what is missing is installed.
# Without one, $VENV (.venv) is made. A stamp file in the environment holds what was installed, so
# that a second call is instant. Messages go to stderr.
#
#   PYTHON     interpreter that makes $VENV; by default the newest that the stack is known to run on
#   VENV       where the environment is made
#   PIP_ARGS   more arguments for pip, such as a proxy or the index of CPU wheels
set -eu
cd "$(dirname "$0")/.."

kind=${1:-base}
venv=${VENV:-.venv}
say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

case $kind in
    base) target=. ;;
    dev) target='.[dev]' ;;
    *) fail "tools/env.sh: expected base or dev, found '$kind'" ;;
esac

recent='import sys; sys.exit(sys.version_info < (3, 10))'
number='import sys; print("%d.%d" % sys.version_info[:2])'

# Sets `python`. python3 and python come last: they may be newer than the wheels of the stack.
find_python() {
    python='' old='' bare=''
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.13 python3.12 python3.11 python3.10 python3 python
    fi
    for name; do
        found=$("$name" -c "$number" 2>/dev/null </dev/null) || continue
        if ! "$name" -c "$recent"; then
            old="$old $name ($found)"
        elif ! "$name" -c 'import venv, ensurepip' 2>/dev/null; then
            bare="$bare $name"
        else
            python=$name
            return
        fi
    done
    [ -z "$bare" ] || fail "$(
        echo "no venv module in:$bare. Install it (Debian, Ubuntu: apt install python3-venv),"
        echo "activate an environment of your own, or name another Python: make ... PYTHON=/path/to/python"
    )"
    [ -z "$old" ] || fail "$(
        echo "Python 3.10 or newer is needed, found only:$old."
        echo "Install a newer one, or name it: make ... PYTHON=/path/to/python"
    )"
    fail "Python 3.10 or newer is needed, none found as: $*. Name one: make ... PYTHON=/path/to/python"
}

active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ -n "$active" ]; then
    home=$active
    py=$home/bin/python
    [ -x "$py" ] || fail "the active environment $home has no bin/python; deactivate it or install Python in it"
    "$py" -c "$recent" ||
        fail "the active environment $home has Python $("$py" -c "$number"); 3.10 or newer is needed"
else
    case $venv in /*) home=$venv ;; *) home=$PWD/$venv ;; esac
    py=$home/bin/python
    if ! "$py" -c "$recent" 2>/dev/null; then
        [ ! -e "$home" ] || fail "$home has no working Python 3.10 or newer; remove it (make distclean) and try again"
        find_python
        say "Making $home with $python ($("$python" -c "$number"))"
        # A half-made environment would look like a finished one.
        "$python" -m venv "$home" >&2 || { rm -rf "$home"; fail "$python -m venv failed"; }
    fi
fi

stamp=$home/.cite-$kind
state="$PWD $(cat setup.py constraints.txt | cksum)"
for file in "$stamp" "$home/.cite-dev"; do
    if [ -f "$file" ] && [ "$(cat "$file")" = "$state" ]; then
        printf '%s\n' "$py"
        exit 0
    fi
done

"$py" -m pip --version >/dev/null 2>&1 || "$py" -m ensurepip >&2 ||
    fail "no pip in $home; install it there and try again"
if [ -n "$active" ]; then
    say "Installing what is missing into the active environment $home"
    constraints=$home/.cite-constraints.txt
    "$py" tools/pins.py >"$constraints"
else
    say "Installing into $home (the first time several gigabytes, some minutes)"
    constraints=constraints.txt
    # shellcheck disable=SC2086  # PIP_ARGS is a list of words
    "$py" -m pip install --quiet --upgrade pip ${PIP_ARGS:-} >&2
fi
# shellcheck disable=SC2086
"$py" -m pip install -e "$target" -c "$constraints" ${PIP_ARGS:-} >&2 ||
    fail "pip could not install the requirements; proxies and indexes go in PIP_ARGS (make help)"
printf '%s\n' "$state" >"$stamp"
printf '%s\n' "$py"
