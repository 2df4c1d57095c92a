"""What project.yml knows, written for other tools: one generator a file, project → text, pure.

Each hands a `marked.Part` to `writer`, which is the only one that touches a file.
"""
