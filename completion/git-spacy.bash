# Completion of `git spacy` (Git's own asks for _git_spacy) and of `git-spacy` in bash.
# All that it knows it asks of the program, which runs nothing of the project.

# Whether a quote is open at the cursor. What is offered is quoted to stand outside of quotes: inside,
# a name could close the quote, and what follows in it would be run.
__git_spacy_in_quotes () {
	local line=${COMP_LINE:0:COMP_POINT} quote= before= char i
	for ((i = 0; i < ${#line}; i++)); do
		char=${line:i:1}
		if [[ $quote == "'" ]]; then
			[[ $char == "'" ]] && quote=
		elif [[ $char == \\ ]]; then
			((++i < ${#line})) || return 0
			char=
		elif [[ $quote ]]; then
			[[ $char == "${quote: -1}" ]] && quote=
		elif [[ $char == [\'\"\`] ]]; then
			quote=$char
			[[ $before$char == "\$'" ]] && quote="\$'"
		fi
		before=$char
	done
	[[ $quote ]]
}

__git_spacy_reply () {
	local word
	COMPREPLY=()
	__git_spacy_in_quotes && return
	while IFS=$'\t' read -r word _; do
		printf -v word %q "$word"
		case $word in
		*= | *.) ;;
		*) word+=" " ;;
		esac
		COMPREPLY+=("$word")
	done < <("$@" 2>/dev/null)
	# bash replaces only what follows the last of these
	local before=${cur%"${cur##*[=:]}"}
	case $before in
	*[=:])
		[[ $COMP_WORDBREAKS == *"${before: -1}"* ]] &&
			COMPREPLY=("${COMPREPLY[@]#"$before"}")
		;;
	esac
}

# `git … spacy …`: words, cword, cur and what stands before the verb are Git's
_git_spacy () {
	local first=$((${__git_cmd_idx:-1} + 1))
	__git_spacy_reply __git spacy complete "${words[@]:first:cword-first+1}"
}

_git_spacy_alone () {
	local cur words cword
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n =: cur words cword
	else
		words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
	fi
	__git_spacy_reply git-spacy complete "${words[@]:1:cword}"
}

complete -o bashdefault -o default -o nospace -F _git_spacy_alone git-spacy
