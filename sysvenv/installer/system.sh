# What is different where the tool is installed for everybody on a machine. Read by ../install.sh.

system_places() {
    [ "$(id -u)" = 0 ] || fail "--system needs root." "Run: sudo ./install.sh $asked"
    umask 022 # everybody is to read what is put there
    HOME=${HOME:-/root}
    home=/opt/system-python
    tool=/usr/local/lib/sysvenv
    bin=/usr/local/bin
    profile=/etc/profile.d/sysvenv.sh
    launcher=$bin/sysvenv
    for_tier=' --system'
}

# Nothing of anybody else's is replaced, and nobody else may be able to change what everybody will run.
refuse_unsafe_places() {
    for file in "$bin/pip" "$bin/pip3" "$profile"; do
        if exists "$file" && ! is_ours "$file"; then
            fail "$file exists and is not install.sh's: it stays as it is, and nothing was installed." \
                "Move it away (sudo mv $file $file.old), and run ./install.sh --system again."
        fi
    done
    for place in / /opt /usr /usr/local "$bin" "${tool%/*}" "$tool" "$home" "$home/venv"; do
        if ! exists "$place"; then continue; fi
        others=$(find -H "$place" -prune \( ! -user 0 -o -perm -002 \) 2>/dev/null) || others=$place
        [ -z "$others" ] ||
            fail "$place belongs to somebody else than root, or others may write to it; nothing was installed." \
                "What everybody runs must be root's alone. Run: chown root $place; chmod o-w $place"
    done
}

ask_for_system_venv() {
    if [ -n "$yes$venv_before" ] || [ -z "$make_venv" ] || ! [ -t 0 ]; then return; fi
    printf 'Make %s, an environment that everybody here may use and root changes? [Y/n] ' "$home/venv"
    read -r answer || answer=''
    case $answer in n* | N*) make_venv='' ;; esac
}

put_system_files() {
    for name in pip pip3; do
        put_file "$here/sysvenv/installer/pip_router.sh" "$bin/$name" 755
    done
    if [ -n "$modify_path" ] && [ -d "${profile%/*}" ]; then
        put_file "$here/sysvenv/installer/profile.sh" "$profile" 644
    fi
}

put_file() { # SOURCE FILE MODE: whole or not at all
    cp "$1" "$2.$$" && chmod "$3" "$2.$$" && mv -f "$2.$$" "$2" || fail "cannot write $2." "Is the disk full, or read-only?"
}

tell_system_result() {
    say "  pip      $bin/pip and pip3, which find the environment that is meant:"
    say "           an active one; else root's is the system's, and a user's their own"
    if [ -n "$make_venv$venv_before" ]; then
        say "  venv     $home/venv ($(if [ -n "$venv_before" ]; then say kept; else say new; fi)): everybody may use it, root changes it"
    else
        say "  venv     none for the system; to make it: sudo sysvenv --system init"
    fi
    if [ -f "$profile" ]; then
        say "  PATH     $profile, for login shells"
    else
        say "PATH was not changed. For the login shells of everybody:"
        sed 's/^/    /' "$here/sysvenv/installer/profile.sh"
    fi
    say "Users type pip install ... and are asked whether to make an environment of their own."
    say "Root: pip install ... and, when it broke something, sysvenv undo"
}

remove_system_files() {
    for file in "$bin/pip" "$bin/pip3" "$profile"; do
        remove_ours "$file"
    done
}
