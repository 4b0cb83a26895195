# Written by sysvenv's install.sh; ./install.sh --uninstall --system removes it.
# PATH: a project's environment, then your own, then /usr/local/bin with the routing pip, then the system environment's
# programs, then the distribution's.
if [ -d /opt/system-python/venv/bin ]; then
    case ":$PATH:" in
    *:/opt/system-python/venv/bin:*) ;;
    *:/usr/local/bin:*)
        PATH=":$PATH:"
        PATH=${PATH%%:/usr/local/bin:*}:/usr/local/bin:/opt/system-python/venv/bin:${PATH#*:/usr/local/bin:}
        PATH=${PATH#:}
        PATH=${PATH%:}
        ;;
    *) PATH=/usr/local/bin:/opt/system-python/venv/bin:$PATH ;;
    esac
fi
sysvenv_own=${SYSVENV_HOME:-${HOME:-}/.local/python-packages}/venv/bin
case ${VIRTUAL_ENV:+project}:$PATH: in
project:* | :"$sysvenv_own":*) ;;
*) if [ -O "$sysvenv_own" ]; then PATH=$sysvenv_own:$PATH; fi ;; # of somebody else: `sudo -E bash -l`
esac
unset sysvenv_own
export PATH
