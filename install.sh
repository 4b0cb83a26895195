#!/bin/sh
# Installs sysvenv for the user who runs it, or for everybody: ./install.sh --help
#
# The tool gets an environment of its own below ~/.local/share/sysvenv or /usr/local/lib/sysvenv, built beside the one
# in use and switched to by one rename, so that a run that fails or is interrupted leaves the installed sysvenv working.
set -eu
[ -z "${ZSH_VERSION:-}" ] || emulate sh # for those who type: zsh install.sh
this_script=$0
asked=$*
mark="Written by sysvenv's install.sh"

usage() {
    cat <<'END'
usage: ./install.sh [--demo] [--python PATH] [--no-modify-path] [--yes]
       sudo ./install.sh --system [--no-system-venv] [--python PATH] [--no-modify-path] [--yes]
       [sudo] ./install.sh --uninstall [--system] [--purge] [--yes]

Installs sysvenv for the user who runs it, or upgrades it; a second run keeps all data.

  --system          install for everybody: the tool and a pip that finds each user's environment in /usr/local,
                    and a system environment in /opt/system-python that everybody may use and root changes
  --no-system-venv  with --system: without that environment
  --demo            install, then show the main job with real packages in a home that is thrown away
  --python PATH     the Python (3.10 or newer) for the tool and for a venv that is created now
  --no-modify-path  leave the shell's start-up files alone; print the lines instead
  -y, --yes         answer yes where something would be asked
  --uninstall       remove the tool, its command, the PATH lines and the pip hook; venv and history stay;
                    with --system: what --system installed
  --purge           with --uninstall: delete the venv and its history too
  -h, --help        show this

SYSVENV_HOME names another place for the venv and its history than ~/.local/python-packages.
END
}

main() {
    action=install tier=user demo='' asked_python='' modify_path=yes yes='' purge='' make_venv=yes
    while [ $# -gt 0 ]; do
        case $1 in
        --demo) demo=yes ;;
        --system) tier=system ;;
        --no-system-venv) make_venv='' ;;
        --python)
            [ $# -gt 1 ] || wrong_usage "--python needs a path"
            shift
            asked_python=$1
            ;;
        --python=*) asked_python=${1#*=} ;;
        --no-modify-path) modify_path='' ;;
        -y | --yes) yes=yes ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) wrong_usage "unknown argument: $1" ;;
        esac
        shift
    done
    [ -z "$purge" ] || [ "$action" = uninstall ] || wrong_usage "--purge goes with --uninstall"
    [ -z "$demo" ] || [ "$action" = install ] || wrong_usage "--demo installs: it does not go with --uninstall"
    [ -z "$demo" ] || [ "$tier" = user ] || wrong_usage "--demo shows a user's work: it does not go with --system"
    [ -n "$make_venv" ] || [ "$tier $action" = 'system install' ] || wrong_usage "--no-system-venv goes with --system"
    scratch='' build='' switched=''
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    look_around
    if [ "$action" = uninstall ]; then uninstall; else install_all; fi
}

say() { printf '%s\n' "$*"; }

fail() { # SENTENCE [WHAT TO DO]
    printf 'install.sh: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
    exit 1
}

wrong_usage() {
    printf 'install.sh: %s\n  ./install.sh --help lists what it takes.\n' "$1" >&2
    exit 2
}

clean_up() {
    if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
    if [ -n "$build" ] && [ -z "$switched" ]; then rm -rf "$build" "$tool/.current.$$"; fi
}

