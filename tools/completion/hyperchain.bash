# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for hyperchain(8). The words come from the program's own help, so that a new
# command or option needs no line here; ids and names from the running node.
# shellcheck shell=bash

# Names that "hyperchain ... --help" lists: verbs of a noun ("  node show ..."), or commands.
_hyperchain_words() {
	hyperchain "$@" 2>/dev/null
}

_hyperchain_options() {
	_hyperchain_words "$@" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u
}

# Values of a key in an answer: one JSON string or number a line, without any JSON tool.
_hyperchain_values() {
	local key=$1
	shift
	_hyperchain_words "$@" --json |
		sed -nE "s/^ {6}\"$key\": \"?([^\",]*)\"?,?\$/\\1/p"
}

_hyperchain() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local -a words=() path=()
	local word nouns verbs

	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in -*) break ;; *) path+=("$word") ;; esac
	done
	nouns=$(_hyperchain_words help | awk '/^  [a-z]/ { print $1 }')
	if [ ${#path[@]} = 0 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$nouns" -- "$cur")
		return
	fi

	case $prev in
	--env | -e)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name env list)" -- "$cur")
		return
		;;
	--window | -w)
		mapfile -t COMPREPLY < <(compgen -W "hour day week month" -- "$cur")
		return
		;;
	--png | -p)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--user | -u)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name user list)" -- "$cur")
		return
		;;
	--by)
		mapfile -t COMPREPLY < <(compgen -W "user node" -- "$cur")
		return
		;;
	--rule | -r)
		mapfile -t COMPREPLY < <(compgen -W "$(printf 'R%d ' {1..22})" -- "$cur")
		return
		;;
	--trace)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--nodes | --peer)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id peer list)" -- "$cur")
		return
		;;
	--view)
		mapfile -t COMPREPLY < <(compgen -W "sum local" -- "$cur")
		return
		;;
	--backing | -b | --image | -i | --ssh-key | -k)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--size | -s | --reserve | --quota | -q | --memory | -m)
		mapfile -t COMPREPLY < <(compgen -W '512M 1G 2G 4G 8G 16G' -- "$cur")
		return
		;;
	esac

	case ${path[0]} in
	help)
		mapfile -t COMPREPLY < <(compgen -W "$nouns" -- "$cur")
		return
		;;
	cluster | config | node | peer | memory | env | process | job | user | usage)
		if [ ${#path[@]} = 1 ]; then
			verbs=$(_hyperchain_words "${path[0]}" --help |
				awk -v n="${path[0]}" '$1 == n { print $2 }')
			mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur")
			return
		fi
		words=("${path[@]:0:2}")
		if [ "${path[*]:0:2}" = "memory swap" ]; then
			if [ ${#path[@]} = 2 ]; then
				mapfile -t COMPREPLY < <(compgen -W "on off" -- "$cur")
				return
			fi
			words=("${path[@]:0:3}")
		fi
		;;
	*)
		words=("${path[0]}")
		;;
	esac

	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_options "${words[@]}")" -- "$cur")
		return
	fi
	case "${words[*]}" in
	"config set" | "config show")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values key config show)" -- "$cur")
		;;
	"node remove" | "node drain" | "node undrain" | "node show")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id node list)" -- "$cur")
		;;
	"cluster backup" | "cluster restore")
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	"peer del")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id peer list)" -- "$cur")
		;;
	"env show" | "env start" | "env stop" | "env leader" | "env resize" | "env exec" | "env del")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name env list)" -- "$cur")
		;;
	"user show" | "user del" | "user request" | "user candidates")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name user list)" -- "$cur")
		;;
	"user pick" | "user select" | "user deselect")
		if [ ${#path[@]} = 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name user list)" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id node list)" -- "$cur")
		fi
		;;
	vnc)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name env list)" -- "$cur")
		;;
	panel)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values name user list)" -- "$cur")
		;;
	load)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id node list) $(_hyperchain_values name user list)" -- "$cur")
		;;
	explain)
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id events)" -- "$cur")
		;;
	simulate)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	"job show" | "job stop")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id job list)" -- "$cur")
		;;
	"job submit")
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		;;
	"process show" | "process resolve")
		mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values pid process list)" -- "$cur")
		;;
	"process accept")
		mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
		;;
	migrate)
		if [ ${#path[@]} = 1 ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_hyperchain_values id peer list)" -- "$cur")
		fi
		;;
	track)
		mapfile -t COMPREPLY < <(compgen -d -- "${cur:-/sys/fs/cgroup/}")
		;;
	"memory donate")
		mapfile -t COMPREPLY < <(compgen -W '512M 1G 2G 4G 8G 16G' -- "$cur")
		;;
	esac
}
complete -o filenames -o nosort -F _hyperchain hyperchain
