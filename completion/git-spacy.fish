# Completion of `git spacy` and `git-spacy` in fish. All that it knows it asks of the program, which
# runs nothing of the project. (Newer fish takes what is said of `git-spacy` for `git spacy`, too.)

function __git_spacy_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    if test "$words[1]" = git
        set -l at (contains -i -- spacy $words)
        set -e words[$at]
    end
    git-spacy complete $words[2..-1] "$current" 2>/dev/null
end

complete -c git-spacy -f -a '(__git_spacy_complete)'
complete -c git -n 'contains -- spacy (commandline -opc)' -f -a '(__git_spacy_complete)'