# Paths as people write them.
short() { case $1 in "$HOME"/*) printf '~%s' "${1#"$HOME"}" ;; *) printf '%s' "$1" ;; esac }

# --- where we are -----------------------------------------------------------------------------------------------

look_around() {
    # What would turn the tool's own pip and Python elsewhere.
    unset CDPATH PYTHONHOME PYTHONPATH __PYVENV_LAUNCHER__ PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN PIP_NO_DEPS \
        PIP_REPORT PIP_PYTHON || true
    export PIP_USER=0
    case $(uname -s) in
    MINGW* | MSYS* | CYGWIN* | Windows*)
        fail "sysvenv does not run on Windows: it stands on hardlinks, symlinks and an atomic exchange of directories." \
            "In WSL it works: open a WSL shell and run ./install.sh there."
        ;;
    esac
    if [ "$action" = install ]; then
        for part in pyproject.toml sysvenv/__init__.py store/__init__.py; do
            [ -f "$here/$part" ] ||
                fail "$here is not a checkout of sysvenv ($part is missing)." \
                    "Clone the repository, and run ./install.sh in the clone."
        done
    fi
    "${tier}_places"
    venv_before=''
    if [ -e "$home/venv" ]; then venv_before=yes; fi
}

# Sets: home, tool, bin, launcher, for_tier (the option that names the tier). For everybody: sysvenv/installer/system.sh.
user_places() {
    case ${HOME:-} in
    /*) [ -d "$HOME" ] || fail "your home directory $HOME does not exist." "Set HOME to a directory you can write to." ;;
    *) fail "HOME is not set to an absolute path." "Set HOME to your home directory." ;;
    esac
    if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ] && ! [ -O "$HOME" ]; then
        fail "this would put files of root into the home directory of ${SUDO_USER:-another user}." \
            "Run ./install.sh without sudo."
    fi
    home=${SYSVENV_HOME:-}
    default_home=$HOME/.local/python-packages
    case $home in
    '') home=$default_home ;;
    '~/'*) home=$HOME/${home#'~/'} ;;
    /*) ;;
    *) fail "SYSVENV_HOME is not an absolute path: $home" "Give it with a leading /." ;;
    esac
    home=${home%/}
    tool=$HOME/.local/share/sysvenv
    bin=$HOME/.local/bin
    launcher=$bin/sysvenv
    for_tier=''
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }
is_ours() { [ -f "$1" ] && ! [ -L "$1" ] && grep -q "$mark" "$1" 2>/dev/null; }
remove_ours() { if is_ours "$1"; then rm -f "$1" && say "removed $(short "$1")"; fi; }

# --- install ----------------------------------------------------------------------------------------------------

install_all() {
    if exists "$launcher" && ! is_ours "$launcher"; then
        fail "$launcher exists and is not install.sh's (pipx or uv may have put it there)." \
            "Remove it first: pipx uninstall sysvenv, or uv tool uninstall sysvenv."
    fi
    if [ "$tier" = system ]; then refuse_unsafe_places; fi
    find_python
    if [ "$tier" = system ]; then ask_for_system_venv; fi
    build_tool
    switch_tool
    write_launcher
    if [ -n "$make_venv" ]; then create_home; fi
    changed_files=''
    if [ "$tier" = system ]; then put_system_files; elif [ -n "$modify_path" ]; then write_path_lines; fi
    remove_older_builds
    tell_result
    if [ -n "$demo" ]; then
        say ''
        "$tool/current/bin/python" -I -m sysvenv.demo
    fi
}

# Sets: python (a base interpreter), python_version, maker (what makes a virtual environment with it), closed (a
# directory on the way there that others than its owner cannot enter).
find_python() {
    if [ -n "$asked_python" ]; then
        ask_python "$asked_python" ||
            fail "$asked_python is not a Python 3.10 or newer that runs." "Give the path of one: --python /usr/bin/python3.12"
        [ -n "$maker" ] || fail_without_maker "$python" "$python_version"
        [ -z "$closed" ] || [ "$tier" = user ] ||
            fail "$python is not for everybody: $closed is closed to others." "Give another: --python /usr/bin/python3"
        return
    fi
    first='' first_version=''
    if [ "$tier" = system ]; then set -- /usr/bin/python3; fi
    for candidate in "$@" python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        # macOS has a /usr/bin/python3 that only opens a window as long as the developer tools are missing.
        if [ "$(command -v "$candidate" || :)" = /usr/bin/python3 ] && [ "$(uname -s)" = Darwin ] &&
            ! xcode-select -p >/dev/null 2>&1; then continue; fi
        if ask_python "$candidate" && { [ -z "$closed" ] || [ "$tier" = user ]; }; then
            if [ -n "$maker" ]; then return; fi
            if [ -z "$first" ]; then first=$python first_version=$python_version; fi
        fi
    done
    [ -z "$first" ] || fail_without_maker "$first" "$first_version"
    fail "no Python 3.10 or newer was found." \
        "Install one (python.org, your system's packages, or uv python install), or name it with --python PATH."
}

ask_python() { # COMMAND
    command -v "$1" >/dev/null 2>&1 || return 1
    # The base interpreter, in case this one is of a virtual environment or a shim; by its versioned name, so that an
    # upgrade of python3 to another minor version is noticed as missing and not run with the wrong packages.
    answer=$("$1" -I -c '
import os, sys
if sys.version_info < (3, 10):
    sys.exit(1)
base = getattr(sys, "_base_executable", "") or sys.executable
named = os.path.join(os.path.dirname(base), "python%d.%d" % sys.version_info[:2])
if os.path.exists(named) and os.path.samefile(named, base):
    base = named
try:
    import ensurepip, venv
    ensurepip.version()
    maker = "venv"
except Exception:
    maker = ""
print("%d.%d.%d" % sys.version_info[:3])
place, closed = os.path.realpath(base), ""
while place != "/":
    if not os.stat(place).st_mode & 0o001:
        closed = place
    place = os.path.dirname(place)
print(maker)
print(base)
print(closed)' 2>/dev/null </dev/null) || return 1
    python_version=$(printf '%s\n' "$answer" | sed -n 1p)
    maker=$(printf '%s\n' "$answer" | sed -n 2p)
    python=$(printf '%s\n' "$answer" | sed -n 3p)
    closed=$(printf '%s\n' "$answer" | sed -n 4p)
    if [ -z "$maker" ] && command -v virtualenv >/dev/null 2>&1; then maker=virtualenv; fi
    if [ -z "$maker" ] && command -v uv >/dev/null 2>&1; then maker=uv; fi
    [ -x "$python" ]
}

fail_without_maker() { # PYTHON VERSION
    if command -v apt-get >/dev/null 2>&1; then
        remedy="Install it, sudo apt install python${2%.*}-venv, and run ./install.sh again."
    else
        remedy="Install virtualenv or uv, or name another Python with --python PATH, and run ./install.sh again."
    fi
    fail "$1 cannot make virtual environments: its ensurepip module is missing." "$remedy"
}

# Sets build: a complete environment with the tool in it, not in use yet.
build_tool() {
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/sysvenv/__init__.py")
    mkdir -p "$tool" "$bin" 2>/dev/null && [ -w "$tool" ] && [ -w "$bin" ] ||
        fail "cannot write to $tool or $bin." "Make them writable for you, and run ./install.sh again."
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/sysvenv.XXXXXX" 2>/dev/null) ||
        fail "cannot make a temporary directory in ${TMPDIR:-/tmp}." "Set TMPDIR to a directory you can write to."
    build=$tool/$version-$(date +%Y%m%d-%H%M%S)-$$
    say "Building sysvenv $version with Python $python_version ..."
    case $maker in
    venv) logged "$python" -I -m venv "$build" ;;
    virtualenv) logged virtualenv --python "$python" "$build" ;;
    uv) logged uv venv --seed --python "$python" "$build" ;;
    esac || fail_with_log "$python could not make a virtual environment in $build."
    # Built from a copy: a build must leave nothing in the checkout, which may also be read-only.
    mkdir "$scratch/source"
    for part in pyproject.toml README.md LICENSE sysvenv store; do
        cp -R "$here/$part" "$scratch/source/" ||
            fail "cannot copy $here/$part to $scratch." "Is the disk full, or the checkout not readable for you?"
    done
    logged "$build/bin/python" -I -m pip install --disable-pip-version-check "$scratch/source" ||
        fail_with_log "pip could not install sysvenv and what it needs."
    (cd / && logged "$build/bin/python" -I -m sysvenv --version) || fail_with_log "the sysvenv that was built does not start."
}

logged() { "$@" >>"$scratch/log" 2>&1 </dev/null; }

fail_with_log() { # SENTENCE
    before=''
    if [ -e "$tool/current" ]; then before=' The sysvenv you had is untouched.'; fi
    if grep -q 'No space left on device' "$scratch/log" || is_full "$tool" || is_full "$scratch"; then
        fail "the disk is full.$before" "Free 100 MB for $tool and ${TMPDIR:-/tmp}, and run ./install.sh again."
    fi
    if grep -qE 'ConnectionError|ConnectTimeout|ReadTimeout|Max retries|No matching distribution found' "$scratch/log"; then
        fail "PyPI could not be reached; sysvenv needs it once, for a few small packages.$before" \
            "Check the network (or PIP_INDEX_URL and your pip settings), and run ./install.sh again."
    fi
    tail -n 15 "$scratch/log" | sed 's/^/    /' >&2
    fail "$1$before" "The lines above say why; mend that, and run ./install.sh again."
}

is_full() { [ "$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')" -lt 2048 ] 2>/dev/null; } # venv hides the reason

# The one step that puts the new tool to use.
switch_tool() {
    previous=$(readlink "$tool/current" 2>/dev/null || :)
    rm -f "$tool/.current.$$"
    ln -s "${build##*/}" "$tool/.current.$$" &&
        "$build/bin/python" -I -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$tool/.current.$$" "$tool/current" ||
        fail "cannot switch $tool/current to the new build." "If it is a directory, move it away; then run ./install.sh again."
    switched=yes
}

