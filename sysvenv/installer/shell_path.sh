# The lines that put a user's environment first on PATH, in the start-up files of their shell. Read by ../install.sh.

begin_mark='# >>> sysvenv >>>'
end_mark='# <<< sysvenv <<<'

fish_quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"; }

home_quoted() { # in double quotes, with $HOME for the home directory: start-up files are carried between machines
    case $1 in
    "$HOME"/*) printf '"$HOME%s"' "$(printf '%s' "${1#"$HOME"}" | sed 's/[\\"$`]/\\&/g')" ;;
    *) printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"$`]/\\&/g')" ;;
    esac
}

posix_block() {
    say "$begin_mark"
    say "# $mark; ./install.sh --uninstall removes it. A project's venv, once active, stays first."
    if [ "$home" != "$default_home" ]; then say "export SYSVENV_HOME=$(home_quoted "$home")"; fi
    say "case \":\$PATH:\" in *:$(home_quoted "$bin"):*) ;; *) PATH=$(home_quoted "$bin"):\$PATH ;; esac"
    say "case \"\${VIRTUAL_ENV:+project}:\$PATH:\" in"
    say "project:* | :$(home_quoted "$home/venv/bin"):*) ;;"
    say "*) PATH=$(home_quoted "$home/venv/bin"):\$PATH ;;"
    say "esac"
    say "export PATH"
    say "$end_mark"
}

fish_block() {
    say "$begin_mark"
    say "# $mark; ./install.sh --uninstall removes it. A project's venv, once active, stays first."
    if [ "$home" != "$default_home" ]; then say "set -gx SYSVENV_HOME $(fish_quoted "$home")"; fi
    say "contains -- $(fish_quoted "$bin") \$PATH; or set -gx PATH $(fish_quoted "$bin") \$PATH"
    say "if not set -q VIRTUAL_ENV; and test \"\$PATH[1]\" != $(fish_quoted "$home/venv/bin")"
    say "    set -gx PATH $(fish_quoted "$home/venv/bin") \$PATH"
    say "end"
    say "$end_mark"
}

fish_file() { printf '%s' "${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/sysvenv.fish"; }

login_file() { # the one file bash reads when it is a login shell
    for name in .bash_profile .bash_login; do
        if [ -e "$HOME/$name" ]; then
            printf '%s' "$HOME/$name"
            return
        fi
    done
    printf '%s' "$HOME/.profile"
}

# Sets: changed_files (a sentence), first_file (what to source now).
write_path_lines() {
    shell=${SHELL:-}
    if [ -z "$shell" ]; then shell=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f7) || shell=''; fi
    changed_files=''
    case ${shell##*/} in
    bash) set -- "$HOME/.bashrc" "$(login_file)" ;;
    zsh) set -- "${ZDOTDIR:-$HOME}/.zshrc" ;;
    fish) set -- "$(fish_file)" ;;
    *) # sh and shells we do not know read .profile at login; .bashrc too where the system made one
        set -- "$HOME/.profile"
        if [ -e "$HOME/.bashrc" ]; then set -- "$HOME/.profile" "$HOME/.bashrc"; fi
        ;;
    esac
    first_file=$(short "$1")
    for file in "$@"; do
        done_to=$(put_block "$file") || done_to="could not be written: add the lines of ./install.sh --no-modify-path yourself"
        changed_files="$changed_files${changed_files:+, }$(short "$file") ($done_to)"
    done
}

# The block between our marks in FILE, with them.
read_block() { sed -n "/^$begin_mark\$/,/^$end_mark\$/p" "$1"; }

is_whole() { # FILE holds none of our marks, or each once and in order
    LC_ALL=C awk -v b="$begin_mark" -v e="$end_mark" '
        $0 == b { if (open) bad = 1; open = 1 }
        $0 == e { if (!open) bad = 1; open = 0 }
        END { exit (bad || open) }' "$1"
}

# A symlink is followed, so that start-up files kept in a repository stay symlinks.
real_file() {
    file=$1
    while [ -L "$file" ]; do
        target=$(readlink "$file")
        case $target in /*) file=$target ;; *) file=$(dirname -- "$file")/$target ;; esac
    done
    printf '%s' "$file"
}

put_block() { # FILE: writes the block once, in its old place where there is one; prints what was done
    file=$(real_file "$1")
    case $file in *.fish) new=$(fish_block) ;; *) new=$(posix_block) ;; esac
    mkdir -p "$(dirname -- "$file")" 2>/dev/null || return 1
    if ! [ -e "$file" ]; then
        printf '%s\n' "$new" 2>/dev/null >"$file" || return 1
        say "written"
        return
    fi
    is_whole "$file" || return 1
    old=$(read_block "$file")
    if [ "$old" = "$new" ]; then
        say "as it was"
        return
    fi
    if [ -n "$old" ]; then
        NEW=$new replace_lines "$file" || return 1
        say "changed"
    else
        NEW=$new append_lines "$file" || return 1
        say "lines added"
    fi
}

append_lines() { # FILE: awk, because it ends a last line that lacks its newline
    rewrite "$1" '{ print } END { print ENVIRON["NEW"] }'
}

replace_lines() { # FILE: puts $NEW (may be empty) where our block stands
    rewrite "$1" '
        $0 == ENVIRON["BEGIN"] { inside = 1; if (ENVIRON["NEW"] != "") print ENVIRON["NEW"] }
        !inside { print }
        $0 == ENVIRON["END"] { inside = 0 }'
}

rewrite() { # FILE PROGRAM: by a copy with the same mode and owner, and a rename, so that a full disk loses nothing
    if [ -w "$1" ] && cp -p "$1" "$1.sysvenv$$" &&
        BEGIN=$begin_mark END=$end_mark LC_ALL=C awk "$2" "$1" >"$1.sysvenv$$" && mv -f "$1.sysvenv$$" "$1"; then return; fi
    rm -f "$1.sysvenv$$"
    return 1
} 2>/dev/null

remove_path_lines() {
    for file in "$HOME/.bashrc" "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile" "$HOME/.zshrc" \
        "${ZDOTDIR:-$HOME}/.zshrc" "$(fish_file)"; do
        remove_block "$file"
    done
}

remove_block() { # FILE
    if ! [ -f "$1" ] || ! grep -qF "$begin_mark" "$1"; then return; fi
    file=$(real_file "$1")
    if ! is_whole "$file" || ! NEW='' replace_lines "$file"; then
        say "could not change $(short "$1"): remove the lines between '$begin_mark' and '$end_mark' yourself" >&2
        return
    fi
    if ! [ -s "$file" ]; then rm -f "$file"; fi
    say "took the PATH lines out of $(short "$1")"
}
