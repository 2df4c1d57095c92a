"""project.lock: its formats, the one owner of the file, and the merge of two versions."""