shell_quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

write_launcher() {
    {
        say '#!/bin/sh'
        say "# Runs sysvenv in its own environment. $mark; ./install.sh --uninstall$for_tier removes it."
        say "python=$(shell_quoted "$tool/current/bin/python")"
        cat <<'END'
if [ -x "$python" ]; then
    exec "$python" -I -c 'from sysvenv.__main__ import start; start()' "$@" # -m would cost three milliseconds more
fi
echo "sysvenv: the Python it was installed with is gone: run install.sh again; nothing is lost" >&2
exit 1
END
    } >"$launcher.$$" && chmod 755 "$launcher.$$" && mv -f "$launcher.$$" "$launcher" ||
        fail "cannot write $launcher." "Make $bin writable for you, and run ./install.sh again."
}

create_home() {
    set -- init
    if [ -n "$asked_python" ] && [ -z "$venv_before" ] && [ ! -d "$home/history" ]; then set -- init --python "$python"; fi
    SYSVENV_HOME=$home "$tool/current/bin/python" -I -m sysvenv "$@" </dev/null ||
        fail "the tool is installed, but 'sysvenv init' failed; it says why above." "Mend that, and run ./install.sh again."
}

remove_older_builds() { # all but the one in use, the one before it, and those another run is building
    for old in "$tool"/*-*; do
        name=${old##*/}
        if [ ! -d "$old" ] || [ "$name" = "${build##*/}" ] || [ "$name" = "$previous" ]; then continue; fi
        if kill -0 "${name##*-}" 2>/dev/null; then continue; fi
        rm -rf "$old"
    done
}

