# Sourced from the root of the repository. Installs tools of fixed versions into target/ci-tools, one folder for each. Only
# cargo_tool compiles.
# shellcheck shell=bash

readonly ci_tools=$PWD/target/ci-tools
readonly install_seconds=300

# Prints the path of PROGRAM. Fails if it is absent and cannot be downloaded.
python_tool() { # PACKAGE VERSION PROGRAM
  local tool_folder=$ci_tools/$1-$2
  if ! is_runnable "$tool_folder/bin/$3"; then
    rm -rf "$tool_folder"
    install_tool "$tool_folder" python3 -m venv "$tool_folder" || return 1
    install_tool "$tool_folder" "$tool_folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2" || return 1
  fi
  printf '%s\n' "$tool_folder/bin/$3"
}

# Prints the folder whose node_modules contains the package and its dependencies.
node_tool() { # PACKAGE VERSION
  local tool_folder=$ci_tools/$1-$2
  if [[ ! -d $tool_folder/node_modules/$1 ]]; then
    # No script of a package runs during the installation.
    install_tool "$tool_folder" npm install --prefix "$tool_folder" --no-audit --no-fund --ignore-scripts "$1@$2" || return 1
  fi
  printf '%s\n' "$tool_folder"
}

# Prints the path of PROGRAM, and compiles it if it is absent, which takes minutes.
cargo_tool() { # CRATE VERSION PROGRAM
  local tool_folder=$ci_tools/$1-$2
  if [[ ! -x $tool_folder/bin/$3 ]]; then
    cargo install --quiet --locked --root "$tool_folder" --target-dir "$ci_tools/build" "$1@$2" >&2 || return 1
    rm -rf "$ci_tools/build"
  fi
  printf '%s\n' "$tool_folder/bin/$3"
}

# Succeeds if PROGRAM is executable and the interpreter in its first line exists. The interpreter of a Python program is
# missing after the repository has been moved.
is_runnable() { # PROGRAM
  local first_line
  [[ -x $1 ]] && IFS= read -r first_line <"$1" && [[ $first_line != '#!'* || -x ${first_line#'#!'} ]]
}

# Deletes the folder if the installation fails or times out, because an incomplete folder could count as installed.
install_tool() { # FOLDER COMMAND...
  local tool_folder=$1
  shift
  timeout "$install_seconds" "$@" >/dev/null 2>&1 </dev/null || {
    rm -rf "$tool_folder"
    return 1
  }
}
