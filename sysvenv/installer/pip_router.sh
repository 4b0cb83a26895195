#!/bin/sh
# pip and pip3 of everybody on this machine: the pip of the environment that is meant, never the distribution's.
# Written by sysvenv's install.sh; ./install.sh --uninstall --system removes it.
#
# What is meant: the virtual environment that is active; else, of root, the system's; of a user, the user's own.
# Where an environment's own bin comes first on PATH, its pip is found without this one.
set -u
system=/opt/system-python
sysvenv=/usr/local/bin/sysvenv
name=${0##*/}

main() {
    active=${VIRTUAL_ENV:-}
    if [ -n "$active" ] && [ -f "$active/pyvenv.cfg" ]; then
        [ -x "$active/bin/pip" ] ||
            fail "the active environment $active has no pip of its own." \
                "Run: python -m ensurepip there, or deactivate, or the tool that made it (uv pip ...)."
        run_pip "the active environment's" "$active" "$@"
    fi
    if is_root && is_meant_by_root "$system"; then
        umask 022 # everybody is to read what root installs there
        run_pip "the system environment's" "$system/venv" "$@"
    fi
    home=$(own_home) || exit 1
    [ -e "$home/venv" ] || offer_to_make_one
    if [ "$home" = "$system" ]; then whose="the system environment's"; else whose="your environment's"; fi
    run_pip "$whose" "$home/venv" "$@"
}

say() { printf 'sysvenv: %s\n' "$*" >&2; }

fail() { # SENTENCE WHAT-TO-DO
    say "$1"
    printf '  %s\n' "$2" >&2
    exit 1
}

short() { case $1 in "${HOME:-/}"/*) printf '~%s' "${1#"$HOME"}" ;; *) printf '%s' "$1" ;; esac }

is_root() { [ "$(id -u)" = 0 ]; }

# As sysvenv itself decides (Home.default), so that undo takes back what this pip did.
is_meant_by_root() { # SYSTEM-HOME
    if [ -n "${SYSVENV_HOME:-}" ]; then [ "$SYSVENV_HOME" = "$1" ] && return 0 || return 1; fi
    case ":$PATH:" in *":${HOME:-/}/.local/python-packages/venv/bin:"*) return 1 ;; esac
    [ -d "$1/history" ]
}

own_home() {
    [ -n "${HOME:-}" ] || fail "HOME is not set, so your environment cannot be told." "Set HOME, or SYSVENV_HOME."
    case ${SYSVENV_HOME:-} in
    /*) printf '%s' "${SYSVENV_HOME%/}" ;;
    '~/'*) printf '%s' "$HOME/${SYSVENV_HOME#'~/'}" ;;
    '') printf '%s' "$HOME/.local/python-packages" ;;
    *) fail "SYSVENV_HOME is not an absolute path: $SYSVENV_HOME" "Give it with a leading /." ;;
    esac
}

offer_to_make_one() {
    if is_root; then
        fail "there is no system environment yet, and pip never touches the distribution's Python." \
            "Run: sysvenv --system init"
    fi
    [ -x "$sysvenv" ] || fail "$sysvenv is gone." "Run: sudo ./install.sh --system again; nothing is lost."
    say "you have no environment of your own yet, and pip never touches the distribution's Python."
    if [ "${SYSVENV_YES:-0}" = 0 ]; then
        if ! [ -t 0 ] || ! [ -t 2 ]; then
            printf '  Run: sysvenv init, then pip again.\n' >&2
            exit 1
        fi
        printf 'Make one now, in %s? [Y/n] ' "$(short "$home")" >&2
        read -r answer || exit 1
        case $answer in n* | N*) exit 1 ;; esac
    fi
    "$sysvenv" init >&2 || exit 1
}

run_pip() { # WHOSE ENVIRONMENT ARGUMENTS...
    whose=$1 venv=$2
    shift 2
    [ -x "$venv/bin/$name" ] || name=pip
    [ -x "$venv/bin/$name" ] ||
        fail "$venv has no pip." "Run: sysvenv undo, if it went just now; or $venv/bin/python -m ensurepip"
    hint=''
    if [ "$whose" = "your environment's" ] && ! is_on_path "$venv/bin"; then
        hint=' (python3 is that one in a new login shell)'
    fi
    say "this is $whose pip: $(short "$venv")$hint"
    exec "$venv/bin/$name" "$@"
}

is_on_path() { case ":$PATH:" in *":$1:"*) ;; *) return 1 ;; esac }

main "$@"