tell_result() {
    say ''
    say "sysvenv $version is installed."
    say "  command  $(short "$launcher")"
    say "  tool     $(short "$build")"
    if [ "$tier" = system ]; then
        tell_system_result
        return
    fi
    say "  venv     $(short "$home/venv") ($(if [ -n "$venv_before" ]; then say 'yours, kept'; else say 'new'; fi))"
    if [ -z "$modify_path" ]; then
        say "PATH was not changed. For the shell's start-up file:"
        posix_block | sed 's/^/    /'
        return
    fi
    if [ -n "$changed_files" ]; then say "  PATH     $changed_files"; fi
    case ":$PATH" in
    ":$home/venv/bin:"*) say "Now type: pip install ... and, when it broke something, sysvenv undo" ;;
    *) say "Open a new shell, or type:  . $first_file
Then: pip install ... and, when it broke something, sysvenv undo" ;;
    esac
}

# --- uninstall --------------------------------------------------------------------------------------------------

uninstall() {
    if [ -n "$purge" ]; then confirm_purge; fi
    if [ "$tier" = system ]; then remove_system_files; else remove_path_lines; fi
    for site in "$home"/venv/lib*/python*/site-packages; do
        for hook in "$site"/_sysvenv.* "$site"/_sysvenv_gate.* "$site"/__pycache__/_sysvenv*.pyc; do
            rm -f "$hook" || fail "cannot remove $hook." "Remove it yourself, and run ./install.sh $asked again."
        done
    done
    remove_ours "$launcher"
    if [ -d "$tool" ]; then
        rm -rf "$tool" || fail "cannot remove $tool." "Remove it yourself."
        say "removed $(short "$tool")"
    fi
    if [ -n "$purge" ]; then
        rm -rf "$home" || fail "cannot remove all of $home." "Remove it yourself."
        say "removed $(short "$home")"
        say "sysvenv is uninstalled; nothing of it is left."
        return
    fi
    say "sysvenv is uninstalled."
    if [ -d "$home/venv" ]; then
        say "The venv and its history stay in $(short "$home"); plain pip works there:"
        say "  $(short "$home/venv/bin/pip") list"
        say "./install.sh$for_tier brings sysvenv back with all its history;"
        say "./install.sh --uninstall$for_tier --purge deletes them."
    fi
}

confirm_purge() {
    if ! [ -e "$home" ]; then
        purge=''
        return
    fi
    # Only what is recognizably ours is deleted, whatever SYSVENV_HOME says.
    [ -d "$home/history" ] ||
        fail "$home does not look like a home of sysvenv (no history in it): nothing was removed." \
            "Delete it yourself if you mean it."
    home=$(cd -P -- "$home" && pwd)
    if [ -n "$yes" ]; then return; fi
    [ -t 0 ] ||
        fail "--purge deletes $home for good: nothing was removed." "Say so with --yes: ./install.sh $asked --yes"
    printf 'Delete %s, the venv and its whole history, for good? [y/N] ' "$home"
    read -r answer || answer=''
    case $answer in
    y | Y | yes | Yes) ;;
    *) fail "nothing was removed." ;;
    esac
}

here=$(cd -P -- "$(dirname -- "$this_script")" && pwd) || fail "cannot tell the directory of $this_script."
for part in shell_path system; do
    [ -f "$here/sysvenv/installer/$part.sh" ] ||
        fail "$here is not a checkout of sysvenv (sysvenv/installer/$part.sh is missing)." \
            "Clone the repository, and run ./install.sh in the clone."
    . "$here/sysvenv/installer/$part.sh"
done
main "$@"
