#compdef git-spacy
#description spaCy projects, native to Git

# Completion of `git spacy` and `git-spacy` in zsh. All that it knows it asks of the program, which
# runs nothing of the project.

local -a candidates open
local word told
while IFS=$'\t' read -r word told; do
	word=${word//:/\\:}
	if [[ $word == *[=.] ]]; then
		open+=("$word${told:+:$told}")
	else
		candidates+=("$word${told:+:$told}")
	fi
done < <(git-spacy complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
if (( $#candidates + $#open )); then
	_describe -t candidates 'git spacy' candidates -- open -S ''
else
	_files
fi
